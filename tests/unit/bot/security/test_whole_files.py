"""A key or secret that does not fit on the disk leaves no partial file, and the error names the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.security.keys import SigningKeys
from bot.security.secrets import Secrets
from tests.support.room import room_for


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda folder: Secrets.load(None, folder), "secret"),
        (lambda folder: SigningKeys.load(None, folder), "signing-keys.json"),
    ],
)
def test_without_room_there_is_no_file_and_the_error_names_it(
    tmp_path: Path, make: Callable[[Path], object], name: str
) -> None:
    folder, nothing = tmp_path / "data", tmp_path / "nothing"
    folder.mkdir(mode=0o700)
    nothing.touch()
    with room_for(nothing, 0), pytest.raises(OSError, match=name):
        make(folder)
    assert list(folder.iterdir()) == []
    make(folder)
    assert (folder / name).stat().st_size

"""The token's file: its owner's alone, made once, and refused with the remedy where it is not as it should be."""

import logging
import os
from pathlib import Path

import pytest

from orchestration.hub import Hub, HubError, token_file
from orchestration.hub.transport.tokens import Tokens

FIRST, SECOND = "1" * 32, "2" * 40


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_one_is_made_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "hub.db.token"
    made = Tokens.load(path)
    token = path.read_text().strip()
    assert len(token) >= 43
    assert path.stat().st_mode & 0o777 == 0o600
    assert made.accept(f"Bearer {token}".encode())
    assert Tokens.load(path).accept(f"Bearer {token}".encode())
    assert list(tmp_path.iterdir()) == [path]


def test_several_are_accepted_while_one_takes_the_place_of_another(tmp_path: Path) -> None:
    found = Tokens.load(written(tmp_path / "token", f"{SECOND}\n{FIRST}"))
    assert [found.accept(f"Bearer {token}".encode()) for token in (FIRST, SECOND)] == [True, True]


@pytest.mark.parametrize(
    "sent",
    [
        None,
        b"",
        b"Bearer",
        b"Bearer ",
        FIRST.encode(),
        b"Basic " + FIRST.encode(),
        b"Bearer " + FIRST[:-1].encode(),
        b"Bearer " + FIRST.encode() + b" ",
        b"Bearer  " + FIRST.encode(),
        b"Bearer " + FIRST.encode() + b"1",
        b"Bearer \xff\xfe",
    ],
)
def test_anything_else_is_refused(tmp_path: Path, sent: bytes | None) -> None:
    assert not Tokens.load(written(tmp_path / "token", FIRST)).accept(sent)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602])
def test_a_file_that_others_can_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    written(token_file(tmp_path / "hub.db"), FIRST, mode)
    with pytest.raises(HubError, match="Other users"):
        Hub(tmp_path / "hub.db", listen="127.0.0.1:0").start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "token", FIRST)
    os.chown(path, 65534, 65534)
    with pytest.raises(HubError, match="Other users"):
        Tokens.load(path)


@pytest.mark.parametrize("text", ["", " \n", "short", FIRST + " short", FIRST + "\x01", "é" * 40])
def test_a_file_without_a_good_token_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(HubError, match="token"):
        Tokens.load(written(tmp_path / "token", text))


def test_options_that_would_do_nothing_are_refused(tmp_path: Path) -> None:
    for options in ({"authenticate": False}, {"token_file": tmp_path / "token"}):
        with pytest.raises(HubError, match="--listen"):
            Hub(tmp_path / "hub.db", **options).start()


def test_refusals_are_logged_without_flooding_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = Tokens.load(written(tmp_path / "token", FIRST))
    with caplog.at_level(logging.WARNING):
        for _ in range(100):
            found.accept(b"Bearer secret-guess")
    assert [record.getMessage() for record in caplog.records] == [
        "Refused 1 calls that did not send the hub's token."
    ]

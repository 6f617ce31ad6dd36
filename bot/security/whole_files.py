"""Writes files atomically: complete, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(fresh: Path, path: Path) -> Iterator[None]:
    """Guards the writing of `fresh`, a new version of `path`.

    On an error, removes `fresh` and names `path` in the error.

    Raises `OSError`.
    """
    try:
        yield
    except OSError as error:
        fresh.unlink(missing_ok=True)
        error.filename = str(path)  # an error for a full disk names no file
        raise

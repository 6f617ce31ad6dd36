"""Files that hold all that they are to hold, or are not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(fresh: Path, path: Path) -> Iterator[None]:
    """While `fresh` is written, which is to become `path`. Where that fails it is removed, and the error names `path`.

    Raises `OSError`.
    """
    try:
        yield
    except OSError as error:
        fresh.unlink(missing_ok=True)
        error.filename = str(path)  # a write that finds no room names no file by itself
        raise

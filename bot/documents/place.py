"""A place that documents lie in: a folder of this machine, or a store that fsspec reaches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from orchestration.domain.errors import CountersignError

CHUNK: Final = 4 * 1024 * 1024  # bytes

Sink = Callable[[bytes], object]


class PlaceError(CountersignError):
    """A place that cannot be used: why, and what to do, as the rest of a sentence that begins with its name."""


class DocumentChangedError(CountersignError):
    """The document was changed while it was read."""


class DocumentTooLargeError(CountersignError):
    """The document is larger than the policy takes."""


@dataclass(frozen=True)
class PlacedDocument:
    """A document that is listed but not read. While its `stamp` is equal, its content is equal."""

    name: str
    size: int
    stamp: str


class DocumentPlace(Protocol):
    """Safe to share between threads. Names are plain: they never lead out of the place, by `..` or by a link.

    Each call may raise `PlaceError` for what somebody has to mend, or `OSError` and what the store's library raises
    for what may pass.
    """

    address: str

    def entries(self) -> list[PlacedDocument]:
        """All documents that lie in the place itself, without what is hidden, unfinished, empty or a link."""
        ...

    def entry(self, name: str) -> PlacedDocument | None:
        """The document of that name; None where there is none."""
        ...

    def read(self, entry: PlacedDocument, sink: Sink) -> str:
        """Hands all of the document to `sink`, in pieces, and returns its SHA-256 (hex).

        Raises `FileNotFoundError`, or `DocumentChangedError` where it is not the one of the entry any more.
        """
        ...

    def add(self, name: str, path: Path) -> bool:
        """Copies the file at `path` to the place, completely or not at all. False if the name is taken."""
        ...

    def remove(self, entry: PlacedDocument) -> bool:
        """Removes the document. False if it has changed meanwhile: then it stays."""
        ...

    def fault(self) -> str | None:
        """Why the place cannot be used, as in `PlaceError`; None where it can."""
        ...

"""Which names are those of documents, and what kind of document a name says it is."""

from __future__ import annotations

import mimetypes
from pathlib import PurePosixPath
from typing import Final

# The names of files that editors, browsers and copying tools are still writing.
_UNFINISHED: Final = (
    "~", ".tmp", ".temp", ".part", ".partial", ".crdownload", ".download", ".filepart", ".swp", ".swx", ".lock"
)  # fmt: skip
_HIDDEN: Final = (".", "~$", "~")
_OF_SYSTEMS: Final = frozenset({"thumbs.db", "desktop.ini", "$recycle.bin"})
UNKNOWN_TYPE: Final = "application/octet-stream"
# The library's media types come from files of the machine, and differ between machines.
_TYPES: Final = mimetypes.MimeTypes(filenames=())
_TYPES.add_type("text/markdown", ".md")
_TYPES.add_type("text/csv", ".csv")


def is_document(name: str) -> bool:
    """Whether a file of that name is a finished document. No name with a separator is, nor a hidden one."""
    lower = name.lower()
    return (
        is_plain(name)
        and not lower.startswith(_HIDDEN)
        and not lower.endswith(_UNFINISHED)
        and lower not in _OF_SYSTEMS
    )


def is_plain(name: str) -> bool:
    """Whether the name stays in the folder that it is looked up in."""
    return name not in {"", ".", ".."} and not any(letter in name for letter in "/\\\0")


def media_type(name: str) -> str:
    """The media type that belongs to the ending of the name."""
    found, encoding = _TYPES.guess_type(name)
    return found if found and not encoding else UNKNOWN_TYPE


def beside(name: str, sha256: str) -> str:
    """Returns another name for a document whose name is taken: with the beginning of its SHA-256."""
    path = PurePosixPath(name)
    return f"{path.stem}-{sha256[:12]}{path.suffix}"

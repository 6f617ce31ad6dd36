"""One entry of a log: a line of JSON around a signature, which binds the entry to its place in the chain.

The line's other members are for reading and searching. They count only if the signature says the same.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

FIRST: Final = "0" * 64  # what the first entry has as its previous hash
TYPE: Final = "countersign-log+jwt"  # `typ` of every entry that is no receipt


class Kind(StrEnum):
    """The kind of an entry."""

    OPENED = "opened"  # the first of a log
    RECEIPT = "receipt"  # an outcome
    GATHERED = "gathered"  # the result of a gathering
    STEP = "step"  # a state that an approved request has come to
    PURGED = "purged"  # a request is about to be forgotten by the task hub: its tombstone
    CONFLICT = "conflict"  # a second outcome came for a request, and was not signed
    MENDED = "mended"  # before it stands a line that was cut short by a kill or a full disk


@dataclass(frozen=True)
class Place:
    """Where in which log an entry stands. `previous` is the hash of the entry before it."""

    log: str
    sequence: int
    previous: str

    def claims(self) -> dict[str, Any]:
        """Returns the claims that bind a signed entry to this place."""
        return {"log": self.log, "sequence": self.sequence, "previous": self.previous}


@dataclass(frozen=True)
class Entry:
    """One entry, unverified, as its line says. `request` and `nonce` are empty if it is about no request."""

    place: Place
    kind: Kind
    request: str
    nonce: str
    jws: str

    def line(self) -> bytes:
        """The line, without its end."""
        said = {
            "log": self.place.log,
            "sequence": self.place.sequence,
            # Before the long part, so that a line that was cut short mostly says what it was about.
            "kind": self.kind.value,
            "request": self.request,
            "nonce": self.nonce,
            "previous": self.place.previous,
            "jws": self.jws,
        }
        return json.dumps(said, separators=(",", ":")).encode()

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of the line: what the next entry names as the one before it."""
        return hash_of(self.line())


def hash_of(line: bytes) -> str:
    """SHA-256 (hex) of a line without its end."""
    return hashlib.sha256(line).hexdigest()


def read_line(line: bytes) -> Entry | None:
    """Parses a line without its line break. None for anything that is not written exactly as we write it."""
    try:
        said = json.loads(line)
        entry = Entry(
            Place(str(said["log"]), int(said["sequence"]), str(said["previous"])),
            Kind(said["kind"]),
            str(said["request"]),
            str(said["nonce"]),
            str(said["jws"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return entry if entry.line() == line else None


def unchecked_claims(jws: str) -> dict[str, Any]:
    """Returns unverified claims; an empty dict if unreadable. Never base a decision on them."""
    return _unchecked(jws, 1)


def unchecked_header(jws: str) -> dict[str, Any]:
    """Returns the unverified header in the same way."""
    return _unchecked(jws, 0)


def _unchecked(jws: str, number: int) -> dict[str, Any]:
    try:
        part = jws.split(".")[number]
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, IndexError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}

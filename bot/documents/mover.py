"""Moves a document once its review has ended: what was reviewed, or nothing.

The bytes that are put into the target are those whose SHA-256 was computed on the way. So nothing that was not reviewed
gets there, whoever changes the document meanwhile. A move that was interrupted goes on where it was.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from bot.documents.names import beside
from bot.documents.place import DocumentChangedError, DocumentPlace, PlacedDocument, PlaceError
from bot.documents.places import open_place
from orchestration.domain.documents import DocumentMove, kept_name
from orchestration.domain.effects import RunActionInput
from orchestration.domain.errors import CountersignError, DeliveryError, TryFailedError
from orchestration.ports import Actions

# Errors that a person has to fix. Any other error may be temporary, and is retried.
_LASTING: Final = frozenset(
    {
        errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EISDIR, errno.ENAMETOOLONG, errno.ENOENT, errno.ENOSPC,
        errno.ENOTDIR, errno.EPERM, errno.EROFS,
    }
)  # fmt: skip

GONE: Final = (
    "{name} is not in {place} any more, so it was not published. Put it back as it was reviewed, then try "
    "again."
)
CHANGED: Final = (
    "{name} was changed after it was asked for, so it was not published. What is there now gets a review of "
    "its own."
)
NOTHING_TO_ARCHIVE: Final = "{name} is not in {place} any more"
LEFT: Final = "{name} was changed meanwhile; what is there now gets a review of its own"
BLOCKED: Final = (
    "{target} has other documents called {name} and {beside}, so {name} stays in {place}. Move them away, then try "
    "again."
)


class DocumentActions:
    """`orchestration.ports.Actions`: moves documents, and leaves every other action to `others`."""

    def __init__(self, others: Actions) -> None:
        self._others = others

    def run_action(self, action: RunActionInput) -> str:
        """Says where the document is now."""
        return self._others.run_action(action) if action.move is None else move(action.move)


def move(order: DocumentMove) -> str:
    """Moves the document, if it still is what was reviewed, and says where it is: a few words for people.

    Raises `DeliveryError` for what somebody has to mend, and `TryFailedError` for what may pass.
    """
    try:
        return _move(order)
    except PlaceError as error:
        raise DeliveryError(f"{order.name} was not moved: {error}. Then try again.") from error
    except DocumentChangedError as error:
        raise TryFailedError(f"{order.name} is being changed just now.") from error
    except CountersignError:
        raise
    except OSError as error:
        words = error.strerror or str(error) or type(error).__name__
        if error.errno not in _LASTING:
            raise TryFailedError(f"{order.name} was not moved to {order.target} yet ({words}).") from error
        raise DeliveryError(
            f"{order.name} was not moved to {order.target} ({words}). Mend that, then try again."
        ) from error
    except Exception as error:
        raise TryFailedError(f"The store did not take {order.name} ({type(error).__name__}).") from error


def _move(order: DocumentMove) -> str:
    source, target = open_place(order.place), open_place(order.target)
    entry = find(source, order.name)
    if entry is None:
        return _moved_before(order, target)
    if entry.size != order.size:  # nothing of another size is copied here: there may not be the room for it
        return _changed(order, target)
    with _spool(order.name) as spool:
        try:
            with spool.open("wb") as copy:
                sha256 = source.read(entry, copy.write)
        except FileNotFoundError:
            return _moved_before(order, target)
        if sha256 != order.sha256:
            return _changed(order, target)
        name = _put(order, target, spool)
    source.remove(entry)
    return _done(order, name)


def find(place: DocumentPlace, name: str) -> PlacedDocument | None:
    """Returns the document that a request names. A request keeps names in Unicode NFC; a place may use another form."""
    found = place.entry(name)
    if found is not None:
        return found
    return next((entry for entry in place.entries() if kept_name(entry.name) == name), None)


def _put(order: DocumentMove, target: DocumentPlace, spool: Path) -> str:
    """Under the name that was reviewed, or beside another document that has it. Nothing there is written over.

    In its place the name may have more: such as marks that nobody sees, and that make a name read backwards.
    """
    for name in (order.name, beside(order.name, order.sha256)):
        if target.add(name, spool) or _is(target, name, order):
            return name
    raise DeliveryError(
        BLOCKED.format(
            target=order.target,
            name=order.name,
            beside=beside(order.name, order.sha256),
            place=order.place,
        )
    )


def _moved_before(order: DocumentMove, target: DocumentPlace) -> str:
    """Handles a document that is missing: an earlier attempt moved it, or somebody removed it."""
    if (name := _there(order, target)) is not None:
        return _done(order, name)
    if order.publishes:
        raise DeliveryError(GONE.format(name=order.name, place=order.place))
    return NOTHING_TO_ARCHIVE.format(name=order.name, place=order.place)


def _changed(order: DocumentMove, target: DocumentPlace) -> str:
    """Handles a changed document: another one has its name by now, and is not touched."""
    if (name := _there(order, target)) is not None:
        return _done(order, name)
    if order.publishes:
        raise DeliveryError(CHANGED.format(name=order.name))
    return LEFT.format(name=order.name)


def _there(order: DocumentMove, target: DocumentPlace) -> str | None:
    """Returns the document's name in the target; None if it is not there."""
    for name in (order.name, beside(order.name, order.sha256)):
        entry = find(target, name)
        if entry is not None and entry.size == order.size and _sha256(target, entry) == order.sha256:
            return entry.name
    return None


def _is(place: DocumentPlace, name: str, order: DocumentMove) -> bool:
    entry = place.entry(name)
    return entry is not None and entry.size == order.size and _sha256(place, entry) == order.sha256


def _sha256(place: DocumentPlace, entry: PlacedDocument) -> str:
    return place.read(entry, lambda _: None)


def _done(order: DocumentMove, name: str) -> str:
    where = f"{order.target.rstrip('/')}/{name}"
    return f"{'Published' if order.publishes else 'Archived'} as {where}"


@contextmanager
def _spool(name: str) -> Iterator[Path]:
    """Yields a temporary file for the copy. Stores read the media type from its ending."""
    file, path = tempfile.mkstemp(prefix="countersign-", suffix=PurePosixPath(name).suffix[:16])
    os.close(file)
    spool = Path(path)
    try:
        yield spool
    finally:
        spool.unlink()

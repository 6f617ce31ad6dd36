"""Watches the places of documents, and has each document that appears there reviewed.

Each look lists a place once, reads a bounded number of documents, and asks for no more reviews than may be open at
once: ten thousand documents wait in their place, and not in a channel. A document is read only when it is new or
changed, and has been left alone for a while.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from bot.documents import names
from bot.documents.place import DocumentChangedError, DocumentPlace, PlacedDocument, PlaceError
from bot.documents.places import open_place
from bot.documents.reviews import Reviews, was_moved
from bot.documents.seen import FILE, Seen, SeenDocuments
from orchestration.domain.documents import Documents, ReviewedDocument, kept_name
from orchestration.domain.errors import HubUnavailableError, InvalidRequestError, TooManyOpenError
from orchestration.domain.policy_book import PolicyBook

log = logging.getLogger(__name__)

PAUSE: Final = 1.0  # seconds between two looks at the clock; each place says itself how often it is looked at
READ_A_LOOK: Final = 100  # documents; a place that has more new ones is done in several looks
LOGGED: Final = 1000  # sentences that are not said twice


class DocumentWatcher:
    """Watches the places of all policies, by one task. What fails at one place holds up no other."""

    def __init__(self, book: Callable[[], PolicyBook], reviews: Reviews, data_dir: Path) -> None:
        self._book = book
        self._reviews = reviews
        self._data_dir = data_dir
        self._places: dict[str, WatchedPlace] = {}
        self._seen: SeenDocuments | None = None

    async def keep(self, pause: float = PAUSE) -> None:
        """Watches until it is cancelled."""
        try:
            while True:
                policies = self._book().policies
                watched = {key: one.documents for key, one in policies.items() if one.documents is not None}
                try:
                    if watched and self._seen is None:
                        self._seen = await asyncio.to_thread(SeenDocuments, self._data_dir)
                except (OSError, sqlite3.Error) as error:
                    log.warning("no document is reviewed: %s cannot be kept (%s)", FILE, error)
                if self._seen is not None:
                    await self._look(watched, self._seen)
                await asyncio.sleep(pause)
        finally:
            if self._seen is not None:
                self._seen.close()

    async def _look(self, watched: dict[str, Documents], seen: SeenDocuments) -> None:
        self._places = {key: one for key, one in self._places.items() if watched.get(key) == one.documents}
        for key, documents in watched.items():
            place = self._places.setdefault(key, WatchedPlace(key, documents, self._reviews, seen))
            if place.is_due():
                await place.try_to_look()


class WatchedPlace:
    """One place, for one policy."""

    def __init__(
        self,
        policy: str,
        documents: Documents,
        reviews: Reviews,
        seen: SeenDocuments,
        opener: Callable[[str], DocumentPlace] = open_place,
    ) -> None:
        """`opener` gives the place of an address."""
        self._open_place = opener
        self.documents = documents
        self._policy = policy
        self._reviews = reviews
        self._seen = seen
        self._due = time.monotonic()
        # When each document was first found as it is now, in seconds of the monotonic clock.
        self._since: dict[PlacedDocument, float] = {}
        # Those with which something went wrong, such as what cannot be read: they come after all others.
        self._put_off: set[PlacedDocument] = set()
        # The sentences in the log. One that does not last may be said again once a look has gone well.
        self._said: dict[str, bool] = {}
        self._targets_checked = False

    def is_due(self) -> bool:
        """Whether it is time for a look."""
        return time.monotonic() >= self._due

    async def try_to_look(self) -> None:
        """Looks once. An error is logged, once while it stays the same, and retried at the next look."""
        try:
            await self.look()
        except PlaceError as error:
            self._say(logging.ERROR, str(error), lasting=False)
        except (HubUnavailableError, OSError) as error:
            self._say(logging.WARNING, f"the look failed and is tried again ({error})", lasting=False)
        except Exception as error:  # noqa: BLE001 - whatever the library of a store raises
            words = f"the look failed and is tried again ({type(error).__name__}: {error})"
            self._say(logging.ERROR, words, trace=error, lasting=False)
        else:
            self._said = {words: lasting for words, lasting in self._said.items() if lasting}
        self._due = time.monotonic() + self.documents.look_every.total_seconds()

    async def look(self) -> None:
        """Lists the place, asks for what is new or changed, and forgets what is not there any more."""
        place = await asyncio.to_thread(self._open_place, self.documents.place)
        if not self._targets_checked:
            await self._check_targets()
        found = await asyncio.to_thread(lambda: self._fit(place.entries()))
        known = await asyncio.to_thread(self._seen.all, self._policy, self.documents.place)
        gone = [name for name, one in known.items() if name not in found and one.ended]
        await asyncio.to_thread(self._seen.forget, self._policy, self.documents.place, gone)
        room = self.documents.open_at_once - await self._still_open(known)
        settled = self._settled(found.values())
        changed = [one for one in settled if one.name in known and known[one.name].entry != one]
        changed.sort(key=lambda one: known[one.name].ended)
        new = [one for one in settled if one.name not in known]
        # One that is under review and was changed goes first: its old card asks about what is not there any more.
        self._put_off.intersection_update(settled)
        for entry in sorted([*changed, *new], key=lambda one: one in self._put_off)[:READ_A_LOOK]:
            before = known.get(entry.name)
            takes_room = before is None or before.ended
            if takes_room and room <= 0:
                continue
            self._put_off.add(entry)
            try:
                opened = await self._ask(place, entry, before)
            except TooManyOpenError:
                self._put_off.discard(entry)
                self._say(
                    logging.WARNING,
                    f"the next review waits, as {self.documents.requester} has as many requests open as "
                    "COUNTERSIGN_OPEN_PER_PERSON allows; have some decided, or raise that",
                )
                return
            room -= takes_room and opened

    async def _check_targets(self) -> None:
        """Checks the targets once, so that a fault is known before a review is approved."""
        for name in ("published", "archived"):
            address = getattr(self.documents, name)
            if (
                words := await asyncio.to_thread(lambda where: self._open_place(where).fault(), address)
            ) is not None:
                self._say(logging.ERROR, words, name)
        self._targets_checked = True

    async def _still_open(self, known: dict[str, Seen]) -> int:
        """How many of the reviews are open. Those that have ended are marked."""
        count = 0
        for one in [seen for seen in known.values() if not seen.ended]:
            progress = await self._reviews.status(one.request_id)
            if progress is not None and not progress.status.ended:
                count += 1
                continue
            known[one.entry.name] = replace(one, ended=True)
            await self._keep(known[one.entry.name])
        return count

    async def _ask(self, place: DocumentPlace, entry: PlacedDocument, before: Seen | None) -> bool:
        """Reads the document and has it reviewed, where that is not done yet. Whether its review is open."""
        sha256 = await self._read(place, entry)
        if sha256 is None:
            return False
        if before is not None and before.sha256 == sha256 and not await self._came_back(before):
            await self._keep(replace(before, entry=entry))
            return False
        name = kept_name(entry.name) or entry.name
        document = ReviewedDocument(
            name=name,
            size=entry.size,
            media_type=names.media_type(name),
            sha256=sha256,
        )

        async def still_there() -> bool:
            return await self._read(place, entry) == sha256

        try:
            asked = await self._reviews.ask(self._policy, self.documents, document, still_there)
        except TooManyOpenError:
            raise
        except InvalidRequestError as error:
            self._say_of(entry, str(error), "mend the policy")
            return False
        if asked is None:
            return False
        request_id, progress = asked
        if progress.status.ended:
            self._say_of(
                entry, f"its review {request_id} has ended, and it is still here", "see what its card says"
            )
        if before is not None and not before.ended and before.request_id != request_id:
            await self._reviews.replace(self.documents, document.name, before.request_id, request_id)
        await self._keep(Seen(entry, sha256, request_id, ended=progress.status.ended))
        return not progress.status.ended

    async def _came_back(self, before: Seen) -> bool:
        """Whether a document was moved, and put there once more."""
        progress = await self._reviews.status(before.request_id) if before.ended else None
        return progress is not None and was_moved(progress)

    async def _read(self, place: DocumentPlace, entry: PlacedDocument) -> str | None:
        """The SHA-256; None where it is being changed, or is gone."""
        try:
            return await asyncio.to_thread(place.read, entry, lambda _: None)
        except (DocumentChangedError, FileNotFoundError):
            return None
        except PermissionError as error:
            self._say_of(entry, f"it cannot be read ({error.strerror})", "give this user the right to")
            return None

    async def _keep(self, seen: Seen) -> None:
        self._put_off.discard(seen.entry)
        await asyncio.to_thread(self._seen.put, self._policy, self.documents.place, seen)

    def _settled(self, found: Iterable[PlacedDocument]) -> list[PlacedDocument]:
        """Returns the documents that have been unchanged for long enough, the longest first."""
        now = time.monotonic()
        self._since = {one: self._since.get(one, now) for one in found}
        old = now - self.documents.unchanged_for.total_seconds()
        return sorted(
            (one for one, since in self._since.items() if since <= old), key=lambda one: self._since[one]
        )

    def _fit(self, found: list[PlacedDocument]) -> dict[str, PlacedDocument]:
        """Returns the documents that can be reviewed, by name. For each other one it logs once why not."""
        kept = {one.name: kept_name(one.name) for one in found}
        times = Counter(kept.values())
        fit: dict[str, PlacedDocument] = {}
        for one in found:
            name = kept[one.name]
            if name is None:
                self._say_of(one, "its name is too long, shows nothing, or is not UTF-8")
            elif not names.is_document(name):
                self._say_of(
                    one, "without what shows nothing, its name is that of a hidden or unfinished file"
                )
            elif times[name] > 1:
                self._say_of(one, "another document has a name that looks the same")
            elif one.size > self.documents.largest_mb * 1_000_000:
                most = self.documents.largest_mb
                self._say_of(one, f"it is larger than largest_mb ({most})", "raise that, or take it away")
            else:
                fit[one.name] = one
        return fit

    def _say_of(self, entry: PlacedDocument, why: str, remedy: str = "rename it, or take it away") -> None:
        self._say(logging.WARNING, f"{entry.name!r} is not reviewed: {why}; {remedy}")

    def _say(
        self,
        level: int,
        words: str,
        field: str = "place",
        *,
        trace: BaseException | None = None,
        lasting: bool = True,
    ) -> None:
        """Logs a sentence, unless it was said before."""
        if words not in self._said and len(self._said) < LOGGED:
            self._said[words] = lasting
            log.log(level, "policies.%s.documents.%s: %s", self._policy, field, words, exc_info=trace)

"""Publishes App Home: to each person who opens it, and again, while they look, when something on it changes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.api.errors import as_delivery_errors
from bot.slack.api.groups import Groups
from bot.slack.blocks import Json
from bot.slack.views.home import home_view
from orchestration.domain.cards import Card
from orchestration.domain.errors import CountersignError, HubUnavailableError, ThrottledError, TryFailedError
from orchestration.domain.gathering import GatheringView
from orchestration.domain.people import PersonEntry
from orchestration.domain.policy_book import Outlook, PolicyBook
from orchestration.service.calls import FIRST_LOOK, SLOWEST_LOOK
from orchestration.service.grants import GrantService
from orchestration.service.worklists import Worklists

log = logging.getLogger(__name__)

# Slack takes about a hundred Homes a minute. Redrawing uses sixty of them at most, so that some are left for openings.
PAUSE: Final = 1.0  # seconds before a changed Home is redrawn, and between two redrawings
FOLLOWED_EVERY: Final = 10  # pauses between two checks of a Home for changes by another process
HUB_BACK: Final = 10.0  # seconds until the next try after the hub was unavailable
SLACK_BACK: Final = 10  # pauses until the next try after Slack was unavailable
WORD_PATIENCE: Final = 5.0  # seconds; with a free worker, milliseconds are enough
# For so long an opened Home is redrawn: Slack does not say when it is left. When it is opened again, it is drawn anew.
LOOKS_FOR: Final = 1800.0  # seconds
LOOKERS: Final = 1000
CHANGES: Final = 20  # changed requests that are kept for each person


@dataclass
class _Looker:
    """A person whose Home may be open.

    `since` is when they opened it, and `drawn` when it was last drawn or checked; both are monotonic seconds. `groups`
    are those of their groups that policies name, `changed` the IDs of changed requests, and `shown` the last view.
    """

    since: float = 0.0
    groups: frozenset[str] = frozenset()
    changed: deque[str] = field(default_factory=lambda: deque(maxlen=CHANGES))
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    shown: Json | None = None
    drawn: float = 0.0


class HomePublisher:
    """Draws the Homes that people have open. For one event loop.

    The worker of this process reports which cards it has shown; `follow` finds the changes of other processes.
    `now` is the hub's time. Drawing never delays a decision: a change is only noted, and drawn later.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        reader: Worklists,
        groups: Groups,
        book: Callable[[], PolicyBook],
        now: Callable[[], datetime],
        *,
        pause: float = PAUSE,
        grants: GrantService | None = None,
    ) -> None:
        self._grants = grants
        self._client = client
        self._reader = reader
        self._groups = groups
        self._book = book
        self._now = now
        self._pause = pause
        self._loop = asyncio.get_running_loop()
        self._lookers: OrderedDict[str, _Looker] = OrderedDict()
        self._changed: dict[str, None] = {}
        self._wake = asyncio.Event()

    async def opened(self, person: str) -> None:
        """Draws the Home that the person has opened. Never raises: if it cannot be drawn, that is retried or logged."""
        looker = self._lookers.setdefault(person, _Looker())
        looker.since = time.monotonic()
        self._lookers.move_to_end(person)
        while len(self._lookers) > LOOKERS:
            self._lookers.popitem(last=False)
        if await self._publish(person):
            self._mark(person)

    async def away_set(self, person: str, entry: PersonEntry | None) -> None:
        """Redraws the person's Home once the hub has stored `entry`, their new absence. Never raises."""
        if person not in self._lookers:
            return
        pause = FIRST_LOOK
        with contextlib.suppress(TimeoutError, HubUnavailableError):
            async with asyncio.timeout(WORD_PATIENCE):
                while await self._reader.entry(person) != entry:
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, SLOWEST_LOOK)
        if await self._publish(person):
            self._mark(person)

    async def entry_of(self, person: str) -> PersonEntry | None:
        """The absence that the person has entered. May raise `HubUnavailableError`."""
        return await self._reader.entry(person)

    async def outlook(self, person: str, own: PersonEntry | None) -> Outlook:
        """What the person's absence does not cover. May raise `HubUnavailableError`."""
        book = self._book()
        entry = own if own is not None else book.people.get(person)
        if entry is None or entry.delegate is None:
            return Outlook()
        return book.outlook(person, own, await self._reader.entry(entry.delegate))

    def today(self) -> date:
        """The hub's day, in UTC."""
        return self._now().date()

    def shown(self, card: Card, notify: Sequence[str]) -> None:
        """Redraws the open Homes of the people of a card that was posted or edited. May be called from any thread."""
        concerned = {card.requester, *notify}
        for level in card.levels:
            concerned.update(level.approvers, level.waiting_for, level.delegates, level.delegates.values())
            concerned.update(vote.actor for vote in level.decisions)
        self._changes(card.request_id, concerned)

    def shown_gathering(self, view: GatheringView) -> None:
        """Redraws the open Homes of the people of a gathering whose message was posted or edited. From any thread."""
        concerned = {view.requester}
        for source in view.sources:
            state = source.state
            concerned |= {one for one in (state.person, state.delegate) if one is not None}
        self._changes(view.request_id, concerned)

    def _changes(self, request_id: str, concerned: set[str]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody looks any more
            self._loop.call_soon_threadsafe(self._mark_concerned, concerned, request_id)

    def grant_shown(self, people: Collection[str]) -> None:
        """Redraws the open Homes of `people` after a grant's card was posted or edited. From any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody looks any more
            self._loop.call_soon_threadsafe(self._mark_lookers, set(people))

    def _mark_lookers(self, people: set[str]) -> None:
        oldest = time.monotonic() - LOOKS_FOR
        for person, looker in self._lookers.items():
            if looker.since >= oldest and (person in people or not people.isdisjoint(looker.groups)):
                self._mark(person)

    async def keep(self) -> None:
        """Redraws changed Homes, one at a time, until cancelled. No failure ends it."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(self._pause)  # changes that come together are drawn once
            changed, self._changed = self._changed, {}
            for person in changed:
                wait = await self._publish(person)
                if wait:
                    self._mark(person)
                await asyncio.sleep(max(wait, self._pause))

    async def follow(self) -> None:
        """Checks Homes for changes by other processes, until cancelled: one Home each pause, the oldest check first.

        So the number of calls to the hub does not grow with the number of people. Slack is called only after a change.
        """
        while True:
            await asyncio.sleep(self._pause)
            now = time.monotonic()
            people = [
                (looker.drawn, person)
                for person, looker in self._lookers.items()
                if looker.since >= now - LOOKS_FOR and looker.drawn <= now - FOLLOWED_EVERY * self._pause
            ]
            if people:
                await self._look_at(min(people)[1])

    async def _look_at(self, person: str) -> None:
        looker = self._lookers[person]
        looker.drawn = time.monotonic()
        with contextlib.suppress(CountersignError):  # the next check asks the hub or Slack again
            if await self._draw(person, looker) != looker.shown:
                self._mark(person)

    def _mark_concerned(self, concerned: set[str], request_id: str) -> None:
        oldest = time.monotonic() - LOOKS_FOR
        for person, looker in self._lookers.items():
            if looker.since >= oldest and (person in concerned or not concerned.isdisjoint(looker.groups)):
                # The worklist may hear of the change later than the card, so the request is read by its ID.
                if request_id not in looker.changed:
                    looker.changed.append(request_id)
                self._mark(person)

    def _mark(self, person: str) -> None:
        self._changed[person] = None
        self._wake.set()

    async def _publish(self, person: str) -> float:
        """Draws and publishes a person's Home. Returns the seconds until the next try; 0 if no other try is needed."""
        looker = self._lookers.get(person)
        if looker is None:
            return 0.0
        # One drawing at a time for each person: a slow one must not replace a newer one.
        async with looker.turn:
            try:
                view = await self._draw(person, looker)
                with as_delivery_errors():
                    await self._client.views_publish(user_id=person, view=view)
                looker.shown, looker.drawn = view, time.monotonic()
            except ThrottledError as error:
                return max(error.retry_after, self._pause)
            except HubUnavailableError as error:
                log.warning("the Home of %s is drawn later: %s", person, error)
                return HUB_BACK
            except TryFailedError as error:
                # An error inside Slack passes, so it is tried again. A refusal would only be repeated.
                if error.maybe_done and time.monotonic() - looker.since < LOOKS_FOR:
                    log.info("the Home of %s is drawn later: %s", person, error)
                    return SLACK_BACK * self._pause
                log.warning("the Home of %s is not drawn: %s", person, error)
            except CountersignError as error:
                log.warning("the Home of %s is not drawn: %s", person, error)
            except Exception:
                log.exception("the Home of %s is not drawn", person)
        return 0.0

    async def _draw(self, person: str, looker: _Looker) -> Json:
        book = self._book()
        named = _groups_of(book)
        groups = await self._groups.of(person) if named else frozenset()
        if groups is not None:
            looker.groups = groups & named
        worklist = await self._reader.of(person, sorted(looker.groups), tuple(looker.changed))
        listed = book.people.get(person)
        outlook = await self.outlook(person, worklist.entry)
        grants = await self._grants.concerning(person, looker.groups) if self._grants else []
        return home_view(
            worklist, listed, self.today(), outlook, groups_unknown=groups is None, grants=grants
        )


def _groups_of(book: PolicyBook) -> frozenset[str]:
    """The groups that policies name now. Requests under an earlier policy may be missing here; they have cards."""
    named: set[str] = set()
    for policy in book.policies.values():
        named.update(policy.groups_in(policy.principals()))
    return frozenset(named)

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

# Slack takes about a hundred Homes a minute; redrawing leaves openings their share of that.
PAUSE: Final = 1.0  # seconds before what has changed is drawn, and between two
FOLLOWED_EVERY: Final = 10  # pauses between two looks at a Home that another process may have changed
HUB_BACK: Final = 10.0  # seconds until a hub that was not there is asked again
SLACK_BACK: Final = 10  # pauses until a Slack that was not there is asked again
WORD_PATIENCE: Final = 5.0  # seconds; it takes milliseconds where a worker is at hand
# Slack says when a Home is opened and never when it is left. Opened again it is drawn anew, so nothing is lost then.
LOOKS_FOR: Final = 1800.0  # seconds
LOOKERS: Final = 1000
CHANGES: Final = 20  # requests that have changed while somebody looked


@dataclass
class _Looker:
    """Who looks: since when (monotonic), in which of the groups that policies name they are, and what has changed.

    `shown` is what they see, and `drawn` when that was last looked at (monotonic).
    """

    since: float = 0.0
    groups: frozenset[str] = frozenset()
    changed: deque[str] = field(default_factory=lambda: deque(maxlen=CHANGES))
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    shown: Json | None = None
    drawn: float = 0.0


class HomePublisher:
    """Who looks at their Home, and what it shows. For one event loop.

    This process is told of what its own worker shows. What another's did is seen by `follow`.
    `now` is the hub's time. Nothing here holds up a decision: cards tell it what they show, and it draws later.
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
        """They look at it now. Never raises: what could not be drawn is drawn later, or logged."""
        looker = self._lookers.setdefault(person, _Looker())
        looker.since = time.monotonic()
        self._lookers.move_to_end(person)
        while len(self._lookers) > LOOKERS:
            self._lookers.popitem(last=False)
        if await self._publish(person):
            self._mark(person)

    async def away_set(self, person: str, entry: PersonEntry | None) -> None:
        """Draws it again once their own word on being away has reached where it is kept. Never raises."""
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
        """Their own word on being away. May raise `HubUnavailableError`."""
        return await self._reader.entry(person)

    async def outlook(self, person: str, own: PersonEntry | None) -> Outlook:
        """What an absence of theirs does not do. May raise `HubUnavailableError`."""
        book = self._book()
        entry = own if own is not None else book.people.get(person)
        if entry is None or entry.delegate is None:
            return Outlook()
        return book.outlook(person, own, await self._reader.entry(entry.delegate))

    def today(self) -> date:
        """The hub's day, in UTC."""
        return self._now().date()

    def shown(self, card: Card, notify: Sequence[str]) -> None:
        """A card was posted or edited: whoever looks and has to do with it gets a new Home. From any thread."""
        concerned = {card.requester, *notify}
        for level in card.levels:
            concerned.update(level.approvers, level.waiting_for, level.delegates, level.delegates.values())
            concerned.update(vote.actor for vote in level.decisions)
        self._changes(card.request_id, concerned)

    def shown_gathering(self, view: GatheringView) -> None:
        """A message of a gathering was posted or edited: as `shown`. From any thread."""
        concerned = {view.requester}
        for source in view.sources:
            state = source.state
            concerned |= {one for one in (state.person, state.delegate) if one is not None}
        self._changes(view.request_id, concerned)

    def _changes(self, request_id: str, concerned: set[str]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody looks any more
            self._loop.call_soon_threadsafe(self._mark_concerned, concerned, request_id)

    def grant_shown(self, people: Collection[str]) -> None:
        """A grant's card was posted or edited: whoever of these people looks gets a new Home. From any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody looks any more
            self._loop.call_soon_threadsafe(self._mark_lookers, set(people))

    def _mark_lookers(self, people: set[str]) -> None:
        oldest = time.monotonic() - LOOKS_FOR
        for person, looker in self._lookers.items():
            if looker.since >= oldest and (person in people or not people.isdisjoint(looker.groups)):
                self._mark(person)

    async def keep(self) -> None:
        """Draws again what has changed, one Home at a time, until cancelled. No failure ends it."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(self._pause)  # what changes together is drawn once
            changed, self._changed = self._changed, {}
            for person in changed:
                wait = await self._publish(person)
                if wait:
                    self._mark(person)
                await asyncio.sleep(max(wait, self._pause))

    async def follow(self) -> None:
        """Looks for what another process has changed, until cancelled: at one Home a pause, the one least seen.

        So the hub is asked no more often, however many look. Slack is called only where something has changed.
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
        with contextlib.suppress(CountersignError):  # the hub or Slack is away, and is asked again
            if await self._draw(person, looker) != looker.shown:
                self._mark(person)

    def _mark_concerned(self, concerned: set[str], request_id: str) -> None:
        oldest = time.monotonic() - LOOKS_FOR
        for person, looker in self._lookers.items():
            if looker.since >= oldest and (person in concerned or not concerned.isdisjoint(looker.groups)):
                # The request's own word to their worklist may come later than its card.
                if request_id not in looker.changed:
                    looker.changed.append(request_id)
                self._mark(person)

    def _mark(self, person: str) -> None:
        self._changed[person] = None
        self._wake.set()

    async def _publish(self, person: str) -> float:
        """Draws the Home of one who looks; returns the seconds until it is to be tried again, 0 for never."""
        looker = self._lookers.get(person)
        if looker is None:
            return 0.0
        # One drawing at a time: a slow one must not replace what was drawn from later knowledge.
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
                # Slack's own trouble is everybody's and passes. What it refuses for a person, it refuses again.
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
    """The groups that policies name now. What was asked under an earlier policy still has its card."""
    named: set[str] = set()
    for policy in book.policies.values():
        named.update(policy.groups_in(policy.principals()))
    return frozenset(named)

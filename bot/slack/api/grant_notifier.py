"""Posts, finds and edits the cards of standing grants. Sync: activities run on worker threads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from bot.slack.api.edit_turns import EditRank
from bot.slack.api.poster import Poster, at_once
from bot.slack.messages.cards import Rendered
from bot.slack.messages.grants import render_grant, render_trouble
from orchestration.domain.grant_effects import GrantEditInput, GrantPostInput, GrantView
from orchestration.domain.request import CardRef

log = logging.getLogger(__name__)


class SlackGrantNotifier:
    """`orchestration.ports.GrantNotifier` over the Web API. Safe to share between threads.

    `shown` is called after each post and edit, with the people whom the grant concerns.
    """

    def __init__(self, poster: Poster, shown: Callable[[Collection[str]], None] = lambda _: None) -> None:
        self._poster = poster
        self._shown = shown

    def post_grant(self, given: GrantPostInput, begin: Callable[[], bool] = at_once) -> CardRef | None:
        """Posts the message to the channel or the person when it is its turn, unless `begin` then returns False."""
        drawn = _drawn(given)
        facts = given.view.facts
        posted = self._poster.say(
            self._poster.place(given.place),
            ("grant", facts.id, bool(given.trouble)),
            begin,
            urgent=True,
            text=drawn.text,
            blocks=drawn.blocks,
            metadata=drawn.metadata,
        )
        self._tell(given.view)
        return CardRef(channel=str(posted["channel"]), ts=str(posted["ts"]), round=1) if posted else None

    def find_grant(self, given: GrantPostInput) -> CardRef | None:
        """The message that this app has already posted there; None also where it may not look."""
        place, wanted = self._poster.place(given.place), _drawn(given).metadata
        found = self._poster.history.in_channel(place, lambda known: known.get("metadata") == wanted)
        return CardRef(channel=place, ts=str(found["ts"]), round=1) if found else None

    def edit_grant(self, given: GrantEditInput) -> None:
        """Redraws the posted message. If it is deleted, or its channel is archived, that is only logged."""
        drawn, ref = render_grant(given.view), given.ref
        rank = EditRank.UNDER_WAY if given.view.ended is None else EditRank.ENDED_HERE
        gone = self._poster.edit(
            (ref.channel, ref.ts), rank, text=drawn.text, blocks=drawn.blocks, metadata=drawn.metadata
        )
        if gone is not None:
            log.info("%s: its card is out of reach (%s)", given.view.facts.id, gone)
        self._tell(given.view)

    def _tell(self, view: GrantView) -> None:
        self._shown([view.facts.granted_by, view.facts.requester])


def _drawn(given: GrantPostInput) -> Rendered:
    return render_trouble(given.view, given.trouble) if given.trouble else render_grant(given.view)

"""Posts, finds and edits the messages of gatherings. Sync: activities run on worker threads."""

from __future__ import annotations

import logging
from collections.abc import Callable

from bot.slack.api.edit_turns import EditRank
from bot.slack.api.poster import Poster, at_once
from bot.slack.input.target import message_metadata
from bot.slack.messages.gatherings import render_gathering
from orchestration.domain.gathering import GatheringEditInput, GatheringPostInput, GatheringView, Purpose
from orchestration.domain.request import CardRef

log = logging.getLogger(__name__)


class SlackGatheringNotifier:
    """`orchestration.ports.GatheringNotifier` over the Web API. Safe to share between threads."""

    def __init__(self, poster: Poster, shown: Callable[[GatheringView], None]) -> None:
        """`shown` is called with the view that each posted or edited message shows."""
        self._poster = poster
        self._shown = shown

    def post_gathering(
        self, given: GatheringPostInput, begin: Callable[[], bool] = at_once
    ) -> CardRef | None:
        """Posts the message to the channel or the person when it is its turn, unless `begin` then returns False."""
        rendered = render_gathering(
            given.view,
            given.purpose,
            given.message_id,
            source=given.source,
            person=given.person,
            text=given.text,
        )
        posted = self._poster.say(
            self._poster.place(given.place),
            (given.view.request_id, given.view.nonce, given.message_id),
            begin,
            urgent=given.purpose in {Purpose.CARD, Purpose.ASK},
            text=rendered.text,
            blocks=rendered.blocks,
            metadata=rendered.metadata,
        )
        if posted is None:
            return None
        self._shown(given.view)
        return CardRef(channel=str(posted["channel"]), ts=str(posted["ts"]), round=1)

    def find_gathering(self, given: GatheringPostInput) -> CardRef | None:
        """The message that this app has already posted there; None also where it may not look."""
        place = self._poster.place(given.place)
        wanted = message_metadata(given.view.request_id, given.view.nonce, given.message_id)
        found = self._poster.history.in_channel(place, lambda known: known.get("metadata") == wanted)
        return CardRef(channel=place, ts=str(found["ts"]), round=1) if found else None

    def edit_gathering(self, given: GatheringEditInput) -> None:
        """Redraws the posted message. If it is deleted, or its channel is archived, that is only logged."""
        rendered = render_gathering(
            given.view, given.purpose, given.message_id, source=given.source, person=given.person
        )
        ref = given.ref
        gone = self._poster.edit(
            (ref.channel, ref.ts),
            EditRank.UNDER_WAY,
            text=rendered.text,
            blocks=rendered.blocks,
            metadata=rendered.metadata,
        )
        if gone is not None:
            about = (given.view.request_id, ref.ts, ref.channel, gone)
            log.info("%s: the message %s in %s is out of reach (%s)", *about)
        self._shown(given.view)

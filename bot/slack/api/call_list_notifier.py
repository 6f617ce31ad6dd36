"""Posts, finds and edits the cards of lists of waiting calls. Sync: activities run on worker threads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot.slack.api.edit_turns import EditRank
from bot.slack.api.poster import Poster, at_once
from bot.slack.input.target import Target
from bot.slack.messages.call_lists import metadata, render_calls
from orchestration.domain.call_lists import CallListEditInput, CallListPostInput
from orchestration.domain.cards import Card
from orchestration.domain.request import CardRef

log = logging.getLogger(__name__)


class SlackCallListNotifier:
    """`orchestration.ports.CallListNotifier` over the Web API. Safe to share between threads.

    `shown` is called with the card of each call that was posted or edited, and with the IDs that it pings.
    """

    def __init__(
        self, poster: Poster, shown: Callable[[Card, Sequence[str]], None] = lambda _card, _notify: None
    ) -> None:
        self._poster = poster
        self._shown = shown

    def post_call_list(self, given: CallListPostInput, begin: Callable[[], bool] = at_once) -> CardRef | None:
        """Posts the card when it is its turn, unless `begin` then returns False: None in that case."""
        drawn = render_calls(given.view, given.notify)
        posted = self._poster.say(
            given.channel,
            ("calls", given.view.list_id),
            begin,
            urgent=True,
            text=drawn.text,
            blocks=drawn.blocks,
            metadata=drawn.metadata,
        )
        for card in given.view.cards:
            self._shown(card, given.notify)
        return CardRef(channel=str(posted["channel"]), ts=str(posted["ts"]), round=1) if posted else None

    def find_call_list(self, given: CallListPostInput) -> CardRef | None:
        """The card that this app has already posted there; None also where it may not look.

        It may have been posted as a single call's own card, when the list had only that call.
        """
        view = given.view
        own = [Target.of(card.request_id, card.round, card.identity) for card in view.cards]
        wanted = metadata(view)

        def is_it(message: Mapping[str, Any]) -> bool:
            return message.get("metadata") == wanted or any(one.is_card_of(message) for one in own)

        found = self._poster.history.in_channel(given.channel, is_it)
        return CardRef(channel=given.channel, ts=str(found["ts"]), round=1) if found else None

    def edit_call_list(self, given: CallListEditInput) -> None:
        """Redraws the posted card. If it is deleted, or its channel is archived, that is only logged."""
        drawn, ref = render_calls(given.view), given.ref
        over = all(card.status.ended for card in given.view.cards)
        rank = EditRank.ENDED_HERE if over else EditRank.UNDER_WAY
        gone = self._poster.edit(
            (ref.channel, ref.ts), rank, text=drawn.text, blocks=drawn.blocks, metadata=drawn.metadata
        )
        if gone is not None:
            log.info("%s: its card is out of reach (%s)", given.view.list_id, gone)
        for card in given.view.cards:
            self._shown(card, ())

"""Removes *Answer…* from the messages that carry a question, once it is answered or the request has ended."""

from __future__ import annotations

import logging
import threading
from collections import deque
from datetime import datetime
from typing import Final

from bot.slack.api.edit_turns import EditRank
from bot.slack.api.errors import SLACK_FAILURES, code_of
from bot.slack.api.history import Found
from bot.slack.api.poster import Poster
from bot.slack.input.target import message_of
from bot.slack.messages.notices import NOTICE, offers_answer
from orchestration.domain.cards import Card
from orchestration.domain.errors import CountersignError

log = logging.getLogger(__name__)

REMEMBERED: Final = 1000  # requests whose messages were looked through


class AnswerButtons:
    """Removes the buttons. Safe to share between threads. A press on a button that could not be removed is refused."""

    def __init__(self, poster: Poster) -> None:
        self._poster = poster
        self._lock = threading.Lock()
        self._done: deque[tuple[str, str, datetime]] = deque(maxlen=REMEMBERED)

    def remove(self, card: Card) -> None:
        """Removes the buttons of the card's questions if no answer is awaited any more. Never raises."""
        at = card.answered_at
        if at is None:
            return
        done = (card.request_id, card.nonce, at)
        with self._lock:
            if done in self._done:
                return
            self._done.append(done)
        try:
            self._remove(card)
        except (CountersignError, *SLACK_FAILURES) as error:
            log.info("%s: a question keeps its button: %s", card.request_id, code_of(error) or error)

    def _remove(self, card: Card) -> None:
        place = self._poster.place(card.requester)

        def asks(message: Found) -> bool:
            return message_of(message) == (card.request_id, card.nonce) and offers_answer(message)

        for message in self._poster.history.all_in_channel(place, asks):
            self._poster.edit(
                (place, str(message["ts"])),
                EditRank.UNDER_WAY,
                text=message["text"],
                blocks=[block for block in message["blocks"] if block.get("block_id") != NOTICE],
                metadata=message["metadata"],
            )

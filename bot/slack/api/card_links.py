"""Where cards are in Slack, for programs that follow requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.slack.api.own_account import Account
from orchestration.domain.request import CardRef


class CardLinks:
    """The addresses of cards, from the moment when Slack has said which workspace this is. They cost no call."""

    def __init__(self) -> None:
        self._account: Account | None = None

    def learn(self, me: Mapping[str, Any]) -> None:
        """Takes the workspace's address from the answer of `auth.test`."""
        self._account = Account.of(me)

    def newest(self, cards: Sequence[CardRef]) -> str | None:
        """The address of the last of these; None where there is none, or none is known yet."""
        return self._account.permalink(cards[-1]) if self._account and cards else None

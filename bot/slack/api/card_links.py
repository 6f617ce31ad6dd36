"""Gives the addresses of cards in Slack, for programs that follow requests."""

from __future__ import annotations

from collections.abc import Sequence

from bot.slack.api.own_account import permalink
from orchestration.domain.request import CardRef


class CardLinks:
    """The addresses of cards, once the workspace's address is known. They cost no call to Slack."""

    def __init__(self) -> None:
        self._workspace: str | None = None

    def learn(self, workspace: str | None) -> None:
        """Sets the workspace's address, as `auth.test` returns it."""
        self._workspace = workspace

    def newest(self, cards: Sequence[CardRef]) -> str | None:
        """Returns the address of the last of `cards`; None if there is no card, or the workspace is not known yet."""
        return permalink(self._workspace, cards[-1]) if self._workspace and cards else None

"""Where cards are in Slack, for programs that follow requests."""

from __future__ import annotations

from collections.abc import Sequence

from bot.slack.api.own_account import permalink
from orchestration.domain.request import CardRef


class CardLinks:
    """The addresses of cards, from the moment when Slack has said which workspace this is. They cost no call."""

    def __init__(self) -> None:
        self._workspace: str | None = None

    def learn(self, workspace: str | None) -> None:
        """Takes the workspace's address, as `auth.test` says it."""
        self._workspace = workspace

    def newest(self, cards: Sequence[CardRef]) -> str | None:
        """The address of the last of these; None where there is none, or none is known yet."""
        return permalink(self._workspace, cards[-1]) if self._workspace and cards else None

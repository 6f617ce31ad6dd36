"""What the tools need from the server of approvals. It is reached in this process, or over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from bot.mcp.serve.models import AskArguments


class NotDoneError(Exception):
    """It was not done, or it is not known whether it was. The text is a sentence that says why, for the agent.

    `temporary`: it may be done in a moment, `after` so many seconds. `conflict`: the request is in no state for it.
    """

    def __init__(
        self, words: str, *, temporary: bool = False, after: float = 0, conflict: bool = False
    ) -> None:
        super().__init__(words)
        self.temporary = temporary
        self.after = after
        self.conflict = conflict


@dataclass(frozen=True)
class Looked:
    """An approval as the HTTP API shows it (JSON). `final`: nothing in it can change any more.

    `leaving`: this process is about to stop, so it is useless to wait here any longer.
    """

    approval: dict[str, Any]
    final: bool
    leaving: bool = False


class AgentApprovals(Protocol):
    """The approvals of one token. Each method raises `NotDoneError`; the token's limits hold for every call."""

    async def ask(self, asked: AskArguments) -> str:
        """Asks for an approval, once for each key, and returns its ID."""
        ...

    async def look(self, request_id: str) -> Looked:
        """Returns where the request stands."""
        ...

    async def wait(self, request_id: str, seconds: float) -> Looked:
        """Returns where the request stands once it is final, or after `seconds`; earlier if `leaving`."""
        ...

    async def withdraw(self, request_id: str, reason: str) -> None:
        """Withdraws the request, as its requester."""
        ...

    async def policies(self) -> list[dict[str, Any]]:
        """Returns the policies that may be asked under, as the HTTP API shows them (JSON)."""
        ...

"""What the gate needs of the server behind it."""

from __future__ import annotations

from typing import Any, Protocol

from bot.mcp.gate.lines import Lines


class Upstream(Lines, Protocol):
    """The server."""

    async def send_no_more(self) -> bool:
        """Sends the server nothing more. Returns whether it then ends soon, and may still send something."""
        ...

    def did_not_get(self, failed: dict[str, Any]) -> bool:
        """Whether this error proves that the server did not make the call."""
        ...

    async def ended(self) -> str:
        """How it ended, as the end of a sentence."""
        ...

"""What the gate needs of the server behind it."""

from __future__ import annotations

from typing import Any, Protocol

from bot.mcp.gate.lines import Lines


class Upstream(Lines, Protocol):
    """The server."""

    async def send_no_more(self) -> bool:
        """The client has gone. Whether the server is over soon by that, and may still send something."""
        ...

    def did_not_get(self, failed: dict[str, Any]) -> bool:
        """Whether this error of a call says for certain that the server has not made it."""
        ...

    async def ended(self) -> str:
        """How it ended, as the end of a sentence."""
        ...

"""What the gate needs of the server behind it."""

from __future__ import annotations

from typing import Protocol

from bot.mcp.gate.lines import Lines


class Upstream(Lines, Protocol):
    """The server."""

    async def send_no_more(self) -> None:
        """The client has gone."""
        ...

    async def ended(self) -> str:
        """How it ended, as the end of a sentence."""
        ...

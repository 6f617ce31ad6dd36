"""A server that runs as a process of the gate, over its standard input and output."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Self

from bot.mcp.gate.lines import PipeLines
from orchestration.domain.errors import CountersignError

_ENDS_WITHIN: Final = 2.0  # seconds to wait after its input ends, and again after it is asked to terminate
# The agent's token is for the gate alone: a server that runs the agent's commands would reveal it to the agent.
_KEPT_BACK: Final = "COUNTERSIGN_"


class StdioUpstream:
    """A server's process, for `async with`."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._command = command
        given = os.environ if environment is None else environment
        self._environment = {name: value for name, value in given.items() if not name.startswith(_KEPT_BACK)}
        self._process: Process | None = None

    async def __aenter__(self) -> Self:
        """Raises `CountersignError` where it cannot be started."""
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, stdout=PIPE, env=self._environment
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise CountersignError(f"{self._command[0]}: the server cannot be started ({reason}).") from error
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("it was started with pipes")
        self._pipes = PipeLines(self._process.stdout, self._process.stdin)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pipes.close()
        process = self._process
        if process is None:
            return
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None:
                with suppress(ProcessLookupError):
                    process.send_signal(number)
            with suppress(TimeoutError):
                async with asyncio.timeout(_ENDS_WITHIN):
                    await process.wait()
                    return

    def lines(self) -> AsyncIterator[bytes]:
        """Yields each message of the server, until its output ends."""
        return self._pipes.lines()

    async def send(self, line: bytes) -> bool:
        """Sends one message. False if the server does not read any more."""
        return await self._pipes.send(line)

    async def send_no_more(self) -> bool:
        """Ends its input, which tells it to end."""
        await self._pipes.close()
        return True

    @staticmethod
    def did_not_get(_failed: dict[str, Any]) -> bool:
        """Returns False: every error comes from the server itself, so nothing is certain."""
        return False

    async def ended(self) -> str:
        """Returns how it ended, as the end of a sentence. A process that closed its output may still run."""
        process = self._process
        if process is not None and process.returncode is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_ENDS_WITHIN):
                    await process.wait()
        status = process.returncode if process is not None else None
        return f"has ended with status {status}" if status is not None else "has closed its output"

"""Waits for the verdict on a command that is on disk."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from orchestration.domain.commands import Reason, Verdict
from orchestration.domain.errors import HubUnavailableError
from orchestration.runtime.turns import Turns
from orchestration.service.tickets import Ticket

REMEMBERED: Final = 10_000  # commands whose verdict was told


class VerdictTally:
    """Reports each command's verdict once, however often it is asked for, as far as this process knows."""

    def __init__(self, report: Callable[[str, Reason], None] = lambda _via, _reason: None) -> None:
        """`report` gets the way by which the command came in, and its verdict's reason."""
        self._report = report
        self._told: OrderedDict[tuple[str, str], None] = OrderedDict()

    def told(self, ticket: Ticket, verdict: Verdict) -> Verdict:
        """Returns the verdict, which somebody is about to be told, and reports it."""
        command = (ticket.request_id, ticket.command_id)
        if verdict.reason is not Reason.NO_ANSWER_YET and command not in self._told:
            self._told[command] = None
            self._report(ticket.via, verdict.reason)
            while len(self._told) > REMEMBERED:
                self._told.popitem(last=False)
        return verdict


async def wait_for_verdict(
    turns: Turns,
    request_id: str,
    command_id: str,
    look: Callable[[], Awaitable[Verdict | None]],
    read: Callable[[str], Verdict | None] = lambda _status: None,
    *,
    timeout: float,  # noqa: ASYNC109 - a bound on the wait, not on the work
    last_look: float,
) -> Verdict:
    """The verdict that `look` finds; `NO_ANSWER_YET` (recorded, not yet handled) after `timeout` seconds.

    `read` finds it in the custom status (JSON) that a turn of this process has put on disk; then no look is needed. The
    last look may take `last_look` seconds, even after the timeout. The command is on disk, so if the hub goes away
    meanwhile, this waits for it and does not report the command as lost.
    """
    clock = asyncio.get_running_loop()
    deadline = clock.time() + timeout
    with turns.watch(request_id) as watch:
        while True:
            status = await watch.next(max(deadline - clock.time(), 0))
            if status is not None and (said := read(status)) is not None:
                return said
            # A look waits for a hub that is away, but never for longer than the caller does.
            left = max(deadline - clock.time(), last_look)
            with contextlib.suppress(HubUnavailableError, TimeoutError):
                async with asyncio.timeout(left):
                    found = await look()
                if found is not None:
                    return found
            if clock.time() >= deadline:
                return Verdict(command_id=command_id, reason=Reason.NO_ANSWER_YET)

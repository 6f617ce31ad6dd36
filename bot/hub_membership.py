"""Keeps this process a member of those that work on the hub. It starts work once its keys fit theirs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from orchestration.domain.errors import CountersignError, HubUnavailableError
from orchestration.replicas.roster import HEARTBEAT
from orchestration.runtime.connect import Connection
from orchestration.service.joining import Joining

log = logging.getLogger(__name__)

RETRY: Final = 1.0  # seconds between two checks whether the hub is there and the keys fit
NOT_YET: Final = "This process has not reached its task hub yet."


class HubMembership:
    """Joins the hub with `joining`, then lets the process work: `begin` starts the worker, `connection` takes commands.

    `problem` says why the process does not work yet; None once it does.
    """

    def __init__(self, joining: Joining, connection: Connection, begin: Callable[[], None]) -> None:
        self._joining = joining
        self._connection = connection
        self._begin = begin
        self._one_at_a_time = asyncio.Lock()
        self.problem: str | None = None
        self._wait(NOT_YET)

    async def join(self) -> bool:
        """Tries to join once; returns whether the process works from now on. The work starts only once."""
        async with self._one_at_a_time:
            return self.problem is None or await self._join()

    async def _join(self) -> bool:
        try:
            problem = await self._joining.problem()
        except HubUnavailableError:
            self._wait(self._connection.no_token or NOT_YET)
            return False
        if problem is not None:
            if problem != self.problem:
                log.error("no work is taken: %s", problem)
            self._wait(problem)
            return False
        self._wait(None)
        self._begin()
        await self._announce()
        return True

    async def keep(self) -> None:
        """Joins as soon as possible, then reports each minute that this process is alive. Runs until cancelled."""
        alone = self._connection.hub is not None
        while True:
            waiting = self.problem is not None and not await self.join()
            if alone and not waiting:
                return
            await asyncio.sleep(RETRY if waiting else HEARTBEAT.total_seconds())
            if not waiting:
                await self._announce()

    async def leave(self) -> None:
        """Reports that this process ends, if the hub can still be reached."""
        if self.problem is None:
            with suppress(CountersignError):
                await self._joining.leave()

    def _wait(self, problem: str | None) -> None:
        self.problem = self._connection.held = problem

    async def _announce(self) -> None:
        try:
            await self._joining.announce()
        except HubUnavailableError as error:
            log.warning("this process could not say that it is here: %s", error)

"""Limits how many requests an asker may have open at once, so that a flood does not reach the approvers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from typing import Final

from durabletask.client import AsyncTaskHubGrpcClient
from durabletask.entities import EntityInstanceId

from orchestration.approval.status import OVER
from orchestration.domain.errors import TooManyOpenError
from orchestration.domain.ids import entity_key
from orchestration.domain.request import WORKLIST
from orchestration.people.worklist import WorklistState
from orchestration.service.calls import COMMIT_BUDGET, translated, within_budget
from orchestration.service.open_limits import OpenLimits

# Seconds after which a request that this process began is on the asker's worklist, or never will be.
LISTED_WITHIN: Final = 60.0
# Seconds for which an asker who had too many is refused without another look at each of their requests.
REFUSED_FOR: Final = 5.0
AT_ONCE: Final = 16


class OpenRequests:
    """Counts the requests on the asker's worklist, and those that this process began and that are not there yet.

    Another process may let a few more through at the same moment. `admit` may raise `HubUnavailableError`.
    """

    def __init__(self, client: AsyncTaskHubGrpcClient, limits: OpenLimits) -> None:
        self._client = client
        self._limits = limits
        # By asker: the requests begun here lately, and the end of a refusal; both in seconds of the monotonic clock.
        self._begun: dict[tuple[str, str], dict[str, float]] = {}
        self._full: dict[tuple[str, str], float] = {}
        self._looking = asyncio.Lock()

    async def admit(self, request_id: str, requester: str, token: str | None) -> None:
        """Counts a request that is about to start. Raises `TooManyOpenError` if it is one too many."""
        asker = (requester, token or "")
        most = self._limits.per_token if token else self._limits.per_person
        if time.monotonic() < self._full.get(asker, 0.0):
            raise TooManyOpenError(most, token)
        listed = await self._listed(*asker)
        over: set[str] = set()
        if len(listed | self._lately(asker).keys()) >= most:
            # One look serves all who ask at the same moment.
            async with self._looking:
                over = await self._look(asker, listed, most, token)
        self._full.pop(asker, None)
        self._lately(asker)[request_id] = time.monotonic()
        await self._forget(requester, over & listed)

    async def _look(self, asker: tuple[str, str], listed: set[str], most: int, token: str | None) -> set[str]:
        """The counted requests that have ended, which count no more. Raises `TooManyOpenError`."""
        looked_at: set[str] = set()
        over: set[str] = set()
        while len(open_ := (listed | self._lately(asker).keys()) - over) >= most:
            if not (unknown := open_ - looked_at):
                self._full[asker] = time.monotonic() + REFUSED_FOR
                raise TooManyOpenError(most, token)
            over |= await self._ended(unknown, self._lately(asker))
            looked_at |= unknown
            for ended in over:
                self._lately(asker).pop(ended, None)
        return over

    def started_before(self, request_id: str, requester: str, token: str | None) -> None:
        """Takes back the count of a request that had been started before: it counts once."""
        self._lately((requester, token or "")).pop(request_id, None)

    def _lately(self, asker: tuple[str, str]) -> dict[str, float]:
        now = time.monotonic()
        for other, begun in list(self._begun.items()):
            for request_id in [one for one, at in begun.items() if now - at > LISTED_WITHIN]:
                del begun[request_id]
            if not begun and other != asker:
                del self._begun[other]
        return self._begun.setdefault(asker, {})

    async def _listed(self, requester: str, token: str) -> set[str]:
        with translated():
            found = await within_budget(self._client.get_entity(_worklist_of(requester)))
        state = found.get_typed_state(WorklistState) if found else None
        return {one for one, by in state.open.items() if by == token} if state else set()

    async def _ended(self, request_ids: Collection[str], begun: dict[str, float]) -> set[str]:
        """Those that are not open any more: a request stopped from outside does not tell the worklist."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def is_over(request_id: str) -> bool:
            async with turns:
                with translated():
                    state = await within_budget(
                        self._client.get_orchestration_state(request_id, fetch_payloads=False)
                    )
            if state is None:  # purged, never started, or just about to be
                return time.monotonic() - begun.get(request_id, 0.0) > COMMIT_BUDGET
            return state.runtime_status in OVER

        ids = list(request_ids)
        found = await asyncio.gather(*map(is_over, ids))
        return {request_id for request_id, over in zip(ids, found, strict=True) if over}

    async def _forget(self, requester: str, over: Collection[str]) -> None:
        for request_id in over:
            with translated():
                await within_budget(self._client.signal_entity(_worklist_of(requester), "ended", request_id))


def _worklist_of(requester: str) -> EntityInstanceId:
    return EntityInstanceId(WORKLIST, entity_key(requester))

"""Forgetting, at a client's word, what has ended: in steps, so that nobody waits for it."""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.engine import endings, listing, mailbox
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.store import Store, Transaction

# How many instances one transaction forgets at most, and how many rows: a few milliseconds.
_STEP: Final = 50
_ROWS: Final = 400


def forget(tx: Transaction, keys: list[int]) -> tuple[int, int]:
    """Forget those of these instances that have ended, from the last on, until it was work enough.

    How many were forgotten, and how many of the first were not come to.
    """
    count = rows = 0
    for left in range(len(keys) - 1, -1, -1):
        key = keys[left]
        # Looked at again: since it was listed it may have been forgotten, or rewound and be running.
        row = tx.one(Q.instance_by_key, key)
        if row is not None and row["status"] in mailbox.ENDED:
            rows += endings.forget(tx, key)
            count += 1
        if rows >= _ROWS:
            return count, left
    return count, 0


class Purge:
    """One purge. `read` runs a function of the reader's connection where it holds nobody up."""

    def __init__(self, store: Store, read: Callable[..., Awaitable[Any]]) -> None:
        self._store = store
        self._read = read
        self._until: float | None = None
        self._response = pb.PurgeInstancesResponse()
        self._response.isComplete.value = True

    async def run(self, request: pb.PurgeInstancesRequest) -> pb.PurgeInstancesResponse:
        """Forget what was named, or what the filter lets through; with `recursive` all that it started.

        What has not ended stays, and so does what that has started. A filter's timeout ends a purge early: it
        then says that it is not complete, and may be sent again.
        """
        if request.HasField("purgeInstanceFilter"):
            await self._filtered(request.purgeInstanceFilter, recursive=request.recursive)
        else:
            named = request.instanceBatch.instanceIds or [request.instanceId]
            keys = await self._read(listing.ended_keys, list(named))
            await self._families(keys, recursive=request.recursive)
        return self._response

    async def _filtered(self, asked: pb.PurgeInstanceFilter, *, recursive: bool) -> None:
        if asked.HasField("timeout"):
            self._until = time.monotonic() + asked.timeout.ToTimedelta().total_seconds()
        after = 0
        while keys := await self._read(listing.purgeable, asked, after, _STEP):
            after = keys[-1]
            if not await self._families(keys, recursive=recursive):
                return

    async def _families(self, keys: list[int], *, recursive: bool) -> bool:
        """Forget these, and their descendants; False where the time was up before.

        The youngest go first: were the hub killed in between, what is left would still be found by its parent.
        """
        doomed = await self._read(listing.family, keys) if recursive else keys
        while doomed:
            if self._until is not None and time.monotonic() > self._until:
                self._response.isComplete.value = False
                return False
            step = doomed[-_STEP:]
            count, left = await self._store.run(partial(forget, keys=step))
            del doomed[len(doomed) - len(step) + left :]
            self._response.deletedInstanceCount += count
        return True

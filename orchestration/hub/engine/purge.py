"""Deletes ended instances when a client asks for it: in small steps, so that other calls need not wait."""

import logging
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any, Final

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.engine import endings, listing
from orchestration.hub.protocol import statuses, wire
from orchestration.hub.storage import clock as clocks
from orchestration.hub.storage.group_commit import GroupCommitStore
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import Transaction

_log: Final = logging.getLogger(__name__)

# How many instances one transaction deletes at most, and how many rows: a few milliseconds of work.
_STEP: Final = 50
_ROWS: Final = 400


def delete_ended(tx: Transaction, keys: list[int]) -> tuple[int, int]:
    """Delete those of these instances that have ended, from the last to the first, up to the limit of one step.

    Returns how many were deleted, and how many at the beginning of `keys` are left.
    """
    count = rows = 0
    for left in range(len(keys) - 1, -1, -1):
        key = keys[left]
        # Read again: since it was listed it may have been deleted, or rewound so that it is running.
        row = tx.one(Q.instance_by_key, key)
        if row is not None and row["status"] in statuses.ENDED:
            rows += endings.delete(tx, key)
            count += 1
        if rows >= _ROWS:
            return count, left
    return count, 0


def _without_jumps(tx: Transaction, asked: pb.PurgeInstanceFilter) -> pb.PurgeInstanceFilter:
    """The filter without what became old enough only by a clock jump within the last day."""
    delayed = clocks.delayed(tx.clock)
    if not delayed:
        return asked
    _log.warning(
        "The clock jumped by %s within the last day. A purge by age leaves what only that made old.",
        timedelta(seconds=delayed // clocks.SECOND),
    )
    kept = pb.PurgeInstanceFilter()
    kept.CopyFrom(asked)
    kept.createdTimeTo.CopyFrom(wire.to_timestamp(wire.from_timestamp(asked.createdTimeTo) - delayed))
    return kept


class Purge:
    """One purge. `read` runs a function on the reader's connection and thread."""

    def __init__(self, store: GroupCommitStore, read: Callable[..., Awaitable[Any]]) -> None:
        self._store = store
        self._read = read
        self._until: float | None = None
        self._response = pb.PurgeInstancesResponse()
        self._response.isComplete.value = True

    async def run(self, request: pb.PurgeInstancesRequest) -> pb.PurgeInstancesResponse:
        """Delete the instances that were named or that match the filter; with `recursive` also what they started.

        What has not ended stays, and so does what it has started. If a filter's timeout ends the purge early, the
        response says that it is not complete, and the request may be sent again.
        """
        if request.HasField("purgeInstanceFilter"):
            await self._filtered(request.purgeInstanceFilter, recursive=request.recursive)
        else:
            named = request.instanceBatch.instanceIds or [request.instanceId]
            keys = await self._read(listing.ended_keys, list(named))
            await self._families(keys, recursive=request.recursive)
        return self._response

    async def _filtered(self, asked: pb.PurgeInstanceFilter, *, recursive: bool) -> None:
        if asked.HasField("createdTimeTo"):
            asked = await self._store.run(partial(_without_jumps, asked=asked))
        if asked.HasField("timeout"):
            self._until = time.monotonic() + asked.timeout.ToTimedelta().total_seconds()
        after = 0
        while keys := await self._read(listing.purgeable, asked, after, _STEP):
            after = keys[-1]
            if not await self._families(keys, recursive=recursive):
                return

    async def _families(self, keys: list[int], *, recursive: bool) -> bool:
        """Delete these instances and what they started; returns False where the time was up before all were deleted.

        Children are deleted before their parents: if the hub is killed in between, the rest is still found.
        """
        remaining = await self._read(listing.family, keys) if recursive else keys
        while remaining:
            if self._until is not None and time.monotonic() > self._until:
                self._response.isComplete.value = False
                return False
            step = remaining[-_STEP:]
            count, left = await self._store.run(partial(delete_ended, keys=step))
            del remaining[len(remaining) - len(step) + left :]
            self._response.deletedInstanceCount += count
        return True

"""Packs the histories of what ended a while ago, in small steps, so that calls need not wait for it."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from orchestration.hub.protocol import packing, statuses
from orchestration.hub.storage import clock as clocks
from orchestration.hub.storage.group_commit import GroupCommitStore
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import Transaction

# Microseconds from an instance's end, by the hub's clock, until its history is packed. What has just ended is still
# read, and the hub is then often busy.
_REST: Final = timedelta(hours=1) // timedelta(microseconds=1)
# Ended instances that one step looks at, and histories that it packs: about 2 ms of work.
_LOOKED_AT: Final = 160
_AT_ONCE: Final = 6
# Bytes that are packed on the event loop, in under a millisecond. More are packed on another thread.
_SMALL: Final = 64 * 1024


class _Found(NamedTuple):
    key: int
    pieces: list[bytes]


class _Packed(NamedTuple):
    key: int
    replaces: int
    piece: bytes


class HistoryPacker:
    """Goes through all that has ended, oldest first, and packs what is not packed yet.

    Failed instances are not packed: such an instance may be rewound, and a rewind changes only its last turn.
    """

    def __init__(self, store: GroupCommitStore, clock: clocks.Clock) -> None:
        self._store = store
        self._clock = clock
        self._position = (-1, "")

    def begin_again(self) -> None:
        """Look at everything again: an instance that ends while the clock is moved may be behind the position."""
        self._position = (-1, "")

    async def step(self) -> bool:
        """Pack a few; whether there may be more. Raises `FullError` and `LockedError`."""
        until = clocks.now(self._clock) - _REST
        found, position = self._store.read(partial(_next, until=until, position=self._position))
        if found:
            if sum(len(piece) for one in found for piece in one.pieces) > _SMALL:
                packed = await asyncio.to_thread(_pack, found)
            else:
                packed = _pack(found)
            await self._store.run(partial(_replace, packed=packed))
        more = position != self._position
        self._position = position
        return more


def _next(tx: Transaction, until: int, position: tuple[int, str]) -> tuple[list[_Found], tuple[int, str]]:
    """The next histories that are not packed, and the position after them."""
    found: list[_Found] = []
    size = 0
    rows: list[Any] = tx.all(Q.packable, statuses.FAILED, packing.PACKED, until, *position, _LOOKED_AT)
    for row in rows:
        if len(found) == _AT_ONCE or size > _SMALL:
            break
        position = row["completed_at"], row["id"]
        if row["unpacked"]:
            pieces = [piece["events"] for piece in tx.all(Q.history_of, row["key"])]
            size += sum(map(len, pieces))
            found.append(_Found(row["key"], pieces))
    return found, position


def _pack(found: Iterable[_Found]) -> list[_Packed]:
    return [_Packed(one.key, len(one.pieces), packing.pack(one.pieces)) for one in found]


def _replace(tx: Transaction, packed: Iterable[_Packed]) -> None:
    """Put each packed history in the place of its pieces, unless it was deleted or changed since they were read."""
    for one in packed:
        if tx.one(Q.packable_pieces, one.key)[0] == one.replaces:
            tx.do(Q.history_delete, one.key)
            tx.do(Q.history_add, one.key, packing.PACKED, one.piece)

"""Whether the disk has room: it is full from the first write that fails until a test write succeeds."""

import asyncio
import logging
from typing import Final

from orchestration.hub.errors import FullError
from orchestration.hub.storage.group_commit import GroupCommitStore
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import Transaction

_log: Final = logging.getLogger(__name__)

_PROBLEM: Final = (
    "The task hub's disk is full: nothing new is recorded, and nothing is lost. Make room on it; the hub then goes on "
    "by itself."
)
# Seconds between two tries.
_PAUSE_S: Final = 1.0
# Bytes of the test write: more than a usual request or step writes, because a few bytes may still fit on a full disk.
_TRIED: Final = 64 * 1024


class RoomKeeper:
    """Says that the disk is full, from the first operation that had no room until a test write succeeds."""

    def __init__(self, store: GroupCommitStore) -> None:
        self._store = store
        self._refused = asyncio.Event()
        store.on_full = self._refused.set

    def problem(self) -> str | None:
        """A sentence that says why nothing is recorded now, or None where there is room."""
        return _PROBLEM if self._refused.is_set() else None

    async def serve(self) -> None:
        """Try whether there is room again, until cancelled."""
        while True:
            await self._refused.wait()
            _log.error("%s", _PROBLEM)
            await self._room()
            self._refused.clear()
            _log.warning("The disk has room again: the hub records what comes.")
            self._store.room_again()

    async def _room(self) -> None:
        """Return once there is room."""
        has_room = False
        while not has_room:
            await asyncio.sleep(_PAUSE_S)
            has_room = await self._has_room()

    async def _has_room(self) -> bool:
        try:
            await self._store.run(_write)
            await self._store.run(_remove)
        except FullError:
            return False
        except Exception:  # noqa: BLE001  # logged; what cannot be known counts as full
            _log.exception("Whether the disk has room could not be tried.")
            return False
        return True


def _write(tx: Transaction) -> None:
    tx.do(Q.room_try, _TRIED)


def _remove(tx: Transaction) -> None:
    tx.do(Q.room_clear)

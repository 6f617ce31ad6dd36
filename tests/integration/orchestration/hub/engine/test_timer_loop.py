"""The hub's waiting tasks end when they are cancelled, even at the moment when what they wait for comes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from orchestration.hub.engine.timers import TimerLoop
from orchestration.hub.storage import file
from orchestration.hub.storage.clock import SystemClock
from orchestration.hub.storage.group_commit import GroupCommitStore
from orchestration.hub.upkeep.housekeeping import RETENTION, Housekeeper

SOON = 0.3  # seconds, by which the task waits
ENDED = 5.0


@pytest.mark.parametrize("which", ["timers", "housekeeping"])
async def test_a_task_that_is_woken_and_cancelled_at_one_moment_ends(tmp_path: Path, which: str) -> None:
    """A hub that stops waits for these tasks, and would do so for ever."""
    db = file.connect(tmp_path / "hub.db")
    store = GroupCommitStore(db, SystemClock())
    background = (
        TimerLoop(store, SystemClock()) if which == "timers" else Housekeeper(store, SystemClock(), RETENTION)
    )
    task = asyncio.create_task(background.serve())
    await asyncio.sleep(SOON)
    background.clock_moved()
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=ENDED)
    assert done == {task}
    assert task.cancelled()
    await store.close()
    db.close()

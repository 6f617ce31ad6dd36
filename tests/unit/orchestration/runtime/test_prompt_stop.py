"""A worker that is told to stop finishes the work it has taken, and waits for nothing else."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable

import pytest
from durabletask.worker import ConcurrencyOptions, _AsyncWorkerManager

from orchestration.runtime.prompt_stop import PromptWorkerManager

Submit = Callable[[_AsyncWorkerManager], Callable[..., None]]
KINDS: list[Submit] = [
    lambda manager: manager.submit_activity,
    lambda manager: manager.submit_orchestration,
    lambda manager: manager.submit_entity_batch,
]


@pytest.fixture
def manager() -> PromptWorkerManager:
    one = ConcurrencyOptions(
        maximum_concurrent_activity_work_items=1,
        maximum_concurrent_orchestration_work_items=1,
        maximum_concurrent_entity_work_items=1,
        maximum_thread_pool_workers=1,
    )
    return PromptWorkerManager(one, logging.getLogger("tests"))


def begun(manager: PromptWorkerManager) -> asyncio.Task[None]:
    """As the SDK's worker begins it."""
    manager.prepare_for_run()
    return asyncio.create_task(manager.run())


async def turns(count: int = 20) -> None:
    """Some turns of the event loop. No time passes in them: nothing that waits for a second goes on."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_an_idle_worker_stops_without_waiting(manager: PromptWorkerManager) -> None:
    running = begun(manager)
    await turns()
    manager.shutdown()
    await turns()
    assert running.done()
    with pytest.raises(RuntimeError, match="after shutdown"):
        manager.submit_activity(print, print)


async def test_a_worker_that_is_told_before_it_has_begun_stops_as_well(manager: PromptWorkerManager) -> None:
    running = begun(manager)
    manager.shutdown()
    await turns()
    assert running.done()


@pytest.mark.parametrize("kind", KINDS)
async def test_what_was_taken_is_worked_on_before_the_worker_stops(
    manager: PromptWorkerManager, kind: Submit
) -> None:
    """One item is under way, and another waits for its place, when the worker is told to stop."""
    running, began, may_end = begun(manager), asyncio.Event(), threading.Event()
    loop, done = asyncio.get_running_loop(), []

    def work(item: str) -> None:
        loop.call_soon_threadsafe(began.set)
        may_end.wait(10)
        done.append(item)

    def given_up(item: str) -> None:
        done.append(f"{item} given up")

    for item in ("the first", "the second"):
        kind(manager)(work, given_up, item)
    await began.wait()
    manager.shutdown()
    await turns()
    assert not running.done()
    may_end.set()
    await running
    assert done == ["the first", "the second"]


async def test_what_failed_is_given_up_and_the_worker_stops(manager: PromptWorkerManager) -> None:
    given_up: list[str] = []

    def fail(_item: str) -> None:
        raise OSError

    running = begun(manager)
    manager.submit_activity(fail, given_up.append, "it")
    manager.shutdown()
    await running
    assert given_up == ["it"]


def test_a_worker_can_be_started_again(manager: PromptWorkerManager) -> None:
    """It runs in another event loop, as the SDK's worker makes one at each start."""
    done: list[str] = []

    async def once(item: str) -> None:
        running = begun(manager)
        await turns()
        manager.submit_activity(done.append, done.append, item)
        manager.shutdown()
        await running

    for item in ("before", "after"):
        asyncio.run(once(item))
        manager.shutdown()  # as `stop` does once the loop has ended
    assert done == ["before", "after"]

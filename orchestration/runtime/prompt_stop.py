"""Hands the items of the SDK's worker to its threads at once, and lets it stop as soon as its work is done.

In the SDK an item passes a queue, a semaphore, a timer and a task before it reaches a thread, and the worker checks
once a second whether it is to stop. The methods overridden here are private to the SDK; its version is pinned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from durabletask.worker import TaskHubGrpcWorker, _AsyncWorkerManager


class PromptWorkerManager(_AsyncWorkerManager):
    """Runs a worker's items on its threads, in the order in which they come. The hub limits how many come.

    `submit_activity` and the other submit methods may be called from any thread.
    """

    _told_to_stop: asyncio.Event

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._under_way: set[Future[None]] = set()

    def prepare_for_run(self) -> None:
        """Called in the event loop that `run` is to run in."""
        self._told_to_stop = asyncio.Event()
        super().prepare_for_run()

    def shutdown(self) -> None:
        """Takes no more items. Called in the event loop that `run` runs in, or once `run` has returned."""
        super().shutdown()
        self._told_to_stop.set()

    async def run(self) -> None:
        """Returns once it has been told to stop, and every item taken until then has been worked on."""
        self._ensure_thread_pool()
        await self._told_to_stop.wait()
        while self._under_way:
            await asyncio.wait([asyncio.wrap_future(one) for one in list(self._under_way)])
        self.thread_pool.shutdown()
        self._pool_is_shutdown = True

    def submit_activity(
        self, func: Callable[..., Any], cancellation_func: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> None:
        """Has a thread call `func`, and `cancellation_func` where that raises. Raises `RuntimeError` after shutdown."""
        if self._shutdown:
            raise RuntimeError("Cannot submit new work items after shutdown has been initiated.")
        future = self.thread_pool.submit(self._work, func, cancellation_func, args, kwargs)
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)

    submit_orchestration = submit_activity
    submit_entity_batch = submit_activity

    def _work(
        self,
        func: Callable[..., Any],
        cancellation_func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        try:
            func(*args, **kwargs)
        except Exception:
            self._logger.exception("A work item failed and is given back.")
            cancellation_func(*args, **kwargs)


def stop_promptly(worker: TaskHubGrpcWorker) -> None:
    """Has the worker, which has not been started yet, stop as soon as its work is done."""
    worker._async_worker_manager = PromptWorkerManager(worker.concurrency_options, worker._logger)  # noqa: SLF001

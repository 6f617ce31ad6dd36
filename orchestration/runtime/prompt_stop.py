"""Lets the SDK's worker stop as soon as its work is done.

The SDK's own looks once a second whether it is to stop, even when it has nothing to do. What is overridden here is
private to the SDK; its version is pinned.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from durabletask.worker import TaskHubGrpcWorker, _AsyncWorkerManager


class PromptWorkerManager(_AsyncWorkerManager):
    """Runs a worker's items as the SDK does, and ends with the last of them once it is told to stop."""

    _told_to_stop: asyncio.Event

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
        consuming = asyncio.create_task(super().run())
        finishing = asyncio.create_task(self._finished())
        await asyncio.wait((consuming, finishing), return_when=asyncio.FIRST_COMPLETED)
        finishing.cancel()
        consuming.cancel()
        with suppress(asyncio.CancelledError):
            await consuming

    async def _finished(self) -> None:
        await self._told_to_stop.wait()
        for queue in (self.activity_queue, self.orchestration_queue, self.entity_batch_queue):
            if queue is not None:
                await queue.join()


def stop_promptly(worker: TaskHubGrpcWorker) -> None:
    """Has the worker, which has not been started yet, stop as soon as its work is done."""
    worker._async_worker_manager = PromptWorkerManager(worker.concurrency_options, worker._logger)  # noqa: SLF001

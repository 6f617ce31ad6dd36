"""A worker as a process of its own, which tests kill: `python -m tests.support.worker_process ADDRESS`.

Its program touches every kind of work: activities, sub-orchestrations, timers, events and an entity.
"""

import logging
import sys
import threading
from datetime import timedelta
from typing import Any

from durabletask import entities, task
from durabletask.worker import ConcurrencyOptions, TaskHubGrpcWorker

TALLY = "tally"


def note(_ctx: task.ActivityContext, item: str) -> str:
    return item


def child(ctx: task.OrchestrationContext, item: str) -> Any:
    """Waits for a timer and runs an activity."""
    yield ctx.create_timer(timedelta(milliseconds=5))
    return (yield ctx.call_activity(note, input=item))


def collector(ctx: task.OrchestrationContext, _given: Any) -> Any:
    """Takes items until `end`. Each goes through a child and is counted by an entity."""
    taken: list[Any] = []
    while True:
        item = yield ctx.wait_for_external_event("item")
        if item == "end":
            return taken
        done = yield ctx.call_sub_orchestrator(child, input=item, instance_id=f"{item}-child")
        count = yield ctx.call_entity(entities.EntityInstanceId(TALLY, ctx.instance_id), "add", input=1)
        taken.append([done, count])


class Tally(entities.DurableEntity):
    """Counts calls, so that a batch that was applied twice shows."""

    def add(self, number: int) -> int:
        total: int = self.get_state(int, 0) + number
        self.set_state(total)
        return total


def work(address: str) -> TaskHubGrpcWorker:
    """A started worker. It takes a few items at most, so that each of several processes has some when it is killed."""
    quiet = logging.getLogger("worker-process")
    quiet.setLevel(logging.CRITICAL)
    concurrency = ConcurrencyOptions(
        maximum_concurrent_activity_work_items=4,
        maximum_concurrent_orchestration_work_items=4,
        maximum_thread_pool_workers=4,
    )
    worker = TaskHubGrpcWorker(
        host_address=address, concurrency_options=concurrency, logger=quiet, emit_trace_spans=False
    )
    worker.add_orchestrator(collector)
    worker.add_orchestrator(child)
    worker.add_activity(note)
    worker.add_entity(Tally)
    worker.start()
    return worker


if __name__ == "__main__":
    work(sys.argv[1])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    threading.Event().wait()

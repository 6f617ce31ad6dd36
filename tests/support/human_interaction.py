"""Another program, as a process that tests kill: `python -m tests.support.human_interaction HUB URL TOKEN`.

Its orchestration is the sample of human interaction that Durable Functions ships, under the names of
azure-functions-durable, and knows nothing of Countersign. Only the activity that asks people was pointed at it.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import urllib.request
from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from durabletask import task
from durabletask.worker import TaskHubGrpcWorker


class TaskBase:
    """A task with the names that azure-functions-durable gives it."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    @property
    def result(self) -> Any:
        return self.inner.get_result()

    def cancel(self) -> None:
        self.inner.cancel()

    def __eq__(self, other: object) -> bool:
        return self.inner is other or (isinstance(other, TaskBase) and self.inner is other.inner)

    def __hash__(self) -> int:
        return id(self.inner)


class DurableOrchestrationContext:
    """The context of azure-functions-durable, over that of the plain SDK."""

    def __init__(self, inner: task.OrchestrationContext, given: Any) -> None:
        self._inner = inner
        self._given = given

    @property
    def instance_id(self) -> str:
        return self._inner.instance_id

    @property
    def current_utc_datetime(self) -> datetime:
        return self._inner.current_utc_datetime

    def get_input(self) -> Any:
        return self._given

    def call_activity(self, name: str, input_: Any = None) -> Any:
        return self._inner.call_activity(name, input=input_)

    def create_timer(self, fire_at: datetime) -> TaskBase:
        return TaskBase(self._inner.create_timer(fire_at))

    def wait_for_external_event(self, name: str) -> TaskBase:
        return TaskBase(self._inner.wait_for_external_event(name))

    def task_any(self, activities: Sequence[TaskBase]) -> Any:
        return task.when_any([one.inner for one in activities])


def human_interaction(context: DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    """Asks, and waits for the event or for the time to be up."""
    asked = {"instance_id": context.instance_id, **context.get_input()}
    request_id = yield context.call_activity("RequestApproval", asked)
    due_time = context.current_utc_datetime + timedelta(minutes=20)
    durable_timeout = context.create_timer(due_time)
    approval_event = context.wait_for_external_event("ApprovalEvent")
    winner = yield context.task_any([approval_event, durable_timeout])
    if approval_event == winner:
        durable_timeout.cancel()
        done = yield context.call_activity("ProcessApproval", approval_event.result)
    else:
        done = yield context.call_activity("Escalate", request_id)
    return done


def of_functions(orchestrator: Callable[[DurableOrchestrationContext], Any]) -> Callable[..., Any]:
    """Wraps an orchestration for azure-functions-durable for a worker of the plain SDK."""

    def run(ctx: task.OrchestrationContext, given: Any) -> Any:
        return (yield from orchestrator(DurableOrchestrationContext(ctx, given)))

    return run


class Asking:
    """The activity that asks people, by Countersign's HTTP API."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token

    def request_approval(self, _: task.ActivityContext, given: dict[str, Any]) -> str:
        asked = {
            "policy": "deploy",
            "title": given["title"],
            "respond": {
                "instance_id": given["instance_id"],
                "event_name": "ApprovalEvent",
                "payload": {
                    "is_approved": "{approved}",
                    "approver": "{processed_by}",
                    "comments": "{comments}",
                    "timestamp": "{processed_at}",
                },
            },
        }
        call = urllib.request.Request(  # noqa: S310 - the test's own server
            f"{self._url}/api/approvals",
            data=json.dumps(asked).encode(),
            headers={
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
                "Idempotency-Key": given["instance_id"],
            },
        )
        with urllib.request.urlopen(call, timeout=10) as answer:  # noqa: S310
            started: dict[str, str] = json.load(answer)
        return started["id"]


def process_approval(_: task.ActivityContext, given: dict[str, Any]) -> dict[str, Any]:
    return {"processed": given}


def escalate(_: task.ActivityContext, request_id: str) -> str:
    return f"{request_id} was escalated"


def work(hub: Mapping[str, Any], url: str, token: str) -> TaskHubGrpcWorker:
    """A started worker that takes only this program's work."""
    quiet = logging.getLogger("human-interaction")
    quiet.setLevel(logging.CRITICAL)
    worker = TaskHubGrpcWorker(**hub, logger=quiet, emit_trace_spans=False)
    worker._registry.add_named_orchestrator("HumanInteraction", of_functions(human_interaction))
    worker._registry.add_named_activity("RequestApproval", Asking(url, token).request_approval)
    worker._registry.add_named_activity("ProcessApproval", process_approval)
    worker._registry.add_named_activity("Escalate", escalate)
    worker.use_work_item_filters()
    worker.start()
    return worker


if __name__ == "__main__":
    work(json.loads(sys.argv[1]), *sys.argv[2:])
    threading.Event().wait()

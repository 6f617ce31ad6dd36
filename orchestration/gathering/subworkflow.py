"""How another durable orchestration asks: `gathered = yield from request_gathering(ctx, …)`.

By name, from any durabletask SDK: call the sub-orchestration `gathering` with the input `{"request": {"policy": …,
"title": …, "requester": "U…", …}}`; it ends once everything that follows the result is done.
"""

from __future__ import annotations

from typing import Any

from durabletask.task import OrchestrationContext

from orchestration.approval.subworkflow import ask_and_read, asker_of
from orchestration.domain.gathering import AskedGathering, Gathered, GatheringRequest
from orchestration.domain.request import GATHERING
from orchestration.durable.generator import Durable


def request_gathering(
    ctx: OrchestrationContext, request: GatheringRequest, *, instance_id: str | None = None
) -> Durable[Gathered]:
    """Asks everybody, and waits durably. Returns the result once it is on record.

    `instance_id` becomes the gathering's ID; without one it is made from the policy's name. A request that no policy
    takes ends as `failed`, with the reason. Works with any data converter. Nothing in the event that
    reports the result is trusted: see `request_approval`, which raises the same errors.
    """
    child = instance_id or f"{request.policy}-{ctx.new_uuid().replace('-', '')[:12]}"
    asked = request.model_copy(update={"notify_instance": asker_of(ctx, child)})
    given = {"request": asked.model_dump(mode="json")}
    return (yield from ask_and_read(ctx, GATHERING, given, child, lambda: _read(ctx, child, asked)))


def _read(ctx: OrchestrationContext, child: str, asked: GatheringRequest) -> Durable[Gathered | None]:
    """The result of exactly that request, from its instance; None if there is none, or it is of another request."""
    asker = asked.notify_instance and asked.notify_instance.model_dump()
    read: Any = yield ctx.call_activity("read_gathering", input={"request_id": child, "asker": asker})
    if read is None:
        return None
    found = AskedGathering.model_validate(read, extra="ignore")
    about = (found.result.request_id, found.result.digest, found.request.requester)
    return found.result if about == (child, asked.digest(), asked.requester) else None

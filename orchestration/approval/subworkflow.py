"""How another durable orchestration asks: `outcome = yield from request_approval(ctx, …)`.

By name, from any durabletask SDK: call the sub-orchestration `approval` with the input `{"request": {"policy": …,
"title": …, "requester": "U…", …}}`; it returns the Outcome as JSON once everything that follows the decision is done.
"""

from __future__ import annotations

from typing import Any

from durabletask.task import OrchestrationContext, when_any

from orchestration.domain.request import APPROVAL, VERSION, ApprovalRequest, Notified, Outcome
from orchestration.durable.generator import Durable


def request_approval(
    ctx: OrchestrationContext, request: ApprovalRequest, *, instance_id: str | None = None
) -> Durable[Outcome]:
    """Asks, and waits durably; the outcome as soon as it is decided, whatever still has to be edited or sent.

    `instance_id` becomes the request's ID; without one it is made from the policy's name. A request that no policy
    takes ends as `failed`, with the reason. Works with any data converter.
    """
    child = instance_id or f"{request.policy}-{ctx.new_uuid().replace('-', '')[:12]}"
    event = f"ApprovalOutcome:{child}"
    asked = request.model_copy(update={"notify_instance": Notified(id=ctx.instance_id, event=event)})
    told = ctx.wait_for_external_event(event)
    done: Any = ctx.call_sub_orchestrator(
        APPROVAL,
        input={"request": asked.model_dump(mode="json")},
        instance_id=child,
        version=VERSION,
    )
    # The sub-orchestration itself ends only when every card is edited and every callback made, which may take days.
    yield when_any([told, done])
    if told.is_complete:
        return Outcome.model_validate(told.get_result()["outcome"])
    return Outcome.model_validate(done.get_result())

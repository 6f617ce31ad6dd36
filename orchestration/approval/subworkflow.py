"""How another durable orchestration asks: `outcome = yield from request_approval(ctx, …)`.

By name, from any durabletask SDK: call the sub-orchestration `approval` with the input `{"request": {"policy": …,
"title": …, "requester": "U…", …}}`; it returns the Outcome as JSON once everything that follows the decision is done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from durabletask.task import OrchestrationContext, when_any

from orchestration.domain.effects import AskedOutcome
from orchestration.domain.errors import UnprovenOutcomeError
from orchestration.domain.names import nudge_of
from orchestration.domain.request import APPROVAL, VERSION, ApprovalRequest, Notified, Outcome
from orchestration.durable.generator import Durable

R = TypeVar("R")

# Usually there is one. With more than these, the asker waits until everything is done.
NUDGES_HEARD: Final = 20


def request_approval(
    ctx: OrchestrationContext, request: ApprovalRequest, *, instance_id: str | None = None
) -> Durable[Outcome]:
    """Asks, and waits durably. Returns the outcome once it is decided, even if edits or messages are still to come.

    `instance_id` becomes the request's ID; without one it is made from the policy's name. A request that no policy
    takes ends as `failed`, with the reason. Works with any data converter.

    Anybody on the hub may raise an event, so nothing in the event that reports the outcome is trusted. The outcome is
    read from the request's own instance, which has to name this orchestration as the one that asked, and has to be
    about what was asked here. Raises `UnprovenOutcomeError` if it is not, and `TaskFailedError` if the request could
    not be started or its orchestration failed.
    """
    child = instance_id or f"{request.policy}-{ctx.new_uuid().replace('-', '')[:12]}"
    asked = request.model_copy(update={"notify_instance": asker_of(ctx, child)})
    given = {"request": asked.model_dump(mode="json")}
    return (yield from ask_and_read(ctx, APPROVAL, given, child, lambda: _read(ctx, child, asked)))


def asker_of(ctx: OrchestrationContext, child: str) -> Notified:
    """How the orchestration of that ID notifies this one that there is an outcome to read."""
    return Notified(id=ctx.instance_id, event=nudge_of(child))


def ask_and_read(
    ctx: OrchestrationContext,
    orchestration: str,
    given: dict[str, Any],
    child: str,
    read: Callable[[], Durable[R | None]],
) -> Durable[R]:
    """Starts one of Countersign's orchestrations, and reads its outcome when it raises the event or has ended.

    Raises `UnprovenOutcomeError` if there is no outcome to read then.
    """
    done: Any = ctx.call_sub_orchestrator(orchestration, input=given, instance_id=child, version=VERSION)
    for _ in range(NUDGES_HEARD):
        nudge = ctx.wait_for_external_event(nudge_of(child))
        # The sub-orchestration ends only when every card is edited and every callback made, perhaps days later.
        yield when_any([nudge, done])
        if done.is_complete:
            nudge.cancel()
            break
        found = yield from read()
        if found is not None:
            return found
    yield done
    found = yield from read()
    if found is None:
        raise UnprovenOutcomeError
    return found


def _read(ctx: OrchestrationContext, child: str, asked: ApprovalRequest) -> Durable[Outcome | None]:
    """The outcome of exactly that request, from its instance; None if there is none, or it is of another request."""
    given = {"request_id": child, "asker": asked.notify_instance and asked.notify_instance.model_dump()}
    read: Any = yield ctx.call_activity("read_outcome", input=given)
    if read is None:
        return None
    found = AskedOutcome.model_validate(read, extra="ignore")
    if asked.amount is not None and asked.currency is None:  # the policy fills it in
        asked = asked.model_copy(update={"currency": found.request.currency})
    # If the request accepts no edits, its outcome must be of exactly what was asked.
    digest = found.outcome.asked_digest if asked.accepts_edits else found.outcome.digest
    about = (found.outcome.request_id, digest or found.outcome.digest, found.request.requester)
    return found.outcome if about == (child, asked.digest(), asked.requester) else None

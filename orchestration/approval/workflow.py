"""The `approval` orchestration: how a request becomes a decision. Deterministic, no I/O.

Read `approval` first; it is the business process. The waiting is durable: every `yield` may last days.
"""

from __future__ import annotations

from datetime import UTC

from durabletask.task import OrchestrationContext

from orchestration.approval.approvers import Durable
from orchestration.approval.record import refused
from orchestration.approval.run import Case, TurnOver
from orchestration.approval.state import ApprovalInput, Taken
from orchestration.domain.policy import OnTimeout
from orchestration.domain.request import Outcome, Status
from orchestration.domain.rules import auto_approves


def approval(ctx: OrchestrationContext, given: ApprovalInput) -> Durable[Outcome | None]:
    """Asks level by level; the first level that is not approved ends the request. Returns the Outcome."""
    if given.policy is None:
        return (yield from take_policy(ctx, given))
    case = Case(ctx, given)
    case.begin()
    reason = auto_approves(given.request, given.policy)
    try:
        if case.record.ended:
            pass  # an earlier generation decided it, and left errands to finish
        elif reason is not None:
            case.announce(reason)
        else:
            yield from ask_each_level(case)
        yield from case.finish()
    except TurnOver:
        ctx.continue_as_new(case.carried(), save_events=True)
        return None
    return case.record.outcome()


def take_policy(ctx: OrchestrationContext, given: ApprovalInput) -> Durable[Outcome | None]:
    """Another orchestration asks by name, and has no policy: a generation of its own takes one, and hands over."""
    taken: Taken = yield ctx.call_activity("take_policy", input=given.request, return_type=Taken)
    if taken.given is not None:
        ctx.continue_as_new(taken.given, save_events=True)
        return None
    now = ctx.current_utc_datetime.replace(tzinfo=UTC)
    outcome = Outcome(
        request_id=ctx.instance_id,
        status=Status.FAILED,
        processed_at=now,
        reason=taken.problem,
        digest=given.request.digest(),
    )
    ctx.set_custom_status(refused(outcome, given))
    return outcome


def ask_each_level(case: Case) -> Durable[None]:
    """From the level where an earlier generation stopped, or the first."""
    state = case.record.state
    for index in range(state.level_index, len(case.record.policy.levels)):
        if not state.level_open:
            yield from case.open_level(index)
        yield from decide_level(case)
        if case.record.ended:
            return
    last = state.settled_by
    case.end(Status.APPROVED, by=last.actor if last else None, comments=last.comment if last else "")


def decide_level(case: Case) -> Durable[None]:
    """One level: wait, and on silence escalate, expire or reject as the policy says."""
    answered = yield from case.wait_for_answers()
    on_timeout = case.record.level.on_timeout
    if not answered and on_timeout is OnTimeout.ESCALATE and not case.record.state.escalated:
        yield from case.escalate()
        answered = yield from case.wait_for_answers()
    if answered:
        return
    if on_timeout is OnTimeout.REJECT:
        case.end(Status.REJECTED, reason="Nobody answered in time, which this policy takes for a no.")
    else:
        case.end(Status.TIMED_OUT, reason="Nobody answered in time.")

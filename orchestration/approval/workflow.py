"""The `approval` orchestration: how a request becomes a decision. Deterministic, no I/O.

Read `approval` first; it is the business process. The waiting is durable: every `yield` may last days.
"""

from __future__ import annotations

from durabletask.task import OrchestrationContext

from orchestration.approval import projection
from orchestration.approval.run import ApprovalRun, ContinueAsNew
from orchestration.approval.state import ApprovalInput, Taken
from orchestration.domain.policy import OnTimeout
from orchestration.domain.request import Outcome, Status
from orchestration.domain.rules import auto_approves
from orchestration.durable import clock
from orchestration.durable.generator import Durable


def approval(ctx: OrchestrationContext, given: ApprovalInput) -> Durable[Outcome | None]:
    """Asks level by level; the first level that is not approved ends the request. Returns the Outcome."""
    if given.policy is None or not given.nonce:
        return (yield from take_policy(ctx, given))
    run = ApprovalRun(ctx, given)
    run.begin()
    reason = auto_approves(given.request, given.policy)
    try:
        if run.record.ended:
            pass  # an earlier generation decided it, and has effects left to finish
        elif reason is not None:
            run.announce(reason)
        elif not (yield from run.use_grant()):
            yield from ask_each_level(run)
        run.leave_list()
        yield from run.finish()
    except ContinueAsNew:
        ctx.continue_as_new(run.carried(), save_events=True)
        return None
    return projection.outcome(run.record)


def take_policy(ctx: OrchestrationContext, given: ApprovalInput) -> Durable[Outcome | None]:
    """Adds the policy and a nonce to a request of another orchestration, and continues as new.

    Neither is taken from what that orchestration sent: a chosen nonce could be one that people have seen before.
    """
    taken: Taken = yield ctx.call_activity("take_policy", input=given.request, return_type=Taken)
    if taken.given is not None:
        ctx.continue_as_new(taken.given, save_events=True)
        return None
    outcome = Outcome(
        request_id=ctx.instance_id,
        status=Status.FAILED,
        processed_at=clock.now(ctx),
        reason=taken.problem,
        digest=given.request.digest(),
    )
    ctx.set_custom_status(projection.refused(outcome, given))
    return outcome


def ask_each_level(run: ApprovalRun) -> Durable[None]:
    """Asks from the first level, or from where an earlier generation stopped; again from the first after a change."""
    state = run.record.state
    index = state.level_index
    while index < len(run.record.policy.levels):
        if not state.level_open:
            yield from run.open_level(index)
        yield from decide_level(run)
        if run.record.ended:
            return
        # After a change at a later level, all levels decide anew.
        index = 0 if state.level_index < index else index + 1
    last = state.decided_by
    run.end(Status.APPROVED, by=last.actor if last else None, comments=last.comment if last else "")


def decide_level(run: ApprovalRun) -> Durable[None]:
    """Waits for one level.

    On timeout, or once nobody can decide it, escalates, expires or rejects as the policy says.
    """
    answered = yield from run.wait_for_answers()
    state, on_timeout = run.record.state, run.record.level.on_timeout
    silence = not answered and not state.undecidable
    if not answered and on_timeout is OnTimeout.ESCALATE and not state.escalated:
        if silence and state.shortened:
            run.end(Status.TIMED_OUT, reason="Nobody answered in the time that the request gave.")
            return
        yield from run.escalate()
        answered = yield from run.wait_for_answers()
    if answered:
        return
    why = run.undecidable_because() if state.undecidable else "Nobody answered in time."
    if on_timeout is not OnTimeout.REJECT:
        run.end(Status.TIMED_OUT, reason=why)
    elif state.shortened and not state.undecidable:
        run.end(Status.TIMED_OUT, reason="Nobody answered in the time that the request gave.")
    else:
        run.end(Status.REJECTED, reason=f"{why} This policy then rejects.")

"""The `approval` orchestration: how a request becomes a decision. Deterministic, no I/O.

Read `approval` first; it is the business process. The waiting is durable: every `yield` may last days.
"""

from __future__ import annotations

from durabletask.task import OrchestrationContext

from orchestration.case import Case, Durable
from orchestration.models import ApprovalInput, Level, OnTimeout, Outcome, Status


def approval(ctx: OrchestrationContext, given: ApprovalInput) -> Durable[Outcome]:
    """Asks level by level; the first level that is not approved ends the request. Returns the Outcome."""
    case = Case(ctx, given)
    for level in given.policy.levels:
        yield from decide_level(case, level)
        if case.record.status.ended:
            break
    else:
        last = case.settled_by
        case.end(Status.APPROVED, by=last.actor if last else None, comments=last.comment if last else "")
    yield from case.finish()
    return case.record.outcome()


def decide_level(case: Case, level: Level) -> Durable[None]:
    """One level: post, wait, and on silence escalate, expire or reject as the policy says."""
    case.open_level(level)
    yield from case.wait_for_answers()
    if case.silent and level.on_timeout is OnTimeout.ESCALATE:
        case.escalate()
        yield from case.wait_for_answers()
    if not case.silent:
        return
    if level.on_timeout is OnTimeout.REJECT:
        case.end(Status.REJECTED, reason="Nobody answered in time, which this policy takes for a no.")
    else:
        case.end(Status.TIMED_OUT, reason="Nobody answered in time.")

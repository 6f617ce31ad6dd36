"""Reads a hub's state of an `approval` instance into our models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Protocol, TypeVar

from durabletask.client import OrchestrationState, OrchestrationStatus
from pydantic import ValidationError

from orchestration.approval.state import ApprovalInput
from orchestration.domain.commands import Progress
from orchestration.domain.edits import with_edits
from orchestration.domain.errors import UnknownRequestError
from orchestration.domain.grants import GrantPattern
from orchestration.domain.policy import Policy
from orchestration.domain.request import ApprovalRequest, Choice, Identity, Outcome, Recorded, Status
from orchestration.domain.rounds import EligibleVoters, Round

OVER: Final = frozenset(
    {OrchestrationStatus.COMPLETED, OrchestrationStatus.FAILED, OrchestrationStatus.TERMINATED}
)
# The ends of an orchestration without any of its own code running.
CUT_SHORT: Final = {
    OrchestrationStatus.FAILED: Status.FAILED,
    OrchestrationStatus.TERMINATED: Status.TERMINATED,
}
CUT_SHORT_REASONS: Final = {
    Status.FAILED: "It failed for a reason of ours; the operator can find it in the log.",
    Status.TERMINATED: "It was stopped by an operator.",
}
NOT_OUR_END: Final = (
    "The task hub says that it ended, but no process of Countersign ended it; the operator must look into it."
)


@dataclass(frozen=True)
class RequestView:
    """One request, read from its instance once.

    `policy` is as it was when the request was made. `asked` is the request as it was made; `request` includes all
    changes by approvers.
    """

    progress: Progress
    request: ApprovalRequest
    policy: Policy
    asked: ApprovalRequest
    pattern: GrantPattern | None = None

    @property
    def identity(self) -> Identity:
        """The identity that a decision on this request has to name."""
        return self.progress.identity

    @property
    def ended_at(self) -> datetime | None:
        """When it was decided; None while it runs."""
        return self.progress.outcome.processed_at if self.progress.outcome else None


def view_of(state: OrchestrationState) -> RequestView:
    """The request of an `approval` instance. Raises `UnknownRequestError`, also if no policy was taken for it."""
    given = _input(state)
    if given.policy is None or not given.nonce:
        raise UnknownRequestError
    progress = progress_of(state)
    return RequestView(
        progress, with_edits(given.request, progress.edits), given.policy, given.request, given.pattern
    )


def progress_of(state: OrchestrationState) -> Progress:
    """The published progress. Before the first turn, or if no turn could run, it is made from the input.

    A request whose orchestration was stopped from outside has an outcome too, so that nobody waits for one in vain.
    Raises `UnknownRequestError`.
    """
    progress = published_of(state, Progress)
    cut_short = CUT_SHORT.get(state.runtime_status)
    forged = state.runtime_status is OrchestrationStatus.COMPLETED and not (
        progress is not None and progress.status.ended
    )
    if forged:  # a turn of ours publishes the outcome before it completes, under its seal
        cut_short = Status.FAILED
    if progress is not None and (cut_short is None or progress.status.ended):
        return progress
    given = _input(state)
    if progress is None:
        edits = given.state.edits if given.state else []
        request = with_edits(given.request, edits)
        progress = Progress(
            request_id=state.instance_id,
            status=Status.PENDING,
            policy=given.request.policy,
            title=request.title,
            amount=request.amount,
            currency=request.currency,
            requester=given.request.requester,
            asked_at=made_at(state),
            nonce=given.nonce,
            digest=request.digest(),
            asked_digest=given.request.digest(),
            edits=edits,
            answered=given.state.answered if given.state else 0,
            round=0,
        )
    if cut_short is None:
        return progress
    outcome = Outcome(
        request_id=state.instance_id,
        status=cut_short,
        processed_at=state.last_updated_at.replace(tzinfo=state.last_updated_at.tzinfo or UTC),
        reason=NOT_OUR_END if forged else CUT_SHORT_REASONS[cut_short],
        levels=progress.levels,
        digest=progress.digest or given.request.digest(),
        asked_digest=given.request.digest(),
        edits=progress.edits,
        nonce=given.nonce,
    )
    return progress.model_copy(update={"status": cut_short, "outcome": outcome})


def made_at(state: OrchestrationState) -> datetime:
    """When the instance was created. A later instance of the same ID has another time; continuing as new keeps it."""
    return state.created_at.replace(tzinfo=state.created_at.tzinfo or UTC)


class StartNonce(Recorded):
    """Only the nonce of the input. The whole input is long, and this is read at every look."""

    nonce: str = ""


class _Published(Protocol):  # what both kinds of progress have
    @property
    def nonce(self) -> str:
        """The nonce of the start."""
        ...


ProgressT = TypeVar("ProgressT", bound=_Published)


def published_of(state: OrchestrationState, kind: type[ProgressT]) -> ProgressT | None:
    """The custom status; None if it is of an earlier start under the same ID, which may have asked for something else.

    Raises `UnknownRequestError` if the status is no `kind`, or the instance has no input.
    """
    try:
        found = state.get_custom_status(kind)
        start = state.get_input(StartNonce)
    except ValidationError as error:
        raise UnknownRequestError from error
    if start is None:
        raise UnknownRequestError
    return found if found is None or found.nonce == start.nonce else None


def _input(state: OrchestrationState) -> ApprovalInput:
    try:
        given = state.get_input(ApprovalInput)
    except ValidationError as error:  # whoever is on the hub may start it with anything
        raise UnknownRequestError from error
    if given is None:
        raise UnknownRequestError
    return given


def eligible_voters_of(progress: Progress, policy: Policy, amount: Decimal | None) -> EligibleVoters:
    """Who may decide now, as far as is visible from outside. Only for prechecks: the orchestration decides."""
    if not progress.levels or progress.levels[-1].status.ended:
        return EligibleVoters()
    *past, level = progress.levels
    so_far = [one.needs_code(amount) for one in policy.levels[: len(past) + 1]]
    rounds = [_round(level.round, policy.levels[len(past)].approvers, policy, code=so_far[-1])]
    if level.escalated_to is not None and policy.escalation:
        rounds.append(_round(level.round + 1, policy.escalation.approvers, policy, code=any(so_far)))
    approvals = [vote for ended in past for vote in ended.decisions if vote.choice is Choice.APPROVE]
    return EligibleVoters(
        rounds=rounds,
        delegates=level.delegates,
        confirmed=level.confirmed,
        counted=()
        if policy.allow_repeat_approver
        else [person for vote in approvals for person in (vote.actor, vote.holder)],
        requester=None if policy.allow_self_approval else progress.requester,
    )


def _round(number: int, approvers: Sequence[str], policy: Policy, *, code: bool) -> Round:
    return Round(number, approvers, policy.groups_in(approvers), code=code)


def involved(progress: Progress, request: ApprovalRequest, policy: Policy) -> set[str]:
    """The people and groups of a request: requester, owner, those whom the policy names, who were asked or decided."""
    found = {request.requester, *filter(None, [policy.owner])}
    for level in policy.levels:
        found.update(level.approvers, level.notify)
    if policy.escalation:
        found.update(policy.escalation.approvers, policy.escalation.notify)
    for stage in progress.levels:
        found.update(stage.approvers, stage.waiting_for, stage.delegates, stage.delegates.values())
        found.update(vote.actor for vote in stage.decisions)
    return found

"""The rules. Pure: the same arguments always give the same answer, so the orchestrator may ask."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from orchestration.domain.commands import Comment, Decision, Delegation, Reason
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.money import format_amount
from orchestration.domain.policy import Policy
from orchestration.domain.request import ApprovalRequest, Choice, RemarkKind

Members = Mapping[str, Collection[str]]


@dataclass(frozen=True)
class EligibleVoters:
    """Who may decide a level at this moment.

    `approvers` are its people and groups, `escalation` those it escalated to; `delegates` maps a person whose vote is
    with somebody else to that somebody; `counted` have had their vote at an earlier level.
    """

    approvers: Collection[str]
    escalation: Collection[str] = ()
    delegates: Mapping[str, str] = field(default_factory=dict)
    counted: Collection[str] = ()
    open_rounds: Collection[int] = ()


def check_request(request: ApprovalRequest, policy: Policy) -> ApprovalRequest:
    """The request as this policy wants it (currency filled in). Raises `InvalidRequestError` naming the field."""
    known = {field.name: field for field in policy.fields}
    for name in request.fields:
        if name not in known:
            choices = ", ".join(known) or "none"
            raise InvalidRequestError(
                f"{name}: the {policy.title} policy has no such field (it has: {choices}).", field=name
            )
    for spec in policy.fields:
        if spec.required and not request.fields.get(spec.name, "").strip():
            raise InvalidRequestError(f"{spec.title}: is required for {policy.title}.", field=spec.name)
    if request.currency and policy.currency and request.currency != policy.currency:
        raise InvalidRequestError(f"currency: {policy.title} is in {policy.currency}.", field="currency")
    if request.amount is None or request.currency:
        return request
    if policy.currency is None:
        raise InvalidRequestError(f"amount: {policy.title} takes no amount.", field="amount")
    return request.model_copy(update={"currency": policy.currency})


def auto_approves(request: ApprovalRequest, policy: Policy) -> str | None:
    """Why nobody needs to be asked, as a sentence; None where somebody does. Every condition given must hold."""
    reasons = []
    if policy.auto_approve_below is not None:
        if request.amount is None or request.amount >= policy.auto_approve_below:
            return None
        reasons.append(f"the amount is below {format_amount(policy.auto_approve_below, policy.currency)}")
    for name, values in policy.auto_approve_when.items():
        value = request.fields.get(name, "").strip()
        if value not in values:
            return None
        reasons.append(f"{name} is {value}")
    return f"Nobody needs to be asked, as {' and '.join(reasons)}." if reasons else None


def may_decide(
    decision: Decision, *, request: ApprovalRequest, policy: Policy, voters: EligibleVoters, members: Members
) -> Reason:
    """Whether this decision counts now: `RECORDED`, or the reason why not.

    `members` maps each group to the people in it at this moment; a group that is missing has nobody.
    """
    refusal = _no_vote(
        decision.actor, decision.round, request=request, policy=policy, voters=voters, members=members
    )
    if refusal is not None:
        return refusal
    if decision.choice is Choice.REJECT and policy.require_reason and not decision.comment.strip():
        return Reason.REASON_REQUIRED
    return Reason.RECORDED


def may_delegate(
    delegation: Delegation,
    *,
    request: ApprovalRequest,
    policy: Policy,
    voters: EligibleVoters,
    members: Members,
) -> Reason:
    """Whether `actor` may hand their vote to `to`: one hop, never to the requester, never to themselves."""
    refusal = _no_vote(
        delegation.actor, delegation.round, request=request, policy=policy, voters=voters, members=members
    )
    if refusal is not None:
        return refusal
    if delegation.actor in voters.delegates.values():
        return Reason.ONE_HOP
    unfit = {delegation.actor, *voters.delegates}
    if not policy.allow_repeat_approver:
        unfit |= set(voters.counted)
    if not policy.allow_self_approval:
        unfit.add(request.requester)
    return Reason.DELEGATE_UNFIT if delegation.to in unfit else Reason.RECORDED


def may_comment(
    comment: Comment, *, request: ApprovalRequest, voters: EligibleVoters, members: Members
) -> Reason:
    """Questions come from those who decide, answers from the requester, comments from either."""
    is_requester = comment.actor == request.requester
    decides = belongs(comment.actor, [*voters.approvers, *voters.escalation], members)
    if comment.kind is RemarkKind.ANSWER:
        return Reason.RECORDED if is_requester else Reason.NOT_THE_REQUESTER
    if comment.kind is RemarkKind.QUESTION:
        return Reason.RECORDED if decides else Reason.NOT_AN_APPROVER
    return Reason.RECORDED if is_requester or decides else Reason.NOT_INVOLVED


def _no_vote(
    actor: str,
    round_: int,
    *,
    request: ApprovalRequest,
    policy: Policy,
    voters: EligibleVoters,
    members: Members,
) -> Reason | None:
    """Why this person has no vote in this round, or None when they have."""
    if round_ not in voters.open_rounds:
        return Reason.ROUND_OVER
    if actor == request.requester and not policy.allow_self_approval:
        return Reason.SELF_APPROVAL
    if actor in voters.delegates:
        return Reason.HANDED_OVER
    if not belongs(actor, [*voters.approvers, *voters.escalation], members):
        return Reason.NOT_AN_APPROVER
    if actor in voters.counted and not policy.allow_repeat_approver:
        return Reason.COUNTED_BEFORE
    return None


def belongs(person: str, principals: Collection[str], members: Members) -> bool:
    """Whether `person` is among `principals`, by name or through a group."""
    return person in principals or any(person in members.get(group, ()) for group in principals)


def groups_of(principals: Collection[str], groups: Collection[str]) -> list[str]:
    """Those of the principals that are among the policy's `groups`, each once, in order."""
    return list(dict.fromkeys(principal for principal in principals if principal in groups))


def people_of(principals: Collection[str], groups: Collection[str], members: Members) -> list[str]:
    """Every person among them, by name or through a group, each once, in order."""
    found: dict[str, None] = {}
    for principal in principals:
        found |= dict.fromkeys(members.get(principal, ()) if principal in groups else [principal])
    return list(found)

"""The rules of approvals. Pure: equal arguments give equal results, so orchestrators may call them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Final, TypeVar

from orchestration.domain.commands import Comment, Decision, Delegation, Reason
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.fields import read_value
from orchestration.domain.gathering import GatheringRequest
from orchestration.domain.ids import IdReader
from orchestration.domain.money import format_amount
from orchestration.domain.people import PersonEntry
from orchestration.domain.policy import Policy
from orchestration.domain.request import ApprovalRequest, Choice, RemarkKind
from orchestration.domain.rounds import EligibleVoters, Members
from orchestration.domain.text import is_blank, prose

R = TypeVar("R", ApprovalRequest, GatheringRequest)

# The fields of a request that only the service sets.
STAMPS: Final = ("asked_with", "idempotency_key", "responds_to", "responds_since", "call")


def check_request(
    request: ApprovalRequest,
    policy: Policy,
    enrolled: Collection[str] | None = None,
    ids: IdReader | None = None,
) -> ApprovalRequest:
    """The request in the form that is kept: its fields read, and its currency filled in.

    `enrolled` have a phone for codes; None where that is not known. `ids` reads the IDs of people. Raises
    `InvalidRequestError` naming the field.
    """
    request = _with_fields_read(request, policy, ids)
    if policy.require_amount and request.amount is None:
        raise InvalidRequestError(f"amount: is required for {policy.title}.", field="amount")
    if request.currency and policy.currency and request.currency != policy.currency:
        raise InvalidRequestError(f"currency: {policy.title} is in {policy.currency}.", field="currency")
    if request.amount is not None and not request.currency:
        if policy.currency is None:
            raise InvalidRequestError(f"amount: {policy.title} takes no amount.", field="amount")
        request = request.model_copy(update={"currency": policy.currency})
    if auto_approves(request, policy) is None:
        _check_others_suffice(request, policy, enrolled)
    return request


def _with_fields_read(request: ApprovalRequest, policy: Policy, ids: IdReader | None) -> ApprovalRequest:
    known = {field.name: field for field in policy.fields}
    for name in request.fields:
        if name not in known:
            choices = ", ".join(known) or "none"
            raise InvalidRequestError(
                f"{name}: the {policy.title} policy has no such field (it has: {choices}).", field=name
            )
    read = {name: read_value(known[name], value, ids) for name, value in request.fields.items()}
    for spec in policy.fields:
        if spec.required and not read.get(spec.name):
            raise InvalidRequestError(f"{spec.title}: is required for {policy.title}.", field=spec.name)
    return request.model_copy(update={"fields": read})


def unstamped(request: R) -> R:
    """The request without the fields that only the service may set, for an orchestration that asks by itself.

    It has no token, no idempotency key and no admitted receiver.
    """
    known = type(request).model_fields
    return request.model_copy(update={name: None for name in STAMPS if name in known})


def check_receivers(request: ApprovalRequest | GatheringRequest) -> None:
    """Checks that the outcome can be sent to its receivers. Raises `InvalidRequestError` naming the field."""
    if request.callback_format is not None and request.callback_url is None:
        raise InvalidRequestError(
            "callback_format: goes with callback_url, which is missing.", field="callback_format"
        )
    if request.respond is not None and isinstance(request, ApprovalRequest) and request.accepts_edits:
        raise InvalidRequestError(
            "accepts_edits: goes with no respond, whose receiver is not told what was changed.",
            field="accepts_edits",
        )
    if request.respond is not None and request.responds_to is None:
        raise InvalidRequestError(
            "respond: is for programs that ask by the HTTP API, where their token's scopes say to whom. An "
            "orchestration that asks by itself gets the outcome as its result.",
            field="respond",
        )


def _check_others_suffice(request: ApprovalRequest, policy: Policy, enrolled: Collection[str] | None) -> None:
    """Raises `InvalidRequestError` where too few people are left to decide it without the requester.

    Only the levels' own rounds are checked: if they can be decided, so can the request, whomever it escalates to.
    """
    barred = set() if policy.allow_self_approval else {request.requester}
    for fault in policy.impossible(barred, escalations=False, enrolled=enrolled, request=request):
        what = "reject it at" if fault.rejecting else "decide"
        raise InvalidRequestError(
            f"policy: without you too few people are left to {what} the level {fault.round.level}, "
            "and nobody decides their own request. Please have somebody else ask.",
            field="policy",
        )


def auto_approves(request: ApprovalRequest, policy: Policy) -> str | None:
    """Why nobody needs to be asked, as a sentence; None if people have to be asked. All given conditions must hold."""
    reasons = []
    if policy.auto_approve_below is not None:
        if request.amount is None or request.amount >= policy.auto_approve_below:
            return None
        reasons.append(f"the amount is below {format_amount(policy.auto_approve_below, policy.currency)}")
    for name, values in policy.auto_approve_when.items():
        value = prose(request.fields.get(name, ""))
        if value not in values:
            return None
        reasons.append(f"{name} is {value}")
    return f"Nobody needs to be asked, as {' and '.join(reasons)}." if reasons else None


def may_decide(decision: Decision, *, policy: Policy, voters: EligibleVoters, members: Members) -> Reason:
    """`RECORDED` if this decision counts now, else the reason why not.

    `members` maps each group to the people in it at this moment; a group that is missing has nobody.
    """
    refusal, holder = _seat(decision.actor, decision.round, voters, members)
    if refusal is not None or holder is None:
        return refusal or Reason.NOT_AN_APPROVER
    if decision.choice is Choice.REJECT:
        no_reason = policy.require_reason and is_blank(decision.comment)
        return Reason.REASON_REQUIRED if no_reason else Reason.RECORDED
    return Reason.NEEDED_LATER if voters.needed_later(decision.actor, holder) else Reason.RECORDED


def may_delegate(
    delegation: Delegation, *, policy: Policy, voters: EligibleVoters, members: Members, entered: str | None
) -> Reason:
    """Whether `actor` may hand their vote to `to`: one hop, to somebody who may decide here.

    `members` has the policy's groups, of which the delegate may be a member. `entered` is who the operator entered as
    the delegate of `actor`, if anybody.
    """
    refusal, holder = _seat(delegation.actor, delegation.round, voters, members)
    if refusal is not None:
        return refusal
    if holder != delegation.actor or delegation.actor in voters.delegates.values():
        return Reason.ONE_HOP
    if voters.needed_later(delegation.actor):
        return Reason.NEEDED_LATER
    return (
        delegate_fault(delegation.to, delegation.actor, policy, voters, members, entered) or Reason.RECORDED
    )


def delegate_fault(
    delegate: str,
    holder: str,
    policy: Policy,
    voters: EligibleVoters,
    members: Members,
    entered: str | None,
) -> Reason | None:
    """Why this person cannot vote for `holder`, or None when they can. Whether they are enrolled is not asked here."""
    handed_over = delegate in voters.delegates
    if delegate in {holder, voters.asked_by} or handed_over or voters.barred(delegate):
        return Reason.DELEGATE_UNFIT
    named = policy.delegate_pool()
    if delegate in policy.groups:
        return Reason.DELEGATE_UNFIT
    allowed = delegate in named or any(
        delegate in members.get(group, ()) for group in policy.groups_in(named)
    )
    # A policy that lists its delegates means these alone.
    allowed = allowed or (not policy.delegates and delegate == entered)
    return None if allowed else Reason.DELEGATE_NOT_ALLOWED


def absence_delegate(
    own: PersonEntry | None, entered: PersonEntry | None, day: date, *, code: bool
) -> str | None:
    """The delegate of somebody who is away on that day; None if they are not away, or have no delegate.

    What they said themselves (`own`) goes before what the operator entered. With `code` (they decide with a code only),
    only a delegate whom the operator entered counts: see `EligibleVoters.delegates_in`.
    """
    entry = own or entered
    if entry is None or not entry.is_away(day):
        return None
    named = entered if code else entry
    return named.delegate if named else None


def may_comment(comment: Comment, *, requester: str, voters: EligibleVoters, members: Members) -> Reason:
    """Questions come from those who decide, answers from the requester, comments from either."""
    is_requester = comment.actor == requester
    delegate = comment.actor in voters.delegates.values()
    decides = delegate or any(round_.seats(comment.actor, members) for round_ in voters.rounds)
    if comment.kind is RemarkKind.ANSWER:
        return Reason.RECORDED if is_requester else Reason.NOT_THE_REQUESTER
    if comment.kind is RemarkKind.QUESTION:
        return Reason.RECORDED if decides else Reason.NOT_AN_APPROVER
    return Reason.RECORDED if is_requester or decides else Reason.NOT_INVOLVED


def _seat(
    actor: str, number: int, voters: EligibleVoters, members: Members
) -> tuple[Reason, None] | tuple[None, str]:
    """Either the reason why this person has no vote in this round, or the holder of the seat they vote from."""
    round_ = voters.round(number)
    if round_ is None:
        return Reason.ROUND_OVER, None
    if actor == voters.requester:
        return Reason.SELF_APPROVAL, None
    holder = voters.seat(actor, round_, members)
    if holder is not None:
        return None, holder
    delegates = voters.delegates_in(round_)
    if actor in delegates:
        return Reason.HANDED_OVER, None
    seated = [actor, *(one for one, other in delegates.items() if other == actor)]
    counted = any(round_.seats(one, members) for one in seated) and any(map(voters.barred, seated))
    return Reason.COUNTED_BEFORE if counted else Reason.NOT_AN_APPROVER, None

"""What others see of a request: its card, the custom status, the outcome."""

from __future__ import annotations

from typing import Any, Final

from pydantic import JsonValue

from orchestration.approval.record import Record
from orchestration.approval.state import ApprovalInput
from orchestration.domain.actions import Action
from orchestration.domain.cards import Card, Shown
from orchestration.domain.commands import Progress
from orchestration.domain.document_reviews import actions_of
from orchestration.domain.edits import editable
from orchestration.domain.names import fulfilment_id
from orchestration.domain.policy import Policy
from orchestration.domain.request import ApprovalRequest, Outcome
from orchestration.domain.responses import PARTS

REMARK_SHOWN: Final = 500


def card(record: Record, round_: int) -> Card:
    """The present content of the copy posted for `round_`."""
    state, request = record.state, record.request
    upcoming = [] if record.ended else [level.name for level in record.policy.levels[state.level_index + 1 :]]
    return Card(
        request_id=record.request_id,
        nonce=record.identity.nonce,
        digest=record.identity.digest,
        asked_digest=record.asked_digest if state.edits else "",
        edits=state.edits,
        editable=not record.ended and bool(editable(request, record.policy)),
        round=round_,
        status=state.status,
        policy_title=record.policy.title,
        title=request.title,
        description=request.description,
        amount=request.amount,
        currency=request.currency,
        fields=[*call_fields(request), *policy_fields(request, record.policy)],
        verbatim=request.call is not None,
        requester=request.requester,
        asked_without_seal=record.asked_without_seal,
        asked_at=state.asked_at,
        levels=record.levels(),
        upcoming=upcoming,
        confirming=list(state.confirming),
        remarks=[
            remark
            if len(remark.text) <= REMARK_SHOWN
            else remark.model_copy(update={"text": remark.text[:REMARK_SHOWN] + "…"})
            for remark in state.remarks
        ],
        actions=state.actions,
        open=round_ in state.open_rounds,
        grantable=round_ in state.open_rounds[:1] and record.grant_offer is not None,
        confirm=round_ in state.open_rounds
        and record.policy.asks_again(code=record.voting.needs_code(round_)),
        escalation=state.escalated and round_ == state.round,
        ended_at=state.ended_at,
        ended_by=state.ended_by,
        comments=state.comments,
        reason=state.reason,
    )


def call_fields(request: ApprovalRequest) -> list[Shown]:
    """The fields of the waiting tool call, except its arguments. Empty if no call waits."""
    call = request.call
    if call is None:
        return []
    said = {
        "Agent": call.agent,
        "Server": call.server,
        "Tool": call.tool,
        "Directory": call.directory,
        "Arguments, as SHA-256": call.arguments_digest,
    }
    return [Shown(label=label, value=value) for label, value in said.items() if value]


def policy_fields(request: ApprovalRequest, policy: Policy) -> list[Shown]:
    """The policy's fields that are filled in."""
    return [
        Shown(label=spec.title, value=request.fields[spec.name], type=spec.type)
        for spec in policy.fields
        if request.fields.get(spec.name)
    ]


def progress(record: Record) -> Progress:
    """The custom status: small, but enough to act on from outside."""
    state = record.state
    return Progress(
        request_id=record.request_id,
        status=state.status,
        policy=record.policy.key,
        title=record.request.title,
        amount=record.request.amount,
        currency=record.request.currency,
        requester=record.request.requester,
        asked_at=state.asked_at,
        asked_without_seal=record.asked_without_seal,
        nonce=record.identity.nonce,
        digest=record.identity.digest,
        asked_digest=record.asked_digest,
        edits=state.edits,
        editable=[] if record.ended else list(editable(record.request, record.policy)),
        answered=state.answered,
        round=state.round,
        steps=state.steps,
        deadline=state.deadline,
        levels=record.levels(),
        cards=state.cards,
        messages=state.messages,
        actions=state.actions,
        confirming=state.confirming,
        outcome=outcome(record) if record.ended else None,
        callback_failed=state.callback_failed,
        response_failed=state.response_failed,
        receipt_pending=state.receipt_pending,
        fulfilment=fulfilment_id(record.request_id, record.identity.nonce) if state.handed_over else None,
        handed_over=state.handed_over,
        fulfilment_begun=state.fulfilment_begun,
        verdicts=state.verdicts,
    )


def outcome(record: Record) -> Outcome:
    """The output, after `end` was called."""
    state = record.state
    if state.ended_at is None:
        raise ValueError("the request has not ended")
    return Outcome(
        request_id=record.request_id,
        status=state.status,
        processed_by=state.ended_by,
        processed_at=state.ended_at,
        comments=state.comments,
        comments_salt=record.salt_of("comments", state.comments),
        reason=state.reason,
        reason_salt=record.salt_of("reason", state.reason),
        levels=state.past_levels,
        digest=record.identity.digest,
        asked_digest=record.asked_digest,
        edits=state.edits,
        nonce=record.identity.nonce,
        asked_without_seal=record.asked_without_seal,
        receipt=state.receipt,
        grant=state.grant,
    )


def outcome_id(record: Record) -> str:
    """The ID of the outcome of this start of the request.

    After a purge the same request ID may be asked and decided again.
    """
    return f"{record.request_id}:{record.identity.nonce}:{record.state.status}"


def outcome_event(record: Record) -> dict[str, Any]:
    """The outcome as it is sent to others; the same each time. Its request is what was decided, with every edit."""
    ended = outcome(record)
    unsaid = (
        "idempotency_key",
        "timeout",
        "callback_url",
        "callback_format",
        "notify_instance",
        "respond",
        "responds_to",
        "responds_since",
        "accepts_edits",
    )
    asked = record.request.model_dump(
        mode="json", exclude={**dict.fromkeys(unsaid, True), "call": {"bound": True, "input_schema": True}}
    )
    return {
        "type": f"approval.{ended.status}",
        "timestamp": ended.processed_at.isoformat(),
        "data": {"request": asked, "outcome": ended.told().model_dump(mode="json", by_alias=True)},
    }


def response_parts(record: Record) -> dict[str, JsonValue]:
    """What the payload of a response may name: see `PARTS`."""
    ended = outcome(record)
    parts = ended.model_dump(mode="json", include=set(PARTS))
    return {**parts, "approved": ended.status.is_yes and ended.receipt is not None}


def actions(record: Record) -> list[Action]:
    """The actions that the policy has for this outcome."""
    return actions_of(record.policy, record.request, record.state.status)


def refused(outcome: Outcome, given: ApprovalInput) -> Progress:
    """The custom status of a request that no policy accepts."""
    return Progress(
        request_id=outcome.request_id,
        status=outcome.status,
        policy=given.request.policy,
        title=given.request.title,
        amount=given.request.amount,
        currency=given.request.currency,
        requester=given.request.requester,
        asked_at=outcome.processed_at,
        round=0,
        outcome=outcome,
    )

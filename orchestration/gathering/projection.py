"""What others see of a gathering: its messages, the custom status, the result."""

from __future__ import annotations

from typing import Any

from pydantic import JsonValue

from orchestration.domain.gathering import (
    Gathered,
    GatheringProgress,
    GatheringRequest,
    GatheringStatus,
    GatheringView,
    Labelled,
    SourceShown,
    SourceState,
)
from orchestration.domain.gathering_policy import GatheringPolicy
from orchestration.domain.responses import GATHERED_PARTS
from orchestration.gathering.record import GatheringRecord
from orchestration.gathering.state import GatheringInput


def view(record: GatheringRecord) -> GatheringView:
    """The present content of every message about it."""
    return shown(progress(record), record.request, record.policy)


def view_for(record: GatheringRecord, source: str | None) -> GatheringView:
    """The present content of one message.

    A message to a person shows no other source's answer. If it did, twenty messages with twenty answers each would make
    a turn too large for the hub.
    """
    whole = view(record)
    if source is None:
        return whole
    own = [one for one in whole.sources if one.state.name == source]
    return whole.model_copy(update={"sources": own})


def shown(known: GatheringProgress, request: GatheringRequest, policy: GatheringPolicy) -> GatheringView:
    """The same content, made from the published progress."""
    ended = known.result
    return GatheringView(
        request_id=known.request_id,
        nonce=known.nonce,
        digest=known.digest,
        status=known.status,
        policy_title=policy.title,
        title=request.title,
        description=request.description,
        requester=request.requester,
        asked_without_seal=known.asked_without_seal,
        asked_at=known.asked_at,
        deadline=known.deadline,
        sources=[_shown(one, policy) for one in known.sources],
        notify=policy.escalation.notify if policy.escalation else [],
        ended_at=ended.collected_at if ended else None,
        ended_by=ended.ended_by if ended else None,
        reason=ended.reason if ended else "",
    )


def _shown(source: SourceState, policy: GatheringPolicy) -> SourceShown:
    values = source.answer.values if source.answer else {}
    fields = policy.fields_of(source.name)
    labelled = [
        Labelled(label=field.title, value=values[field.name], type=field.type)
        for field in fields
        if field.name in values
    ]
    # The values are shown once, with their labels.
    answer = source.answer and source.answer.model_copy(update={"values": {}})
    return SourceShown(state=source.model_copy(update={"answer": answer}), values=labelled)


def shown_source(record: GatheringRecord, name: str) -> SourceShown:
    """One source as a message shows it."""
    return next(_shown(one, record.policy) for one in sources(record) if one.name == name)


def sources(record: GatheringRecord) -> list[SourceState]:
    """The present state of each source, in the policy's order."""
    return [
        SourceState(
            name=name,
            title=record.policy.title_of(name),
            person=source.person,
            delegate=record.state.delegates.get(source.person) if source.person else None,
            event=source.event,
            answer=record.state.answers.get(name),
            problem=record.state.problems.get(name, ""),
        )
        for name, source in record.policy.sources.items()
    ]


def progress(record: GatheringRecord) -> GatheringProgress:
    """The custom status: enough to act on from outside."""
    state = record.state
    return GatheringProgress(
        request_id=record.request_id,
        status=state.status,
        policy=record.policy.key,
        title=record.request.title,
        requester=record.request.requester,
        asked_at=state.asked_at,
        asked_without_seal=record.asked_without_seal,
        nonce=record.identity.nonce,
        digest=record.identity.digest,
        deadline=state.deadline,
        sources=sources(record),
        posts=state.posts,
        steps=state.steps,
        reminded=state.reminded,
        escalated_at=state.escalated_at,
        answered=state.answered,
        result=result(record) if record.ended else None,
        record_pending=state.record_pending,
        callback_failed=state.callback_failed,
        verdicts=state.verdicts,
    )


def result(record: GatheringRecord) -> Gathered:
    """The output, after `end` was called."""
    state = record.state
    if state.ended_at is None:
        raise ValueError("the gathering has not ended")
    return Gathered(
        request_id=record.request_id,
        status=state.status,
        sources={name: state.answers[name] for name in record.policy.sources if name in state.answers},
        missing=record.missing,
        collected_at=state.ended_at,
        is_complete=not record.missing,
        ended_by=state.ended_by,
        reason=state.reason,
        digest=record.identity.digest,
        nonce=record.identity.nonce,
        asked_without_seal=record.asked_without_seal,
        record=state.record,
    )


def result_id(record: GatheringRecord) -> str:
    """The ID of the result of this start of the gathering: after a purge the same gathering ID may be asked anew."""
    return f"{record.request_id}:{record.identity.nonce}:{record.state.status}"


def result_event(record: GatheringRecord) -> dict[str, Any]:
    """The result as it is sent to others; the same each time."""
    ended = result(record)
    request = record.request.model_dump(
        mode="json",
        include={"policy", "title", "description", "requester", "asked_with"},
    )
    return {
        "type": f"gathering.{ended.status}",
        "timestamp": ended.collected_at.isoformat(),
        "data": {"request": request, "result": ended.model_dump(mode="json", by_alias=True)},
    }


def response_parts(record: GatheringRecord) -> dict[str, JsonValue]:
    """What the payload of a response may name: see `GATHERED_PARTS`."""
    ended = result(record)
    answers: dict[str, JsonValue] = {name: {**answer.values} for name, answer in ended.sources.items()}
    sources: dict[str, JsonValue] = {
        name: answer.model_dump(mode="json", exclude={"salt", "seal"})
        for name, answer in ended.sources.items()
    }
    parts = ended.model_dump(mode="json", include={*GATHERED_PARTS} - {"sources"})
    return {**parts, "answers": answers, "sources": sources}


def refused(result: Gathered, given: GatheringInput) -> GatheringProgress:
    """The custom status of a gathering that no policy accepts."""
    return GatheringProgress(
        request_id=result.request_id,
        status=GatheringStatus.FAILED,
        policy=given.request.policy,
        title=given.request.title,
        requester=given.request.requester,
        asked_at=result.collected_at,
        result=result,
    )

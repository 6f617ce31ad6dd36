"""Gives the activity for each item of a gathering's outbox, and its input. The input is made when a try starts."""

from __future__ import annotations

from pydantic import BaseModel

from orchestration.approval import shared_inputs
from orchestration.approval.outbox_items import (
    NotifyInstance,
    PostReply,
    RemoveCopies,
    SendCallback,
    SendResponse,
)
from orchestration.domain.gathering import (
    AskSystemInput,
    GatheringEditInput,
    GatheringPostInput,
    RecordGatheringInput,
)
from orchestration.gathering import projection
from orchestration.gathering.outbox_items import (
    AnyGatheringItem,
    AskSystem,
    EditGathering,
    PostGathering,
    RecordGathering,
)
from orchestration.gathering.record import GatheringRecord


class GatheringInputs:
    """Makes the activity inputs of one gathering."""

    def __init__(self, record: GatheringRecord) -> None:
        self._record = record

    def build(  # noqa: C901, PLR0911 - one arm for each kind of item
        self, item: AnyGatheringItem, attempt: int, *, maybe_done: bool
    ) -> tuple[str, BaseModel]:
        """The activity and its input, from the present state."""
        record, request = self._record, self._record.request
        match item:
            case PostGathering():
                return "post_gathering", GatheringPostInput(
                    place=item.place,
                    message_id=item.message_id,
                    purpose=item.purpose,
                    source=item.source,
                    person=item.person,
                    text=item.text,
                    only_if_found=item.only_if_found,
                    view=projection.view_for(record, item.source),
                    attempt=attempt,
                    maybe_done=maybe_done,
                )
            case EditGathering():
                return "edit_gathering", GatheringEditInput(
                    ref=item.ref,
                    message_id=item.message_id,
                    purpose=item.purpose,
                    source=item.source,
                    person=item.person,
                    view=projection.view_for(record, item.source),
                    attempt=attempt,
                )
            case AskSystem(source=source):
                return "ask_system", self._system(source, attempt)
            case PostReply():
                if (card := record.card) is None:
                    raise AssertionError("lines wait until the card is posted")
                return shared_inputs.reply(record.request_id, card, item, attempt, maybe_done=maybe_done)
            case RemoveCopies():
                return shared_inputs.removal(record.request_id, record.identity, item, attempt)
            case RecordGathering():
                return "record_gathering", RecordGatheringInput(
                    result=projection.result(record),
                    policy=request.policy,
                    policy_digest=record.policy.digest(),
                    requester=request.requester,
                    asked_with=request.asked_with,
                    asked_at=record.state.asked_at,
                    attempt=attempt,
                )
            case SendCallback():
                event = projection.result_event(record)
                return shared_inputs.callback(request, projection.result_id(record), event, attempt)
            case NotifyInstance():
                data = projection.result_event(record)["data"]
                return shared_inputs.notification(record.request_id, request, data, attempt)
            case SendResponse():
                return shared_inputs.response(
                    record.request_id,
                    request,
                    projection.result_id(record),
                    projection.response_parts(record),
                    attempt,
                )

    def _system(self, source: str, attempt: int) -> AskSystemInput:
        record = self._record
        asked = record.policy.sources[source]
        fields = record.policy.fields_of(source)
        return AskSystemInput(
            request_id=record.request_id,
            nonce=record.identity.nonce,
            policy=record.policy.key,
            source=source,
            event=asked.event or "",
            url=asked.post or "",
            id=f"{record.request_id}:{record.identity.nonce}:ask:{source}",
            body={
                "type": "gathering.asked",
                "timestamp": record.state.asked_at.isoformat(),
                "data": {
                    "request_id": record.request_id,
                    "source": source,
                    "event": asked.event,
                    "policy": record.policy.key,
                    "title": record.request.title,
                    "description": record.request.description,
                    "requester": record.request.requester,
                    "deadline": record.state.deadline.isoformat(),
                    "fields": [field.model_dump(mode="json") for field in fields],
                },
            },
            until=record.state.deadline,
            attempt=attempt,
        )

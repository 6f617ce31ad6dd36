"""The inputs of activities that every workflow with cards has: its thread, and the programs that are told.

Each function gives the activity and its input.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, JsonValue

from orchestration.approval.outbox_items import PostReply, RemoveCopies
from orchestration.domain.effects import (
    NotifyInstanceInput,
    PostReplyInput,
    RemoveCopiesInput,
    SendCallbackInput,
)
from orchestration.domain.gathering import AnyRequest
from orchestration.domain.request import CardRef, EventFormat, Identity, Notified

Built = tuple[str, BaseModel]


def reply(request_id: str, under: CardRef, item: PostReply, attempt: int, *, maybe_done: bool) -> Built:
    """The lines of the thread under that card."""
    return "post_reply", PostReplyInput(
        ref=under, request_id=request_id, steps=item.steps, attempt=attempt, maybe_done=maybe_done
    )


def removal(request_id: str, identity: Identity, item: RemoveCopies, attempt: int) -> Built:
    """Deletes all copies but one of a post that may have been made twice."""
    return "remove_copies", RemoveCopiesInput(
        request_id=request_id,
        identity=identity,
        place=item.place,
        ref=item.ref,
        round=item.round,
        steps=item.steps,
        message_id=item.message_id,
        attempt=attempt,
    )


def callback(request: AnyRequest, outcome_id: str, event: JsonValue, attempt: int) -> Built:
    """The callback with the event, to the requester's URL."""
    return "send_callback", SendCallbackInput(
        url=request.callback_url or "",
        id=outcome_id,
        asked_with=request.asked_with,
        format=request.callback_format or EventFormat.STANDARD,
        event=event,
        attempt=attempt,
    )


def notification(request_id: str, request: AnyRequest, data: JsonValue, attempt: int) -> Built:
    """The event for the orchestration that the request names."""
    if request.notify_instance is None:
        raise AssertionError("nobody is to be notified")
    return "notify_instance", NotifyInstanceInput(
        request_id=request_id, target=request.notify_instance, data=data, attempt=attempt
    )


def response(
    request_id: str,
    request: AnyRequest,
    outcome_id: str,
    parts: Mapping[str, JsonValue],
    attempt: int,
) -> Built:
    """The outcome for another program's orchestration, in its own form. That form may name the `parts`."""
    target = request.respond
    if target is None:
        raise AssertionError("nobody waits for a response")
    payload = target.filled_in(parts)
    if target.address is not None:
        return "send_callback", SendCallbackInput(
            url=target.address,
            id=f"{outcome_id}:response",
            asked_with=request.asked_with,
            event=payload,
            attempt=attempt,
        )
    return "notify_instance", NotifyInstanceInput(
        request_id=request_id,
        target=Notified(id=target.instance_id or "", event=target.event_name or ""),
        orchestration=request.responds_to or "",
        since=request.responds_since,
        asked_with=request.asked_with,
        data=payload,
        attempt=attempt,
    )

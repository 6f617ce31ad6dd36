"""Models of a fulfilment, and the HTTP response to an event or a cancellation."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Final

from aiohttp import web
from pydantic import BaseModel, Field, JsonValue

from bot.http.api.models import Text
from bot.http.api.problems import Problem
from orchestration.domain.effects import StepCause
from orchestration.domain.fulfilment import FulfilmentEnd
from orchestration.domain.request import ActionState, Model, Status
from orchestration.fulfilment.models import FulfilmentProgress, FulfilmentReason, FulfilmentVerdict
from orchestration.service.messages import fulfilment_sentence

_TAKEN: Final = frozenset(
    {FulfilmentReason.RETRIED, FulfilmentReason.MOVED, FulfilmentReason.WAITS, FulfilmentReason.DUPLICATE}
)
# The kind of problem for each result that is no success.
_REFUSED: Final = {
    FulfilmentReason.UNKNOWN_EVENT: "invalid",
    FulfilmentReason.TOO_LATE: "conflict",
    FulfilmentReason.TOO_MANY: "conflict",
    FulfilmentReason.ENDED: "gone",
    FulfilmentReason.NOT_THE_OWNER: "forbidden",
    FulfilmentReason.NOT_HERE: "conflict",
    FulfilmentReason.NOT_IN_CHARGE: "forbidden",
    FulfilmentReason.NOTHING_TO_RETRY: "conflict",
}


class FulfilmentStepView(BaseModel):
    """A state that was entered, and what brought it there."""

    number: int
    cause: StepCause
    state: str
    previous: str | None
    event: str | None
    delivery_id: str | None
    actor: str | None
    token: str | None
    at: datetime
    payload: JsonValue = Field(description="Of the last ten steps; the digest of each is on record")
    payload_salt: str
    payload_digest: str | None
    on_record: bool
    actions: list[ActionState] = Field(description="The actions of the state")


class FulfilmentView(BaseModel):
    """Where an approved request stands."""

    id: str = Field(description="The instance; `/hooks/{id}/{event_name}` moves it")
    state: str
    entered_at: datetime
    owner: str | None
    deadline: datetime | None
    overdue: bool
    end: FulfilmentEnd | None
    stopped: Status | None
    awaits: list[str] = Field(description="The events that move it on now")
    kept: list[str] = Field(description="The events that came early, and wait for their state")
    steps: list[FulfilmentStepView] = Field(description="The last 50, oldest first")

    @classmethod
    def of(cls, progress: FulfilmentProgress) -> FulfilmentView:
        """From the core's progress."""
        steps = [
            FulfilmentStepView(
                **step.model_dump(),
                actions=[one.state for one in progress.actions if one.step == step.number],
            )
            for step in progress.steps
        ]
        said = progress.model_dump(include=set(cls.model_fields) - {"steps"})
        return cls(**said, steps=steps)


class HookResult(BaseModel):
    """What an event, or a cancellation, has done."""

    accepted: bool = Field(
        description="Whether it moved the request, waits for its state, or had come before"
    )
    reason: FulfilmentReason
    message: str
    state: str = Field(description="Where the request stands after it")


class NewFulfilmentCancellation(Model):
    """The owner cancels the work that follows an approval."""

    reason: Annotated[Text, Field(max_length=2000)] = ""


def hook_response(verdict: FulfilmentVerdict) -> web.Response:
    """Returns the response. Raises `Problem` for a refusal. A failed condition is a normal response that says so."""
    message = fulfilment_sentence(verdict)
    kind = _REFUSED.get(verdict.reason)
    if kind is not None:
        raise Problem(kind, message)
    if verdict.reason is FulfilmentReason.NO_ANSWER_YET:
        return web.Response(status=202)
    result = HookResult(
        accepted=verdict.reason in _TAKEN, reason=verdict.reason, message=message, state=verdict.state
    )
    return web.Response(
        body=json.dumps(result.model_dump(mode="json")).encode(), content_type="application/json"
    )

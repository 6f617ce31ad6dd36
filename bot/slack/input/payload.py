"""Checks the form of what Slack sends, as far as it is read here. A wrong form is refused before anything is done."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from slack_bolt.request.internals import parse_body

from bot.slack.ids import is_person
from orchestration.domain.errors import CountersignError

# A key of the payload. The place that pydantic gives also has the names of the classes below, which are left out.
_NAME: Final = re.compile("[a-z][a-z0-9_]{0,39}")
_TOO_DEEP: Final = "it is nested too deeply"


class UnreadablePayloadError(CountersignError):
    """What Slack sent has not the form that Slack documents. Says which part, and nothing of what is in it."""


# An ID or another name that Slack gives, and that a call to Slack may contain.
_Id: TypeAlias = Annotated[str, Field(pattern=r"^[!-~]{0,255}$")]


class _PayloadPart(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Named(_PayloadPart):
    id: _Id | None = None
    team_id: _Id | None = None
    enterprise_id: _Id | None = None


class _Action(_PayloadPart):
    action_id: str
    block_id: str | None = None
    action_ts: str | None = None
    selected_option: dict[str, Any] | None = None


class _Option(_PayloadPart):
    value: str


class _State(_PayloadPart):
    value: str | None = None
    selected_user: str | None = None
    selected_date: str | None = None
    selected_option: _Option | None = None


class _Values(_PayloadPart):
    values: dict[str, dict[str, _State]]


class _PayloadBlock(_PayloadPart):
    type: str
    block_id: str | None = None
    elements: list[dict[str, Any]] | None = None
    element: dict[str, Any] | None = None


class _FormBlock(_PayloadBlock):
    block_id: str


class _Message(_PayloadPart):
    ts: _Id | None = None
    thread_ts: _Id | None = None
    metadata: dict[str, Any] | None = None
    blocks: list[_PayloadBlock] | None = None


class _View(_PayloadPart):
    id: _Id
    type: str
    hash: _Id | None = None
    callback_id: str | None = None
    private_metadata: str | None = None
    previous_view_id: _Id | None = None
    app_installed_team_id: _Id | None = None
    state: _Values | None = None
    blocks: list[_FormBlock] | None = None


class _Place(_PayloadPart):
    channel_id: _Id | None = None


class _Event(_PayloadPart):
    type: str
    user: _Id | _Named | None = None
    channel: _Id | _Named | None = None
    tab: str | None = None


class _Payload(_PayloadPart):
    """The parts that every payload has. The classes below add those of each kind."""

    type: str | None = None
    command: str | None = None
    text: str | None = None
    user_id: _Id | None = None
    channel_id: _Id | None = None
    team_id: _Id | None = None
    enterprise_id: _Id | None = None
    trigger_id: _Id | None = None
    response_url: str | None = None
    callback_id: str | None = None
    event_id: _Id | None = None
    challenge: str | None = None
    user: _Named | None = None
    team: _Named | None = None
    enterprise: _Named | str | None = None
    channel: _Named | None = None
    container: _Place | None = None
    message: _Message | None = None
    view: _View | None = None
    actions: list[_Action] | None = Field(default=None, min_length=1)
    event: _Event | None = None
    authorizations: list[_Named] | None = None

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> _Payload:
        person = self.user is not None and is_person(self.user.id or "")
        if self.command is not None and not (is_person(self.user_id or "") and self.trigger_id):
            raise ValueError("a command has user_id and trigger_id")
        if self.type == "block_actions" and not (person and self.trigger_id and self.actions):
            raise ValueError("a press has user.id, trigger_id and actions")
        if self.type == "view_submission" and not (
            person and self.view and self.view.state and self.view.blocks
        ):
            raise ValueError("a form has user.id, and a view with its state and blocks")
        if self.type == "event_callback" and self.event is None:
            raise ValueError("an event has event")
        if (
            self.event is not None
            and self.event.type == "app_home_opened"
            and not isinstance(self.event.user, str)
        ):
            raise ValueError("app_home_opened has user")
        return self


_READ: Final = TypeAdapter(_Payload)


def check(payload: object) -> None:
    """Raises `UnreadablePayloadError` if the payload lacks the form that the listeners and Bolt rely on."""
    try:
        _READ.validate_python(payload)
    except ValidationError as error:
        raise UnreadablePayloadError(f"This is not as Slack sends it: {_said(error)}.") from error
    except RecursionError as error:
        raise UnreadablePayloadError(f"This is not as Slack sends it: {_TOO_DEEP}.") from error


def check_body(body: str, content_type: str) -> None:
    """Checks the payload in the body of a request, as `check` does. Bolt parses the body again."""
    try:
        payload = parse_body(body, content_type)
    except json.JSONDecodeError as error:
        raise UnreadablePayloadError("This is not as Slack sends it: it is no JSON.") from error
    except (RecursionError, ValueError) as error:
        raise UnreadablePayloadError(f"This is not as Slack sends it: {_TOO_DEEP}.") from error
    check(payload)


def _said(error: ValidationError) -> str:
    """Describes the first fault by names of parts only: the values belong to people."""
    fault = error.errors(include_input=False, include_url=False)[0]
    if fault["type"] == "value_error":
        return fault["msg"].removeprefix("Value error, ")
    names = [part for part in fault["loc"] if isinstance(part, str) and _NAME.fullmatch(part)]
    place = ".".join(names)[:80] or "the whole"
    return f"{place} is missing" if fault["type"] == "missing" else f"{place} is of another kind"

"""Which request, and which round of it, a message is about: written when a card is posted, read back from a click."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestration.errors import CountersignError
from orchestration.models import MESSAGE_EVENT_TYPE


class UnreadableCardError(CountersignError):
    """This card no longer says which request it belongs to, so nothing changed. Please look for a newer card."""


class Target(BaseModel):
    """One posted stage of one request. Anyone in the channel can read it: it holds no secret and grants nothing."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    instance_id: str = Field(
        pattern=r"^[!-?A-~][!-~]{0,99}$", description="As the task hub allows: no leading @"
    )
    round: int = Field(ge=1)

    def metadata(self) -> dict[str, Any]:
        """For `chat.postMessage`."""
        return {"event_type": MESSAGE_EVENT_TYPE, "event_payload": self.model_dump()}

    def value(self) -> str:
        """For a button: the fallback where a message lost its metadata."""
        return self.model_dump_json()


def of_message(message: Mapping[str, Any]) -> Target | None:
    """What the message's metadata says; None when it has none of ours."""
    metadata = message.get("metadata")
    if not isinstance(metadata, Mapping) or metadata.get("event_type") != MESSAGE_EVENT_TYPE:
        return None
    try:
        return Target.model_validate(metadata.get("event_payload"))
    except ValidationError:
        return None


def of_click(body: Mapping[str, Any]) -> Target:
    """What was clicked: by the message's metadata, else by the button's value. Raises `UnreadableCardError`."""
    if target := of_message(body.get("message") or {}):
        return target
    for action in body.get("actions") or ():
        try:
            return Target.model_validate_json(action.get("value") or "")
        except ValidationError:
            continue
    raise UnreadableCardError

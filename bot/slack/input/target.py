"""Which request, and which round of it, a message is about: written when a card is posted, read back from a click."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestration.domain.errors import CountersignError

CARD_EVENT: Final = "approval_requested"
STEP_EVENT: Final = "approval_step"


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
        return {"event_type": CARD_EVENT, "event_payload": self.model_dump()}

    def value(self) -> str:
        """For a button: the fallback where a message lost its metadata."""
        return self.model_dump_json()

    def option(self, choice: str) -> str:
        """For an entry of a menu: the same, and what was chosen."""
        return json.dumps({**self.model_dump(), "choice": choice}, separators=(",", ":"))


def step_metadata(request_id: str, number: int) -> dict[str, Any]:
    """For a line of the thread, so that it is known again."""
    return {"event_type": STEP_EVENT, "event_payload": {"instance_id": request_id, "step": number}}


def of_message(message: Mapping[str, Any]) -> Target | None:
    """What the message's metadata says; None when it has none of ours."""
    metadata = message.get("metadata")
    if not isinstance(metadata, Mapping) or metadata.get("event_type") != CARD_EVENT:
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
            return Target.model_validate_json(_value(action))
        except ValidationError:
            continue
    raise UnreadableCardError


def chosen(body: Mapping[str, Any]) -> str:
    """Which entry of the card's menu was chosen. Raises `UnreadableCardError`."""
    for action in body.get("actions") or ():
        try:
            return str(json.loads(_value(action))["choice"])
        except (ValueError, KeyError, TypeError):
            continue
    raise UnreadableCardError


def _value(action: Mapping[str, Any]) -> str:
    """What a button, or the chosen entry of a menu, carries; "" for anything else."""
    option = action.get("selected_option")
    value = option.get("value") if isinstance(option, Mapping) else action.get("value")
    return value if isinstance(value, str) else ""

"""What a message is about: a request, a start and a round of it. Written when it is posted, read back from a click."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from orchestration.domain.errors import CountersignError
from orchestration.domain.request import Digest, Identity, Nonce

CARD_EVENT: Final = "approval_requested"
STEP_EVENT: Final = "approval_step"
MESSAGE_EVENT: Final = "approval_message"
_BEGINNING: Final = 16  # characters of a digest


class UnreadableCardError(CountersignError):
    """This card no longer says which request it belongs to, so nothing changed. Please look for a newer card."""


class OutdatedCardError(CountersignError):
    """This request has changed or was replaced since you saw it; open it again."""


class Target(BaseModel):
    """One posted stage of one request. Anyone in the channel can read it: it holds no secret and grants nothing.

    `nonce` and `digest` say what people see there. A decision carries them, and counts for nothing else.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    instance_id: str = Field(
        pattern=r"^[!-?A-~][!-~]{0,99}$", description="As the task hub allows: no leading @"
    )
    round: int = Field(ge=1)
    nonce: Nonce
    digest: Digest

    @classmethod
    def of(cls, request_id: str, round_: int, identity: Identity) -> Target:
        """For what is shown now."""
        return cls(instance_id=request_id, round=round_, nonce=identity.nonce, digest=identity.digest)

    @property
    def identity(self) -> Identity:
        """What was shown."""
        return Identity(nonce=self.nonce, digest=self.digest)

    def is_card_of(self, message: Mapping[str, Any]) -> bool:
        """Whether the message is a copy of this card, perhaps posted before what is asked was changed."""
        found = of_message(message)
        return found is not None and found.model_copy(update={"digest": self.digest}) == self

    def metadata(self) -> dict[str, Any]:
        """For `chat.postMessage`."""
        return {"event_type": CARD_EVENT, "event_payload": self.model_dump()}

    def value(self) -> str:
        """For a button: the fallback where a message lost its metadata."""
        return self.model_dump_json()


class GatheringTarget(BaseModel):
    """What a button of a gathering is about: which start of it, and the source that is asked, if it is about one."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    instance_id: str = Field(pattern=r"^[!-?A-~][!-~]{0,99}$")
    nonce: Nonce
    source: str = Field(default="", max_length=40)


def gathering_of_click(body: Mapping[str, Any]) -> GatheringTarget:
    """What the pressed button is about. Raises `UnreadableCardError`."""
    for value in map(_value, body.get("actions") or ()):
        try:
            return GatheringTarget.model_validate_json(value)
        except ValidationError:
            continue
    raise UnreadableCardError


class GrantTarget(BaseModel):
    """What a button of a standing grant is about: the grant, and which start of a request it was given on."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    grant: str = Field(pattern=r"^grant-[!-~]{1,130}$")
    nonce: Nonce

    def value(self) -> str:
        """For a button."""
        return self.model_dump_json()


def grant_of_click(body: Mapping[str, Any]) -> GrantTarget:
    """What the pressed button is about. Raises `UnreadableCardError`."""
    for value in map(_value, body.get("actions") or ()):
        try:
            return GrantTarget.model_validate_json(value)
        except ValidationError:
            continue
    raise UnreadableCardError


class Targets(BaseModel):
    """Several calls of one card. A button of theirs is about just these, each by its start and what it asks."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    calls: list[Target] = Field(min_length=1, max_length=20)

    def value(self) -> str:
        """For a button, as short as can be: it takes 2,000 characters."""
        said = [[one.instance_id, one.round, one.nonce, one.digest] for one in self.calls]
        return json.dumps({"calls": said}, separators=(",", ":"))

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: Any) -> Any:
        """Reads what `value` wrote."""
        calls = given.get("calls") if isinstance(given, Mapping) else None
        if not isinstance(calls, list):
            return given
        names = ("instance_id", "round", "nonce", "digest")
        return {
            "calls": [
                dict(zip(names, one, strict=True)) if isinstance(one, list) and len(one) == 4 else one
                for one in calls
            ]
        }


def targets_of_click(body: Mapping[str, Any]) -> Targets:
    """The calls that the pressed button is about. Raises `UnreadableCardError`."""
    for value in map(_value, body.get("actions") or ()):
        try:
            return Targets.model_validate_json(value)
        except ValidationError:
            continue
    raise UnreadableCardError


def option(choice: str, shown: Target) -> str:
    """For an entry of a card's menu. There is room for the beginning of the digest; the buttons beside it have all."""
    return json.dumps({"choice": choice, "of": shown.digest[:_BEGINNING]}, separators=(",", ":"))


def steps_metadata(request_id: str, numbers: Iterable[int]) -> dict[str, Any]:
    """For lines of the thread in one message, so that they are known again."""
    return {"event_type": STEP_EVENT, "event_payload": {"instance_id": request_id, "steps": list(numbers)}}


def says(message: Mapping[str, Any], request_id: str, numbers: Iterable[int]) -> bool:
    """Whether a message of the thread has the lines of these steps, maybe with others."""
    metadata = message.get("metadata")
    payload = metadata.get("event_payload") if isinstance(metadata, Mapping) else None
    if not isinstance(payload, Mapping) or payload.get("instance_id") != request_id:
        return False
    said = payload.get("steps")
    return isinstance(said, list) and all(number in said for number in numbers)


def message_metadata(request_id: str, nonce: str, message_id: str) -> dict[str, Any]:
    """For a message to one person or channel, so that it is known again. `nonce` is that of the request's start."""
    payload = {"instance_id": request_id, "nonce": nonce, "message": message_id}
    return {"event_type": MESSAGE_EVENT, "event_payload": payload}


def message_of(message: Mapping[str, Any]) -> tuple[str, str] | None:
    """The request and the start of it that a message to one person or channel is about; None where it is none."""
    metadata = message.get("metadata")
    if not isinstance(metadata, Mapping) or metadata.get("event_type") != MESSAGE_EVENT:
        return None
    payload = metadata.get("event_payload")
    found = (payload.get("instance_id"), payload.get("nonce")) if isinstance(payload, Mapping) else ()
    return (str(found[0]), str(found[1])) if all(found) and found else None


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
    """What was clicked: by the value of the button, else by the message's metadata or a button beside the menu.

    A press may come from a screen that shows less than is there now, and Slack may send the message along as it is
    now. So what was pressed counts. Raises `UnreadableCardError`, and `OutdatedCardError` where the message is by now
    about something else.
    """
    message, actions = body.get("message") or {}, body.get("actions") or ()
    pressed, now = _first_target(map(_value, actions)), of_message(message)
    if pressed is not None:
        if now not in {None, pressed}:
            raise OutdatedCardError
        return pressed
    found = now or _first_target(_values_beside(message, actions))
    if found is None:
        raise UnreadableCardError
    if not all(found.digest.startswith(shown) for shown in map(_digest_shown, actions)):
        raise OutdatedCardError
    return found


def _first_target(values: Iterable[str]) -> Target | None:
    for value in values:
        try:
            return Target.model_validate_json(value)
        except ValidationError:
            continue
    return None


def _values_beside(message: Mapping[str, Any], actions: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Of the buttons in the block that was pressed in: the others may be of other requests."""
    places = {action.get("block_id") for action in actions}
    for block in message.get("blocks") or ():
        if block.get("block_id") in places:
            yield from map(_value, block.get("elements") or ())


def _digest_shown(action: Mapping[str, Any]) -> str:
    """The beginning of the digest of what the menu was drawn for; "" of what says none."""
    try:
        shown = json.loads(_value(action)).get("of", "")
    except (ValueError, AttributeError):
        return ""
    return shown if isinstance(shown, str) else ""


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
    selected = action.get("selected_option")
    value = selected.get("value") if isinstance(selected, Mapping) else action.get("value")
    return value if isinstance(value, str) else ""

"""Which request, start and round a message is about: stored in the message, and read back from a click."""

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
_BEGINNING: Final = 16  # characters of the digest in a menu entry


class UnreadableCardError(CountersignError):
    """This card no longer says which request it belongs to, so nothing changed. Please look for a newer card."""


class OutdatedCardError(CountersignError):
    """This request has changed or was replaced since you saw it; open it again."""


class Target(BaseModel):
    """One posted round of one request. Anyone in the channel can read it: it holds no secret and grants nothing.

    `nonce` and `digest` identify what the message shows. A decision contains them, and counts only for that.
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
        """The target for what is shown now."""
        return cls(instance_id=request_id, round=round_, nonce=identity.nonce, digest=identity.digest)

    @property
    def identity(self) -> Identity:
        """The identity of what the message showed."""
        return Identity(nonce=self.nonce, digest=self.digest)

    def is_card_of(self, message: Mapping[str, Any]) -> bool:
        """Whether the message is a copy of this card, even if it was posted before the request was changed."""
        found = of_message(message)
        return found is not None and found.model_copy(update={"digest": self.digest}) == self

    def metadata(self) -> dict[str, Any]:
        """The metadata of the message, for `chat.postMessage`."""
        return {"event_type": CARD_EVENT, "event_payload": self.model_dump()}

    def value(self) -> str:
        """The value of a button. It also serves if the message has lost its metadata."""
        return self.model_dump_json()


class GatheringTarget(BaseModel):
    """What a button of a gathering is about: a start of the gathering, and the source, if it is about one."""

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
    """What a button of a standing grant is about: the grant, and the start of the request that it was given on."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    grant: str = Field(pattern=r"^grant-[!-~]{1,130}$")
    nonce: Nonce

    def value(self) -> str:
        """The value of a button."""
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
    """Several calls of one card. A button with this value decides exactly these, each by its nonce and its digest."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    calls: list[Target] = Field(min_length=1, max_length=20)

    def value(self) -> str:
        """The value of a button, as short as possible: Slack takes 2,000 characters."""
        said = [[one.instance_id, one.round, one.nonce, one.digest] for one in self.calls]
        return json.dumps({"calls": said}, separators=(",", ":"))

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: Any) -> Any:
        """Reads the short form that `value` writes."""
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
    """The value of an entry of a card's menu. It has room for only the beginning of the digest."""
    return json.dumps({"choice": choice, "of": shown.digest[:_BEGINNING]}, separators=(",", ":"))


def steps_metadata(request_id: str, numbers: Iterable[int]) -> dict[str, Any]:
    """The metadata of a message in the thread, by which the steps that it tells are found again."""
    return {"event_type": STEP_EVENT, "event_payload": {"instance_id": request_id, "steps": list(numbers)}}


def says(message: Mapping[str, Any], request_id: str, numbers: Iterable[int]) -> bool:
    """Whether a message of the thread tells all of these steps; it may tell others too."""
    metadata = message.get("metadata")
    payload = metadata.get("event_payload") if isinstance(metadata, Mapping) else None
    if not isinstance(payload, Mapping) or payload.get("instance_id") != request_id:
        return False
    said = payload.get("steps")
    return isinstance(said, list) and all(number in said for number in numbers)


def message_metadata(request_id: str, nonce: str, message_id: str) -> dict[str, Any]:
    """The metadata by which a message to one person or channel is found again. `nonce` is that of the start."""
    payload = {"instance_id": request_id, "nonce": nonce, "message": message_id}
    return {"event_type": MESSAGE_EVENT, "event_payload": payload}


def message_of(message: Mapping[str, Any]) -> tuple[str, str] | None:
    """The request ID and the nonce of a message to one person or channel; None for any other message."""
    metadata = message.get("metadata")
    if not isinstance(metadata, Mapping) or metadata.get("event_type") != MESSAGE_EVENT:
        return None
    payload = metadata.get("event_payload")
    found = (payload.get("instance_id"), payload.get("nonce")) if isinstance(payload, Mapping) else ()
    return (str(found[0]), str(found[1])) if all(found) and found else None


def of_message(message: Mapping[str, Any]) -> Target | None:
    """The target in the message's metadata; None if it has none of ours."""
    metadata = message.get("metadata")
    if not isinstance(metadata, Mapping) or metadata.get("event_type") != CARD_EVENT:
        return None
    try:
        return Target.model_validate(metadata.get("event_payload"))
    except ValidationError:
        return None


def of_click(body: Mapping[str, Any]) -> Target:
    """The target of a click: from the button's value, else from the message's metadata or a button beside the menu.

    The screen may be older than the message that Slack sends along, so the value of the button counts. Raises
    `UnreadableCardError`, and `OutdatedCardError` if the message is by now about something else.
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
    """The values of the buttons in the block of the click: other blocks may be about other requests."""
    places = {action.get("block_id") for action in actions}
    for block in message.get("blocks") or ():
        if block.get("block_id") in places:
            yield from map(_value, block.get("elements") or ())


def _digest_shown(action: Mapping[str, Any]) -> str:
    """The beginning of the digest that the menu was drawn for; "" if there is none."""
    try:
        shown = json.loads(_value(action)).get("of", "")
    except (ValueError, AttributeError):
        return ""
    return shown if isinstance(shown, str) else ""


def chosen(body: Mapping[str, Any]) -> str:
    """The entry that was chosen in the card's menu. Raises `UnreadableCardError`."""
    for action in body.get("actions") or ():
        try:
            return str(json.loads(_value(action))["choice"])
        except (ValueError, KeyError, TypeError):
            continue
    raise UnreadableCardError


def _value(action: Mapping[str, Any]) -> str:
    """The value of a button, or of the chosen entry of a menu; "" for anything else."""
    selected = action.get("selected_option")
    value = selected.get("value") if isinstance(selected, Mapping) else action.get("value")
    return value if isinstance(value, str) else ""

"""The response to another program's waiting orchestration: its address, and a payload in that program's form.

A payload is any JSON. In the payload's texts a name in braces, such as `{approved}`, stands for a part of the outcome.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final, Self
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

# No user, no backslash and no fragment, so that every program finds the same host in it.
_URL: Final = r"^https?://([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?([/?][!-\[\]-~]*)?$"
_EVENT_PLACES: Final = ("{eventName}", "%7BeventName%7D", "%7beventName%7d")
_PORTS: Final = {"http": 80, "https": 443}

# The names, with what each stands for. Each is a member of the outcome, except `approved`.
PARTS: Final = {
    "approved": "true or false: whether it was approved, by people or by rule, and its receipt is on record",
    "status": "how it ended, such as `approved`, `rejected` or `timed_out`",
    "comments": "what the one who decided it wrote",
    "reason": "why it ended, where nobody decided it",
    "processed_by": "who ended it, as an ID; null where nobody did",
    "processed_at": "when, in UTC",
    "request_id": "the request's ID",
    "digest": "of what was asked",
    "nonce": "which start of the request it was",
    "receipt": "the receipt, a compact JWS",
}
_LEFT_OUT: Final = frozenset({"digest", "nonce"})  # of the default payload

# The names in the response of a gathering. Each is a member of the result, except `answers`.
GATHERED_PARTS: Final = {
    "is_complete": "true or false: whether every source has answered",
    "status": "how it ended, such as `complete`, `incomplete` or `cancelled`",
    "answers": 'the values by source and by field, such as `{"legal": {"ready": "yes"}}`',
    "sources": "the same with who answered, when and by which way",
    "missing": "the sources without an answer",
    "reason": "why it ended, where not all have answered",
    "ended_by": "who withdrew it, as an ID; null where nobody did",
    "collected_at": "when it ended, in UTC",
    "request_id": "the gathering's ID",
    "digest": "of what was asked",
    "nonce": "which start of it it was",
    "record": "the signed entry of the records, a compact JWS",
}

LONGEST_PAYLOAD: Final = 4000  # characters of JSON
MOST_NAMES: Final = 20

_MARK: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_WHOLE: Final = re.compile(r"\{([a-z_]+)\}")


def _described(parts: Mapping[str, str]) -> str:
    return (
        "Any JSON. In its texts a name in braces stands for a part of the outcome: "
        + "; ".join(f"`{{{name}}}` {words}" for name, words in parts.items())
        + ". A text that is nothing but such a name becomes that very value. Braces are written twice: `{{` and `}}`"
    )


def _every_part(parts: Mapping[str, str], *, but: Collection[str] = ()) -> dict[str, JsonValue]:
    """The default payload."""
    return {name: f"{{{name}}}" for name in parts if name not in _LEFT_OUT and name not in but}


class ResponseAddress(BaseModel):
    """Where the outcome is sent (as an event to an instance on this hub, or to a URL), and the payload.

    A URL may be the `sendEventPostUri` of Durable Functions as it is: `event_name` takes the place of `{eventName}`.
    `parts` are what a payload may name. It has to name one of the `telling` parts, or it would be the same for every
    outcome. All `long` parts together may be named once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    parts: ClassVar[Mapping[str, str]] = {}
    telling: ClassVar[Collection[str]] = ()
    long: ClassVar[Collection[str]] = ()

    instance_id: Annotated[str, Field(pattern=r"^[!-?A-~][!-~]{0,99}$")] | None = Field(
        default=None, description="The instance that waits, on this task hub"
    )
    event_name: Annotated[str, Field(pattern=r"^[ -~]{1,100}$")] | None = Field(
        default=None, description="The event that it waits for"
    )
    url: Annotated[str, Field(pattern=_URL, max_length=1000)] | None = Field(
        default=None, description="Where else it is POSTed; `{eventName}` in it is replaced by `event_name`"
    )
    payload: JsonValue

    @field_validator("payload")
    @classmethod
    def _is_template(cls, payload: JsonValue) -> JsonValue:
        if len(json.dumps(payload, ensure_ascii=False)) > LONGEST_PAYLOAD:
            raise ValueError(f"must be at most {LONGEST_PAYLOAD} characters of JSON")
        names = [name for place, text in _texts(payload) for name in _names(place, text, cls.parts)]
        if len(names) > MOST_NAMES:
            raise ValueError(f"must name at most {MOST_NAMES} parts of the outcome, and names {len(names)}")
        if not set(names) & set(cls.telling):
            raise ValueError(
                "must say how it ended: without one of "
                + ", ".join(f"{{{name}}}" for name in cls.telling)
                + " it would say the same whatever the outcome is"
            )
        if len([name for name in names if name in cls.long]) > 1:
            raise ValueError(
                "must name one of "
                + " and ".join(f"{{{name}}}" for name in cls.long)
                + " once, as it is long"
            )
        return payload

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.instance_id is None) == (self.url is None):
            raise ValueError("give either instance_id and event_name, or url")
        if self.instance_id is not None and self.event_name is None:
            raise ValueError("event_name is missing: say which event the instance waits for")
        if self.url is not None:
            origin_of(self.url)
            placed = any(place in self.url for place in _EVENT_PLACES)
            if placed and self.event_name is None:
                raise ValueError("event_name is missing: the url has a place for it, {eventName}")
            if not placed and self.event_name is not None:
                raise ValueError("event_name has no place in the url: write {eventName} where it belongs")
        return self

    @property
    def address(self) -> str | None:
        """The URL with the event's name in it."""
        url = self.url
        for place in _EVENT_PLACES if url is not None else ():
            url = url and url.replace(place, quote(self.event_name or "", safe=""))
        return url

    @property
    def origin(self) -> str | None:
        """Scheme, host and port of the URL, by which a token's scope names it."""
        return None if self.url is None else origin_of(self.url)

    def filled_in(self, outcome: Mapping[str, JsonValue]) -> JsonValue:
        """The payload of this outcome. `outcome` has each of `parts`."""
        return _filled_in(self.payload, outcome)


class ResponseTarget(ResponseAddress):
    """Where the outcome of a request is sent, and in which form."""

    parts: ClassVar[Mapping[str, str]] = PARTS
    telling: ClassVar[Collection[str]] = ("approved", "status", "receipt")

    payload: JsonValue = Field(
        default_factory=lambda: _every_part(PARTS),
        description=_described(PARTS),
    )


class GatheringResponse(ResponseAddress):
    """Where the result of a gathering is sent, and in which form."""

    parts: ClassVar[Mapping[str, str]] = GATHERED_PARTS
    telling: ClassVar[Collection[str]] = ("is_complete", "status", "answers", "sources", "missing", "record")
    long: ClassVar[Collection[str]] = ("answers", "sources")

    payload: JsonValue = Field(
        default_factory=lambda: _every_part(GATHERED_PARTS, but={"sources"}),
        description=_described(GATHERED_PARTS),
    )


def origin_of(url: str) -> str:
    """The origin, such as `https://flows.example` or `http://10.0.0.5:8080`: lower case, without the default port.

    Raises `ValueError` if a response cannot be sent to the URL.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or not re.fullmatch(_URL.rstrip("$"), url):
        raise ValueError("is not an address such as https://flows.example")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port in {None, _PORTS[parts.scheme]} else f":{port}")


def _texts(value: JsonValue, place: str = "") -> Iterator[tuple[str, str]]:
    """Every text in the payload, with its place. Member names are no templates."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for name, one in value.items():
            _check_text(place, name)
            yield from _texts(one, f"{place}.{name}" if place else name)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _texts(one, f"{place}.{index}" if place else str(index))


def _names(place: str, text: str, parts: Mapping[str, str]) -> Iterator[str]:
    """The parts of the outcome that a text names. Raises `ValueError`, which says where the text is wrong and why."""
    _check_text(place, text)
    where = f"{place}: " if place else ""
    for mark in _MARK.finditer(text):
        name = mark[1]
        if name is None and mark[0] in "{}":
            raise ValueError(f"{where}a brace stands alone; to write one, write it twice")
        if name is not None:
            if name not in parts:
                known = ", ".join(f"{{{one}}}" for one in parts)
                raise ValueError(f"{where}there is no {{{name[:40]}}}; there are {known}")
            yield name


def _check_text(place: str, text: str) -> None:
    if "\0" in text:
        raise ValueError(
            f"{place + ': ' if place else ''}has the character U+0000, which ends a text elsewhere"
        )


def _filled_in(value: JsonValue, outcome: Mapping[str, JsonValue]) -> JsonValue:
    if isinstance(value, dict):
        return {name: _filled_in(one, outcome) for name, one in value.items()}
    if isinstance(value, list):
        return [_filled_in(one, outcome) for one in value]
    if not isinstance(value, str):
        return value
    if whole := _WHOLE.fullmatch(value):
        return outcome[whole[1]]
    # A single pass, so what people wrote is inserted and never read as a template.
    return _MARK.sub(lambda mark: mark[0][0] if mark[1] is None else _words(outcome[mark[1]]), value)


def _words(part: Any) -> str:
    if part is None:
        return ""
    return part if isinstance(part, str) else json.dumps(part)

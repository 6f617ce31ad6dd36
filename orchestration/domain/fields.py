"""Typed fields, which an asker or a source of a gathering fills in, and the reading of their values. Pure.

Every value is read here, whichever way it came in. It is kept as a text in one form, so that equal values have equal
digests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated, Final, Self
from urllib.parse import SplitResult, quote, urlsplit

from pydantic import Field, StrictBool, TypeAdapter, ValidationError, model_validator

from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.ids import IdReader, PersonId
from orchestration.domain.request import FIELD_VALUE, Recorded
from orchestration.domain.text import ascii_digits, is_blank, keyword, line, prose, scalar_text

YES, NO = "yes", "no"

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,6})?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HOST: Final = re.compile(r"([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_NOT_ESCAPED: Final = "/?#[]@!$&'()*+,;=:%-._~"  # characters that a URL may contain unescaped, by RFC 3986
_PERSON: Final[TypeAdapter[str]] = TypeAdapter(PersonId)


class FieldType(StrEnum):
    """What a value is. On the wire each is a text: a number in decimal, a date as `2026-12-24`, a person by ID."""

    TEXT = "text"
    LONG_TEXT = "long_text"
    CHOICE = "choice"
    DATE = "date"
    PERSON = "person"
    NUMBER = "number"
    LINK = "link"
    YES_NO = "yes_no"


# Characters of one value, by its type.
LONGEST: Final[Mapping[FieldType, int]] = {
    **dict.fromkeys(FieldType, 500),
    FieldType.LONG_TEXT: FIELD_VALUE,
    FieldType.LINK: 2000,
}


class FieldSpec(Recorded):
    """One field to fill in, shown on the card. `choices` goes with the type `choice`."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    label: str | None = Field(default=None, max_length=48)
    required: StrictBool = False
    type: FieldType = FieldType.TEXT
    choices: list[Annotated[str, Field(min_length=1, max_length=60)]] = Field(
        default_factory=list, max_length=50
    )

    @property
    def title(self) -> str:
        """The label beside the field, for a person."""
        return self.label or self.name.replace("_", " ").capitalize()

    @model_validator(mode="after")
    def _choices_fit(self) -> Self:
        if self.type is FieldType.CHOICE and len(self.choices) < 2:
            raise ValueError('a field of type "choice" needs at least two choices, such as ["low", "high"]')
        if self.type is not FieldType.CHOICE and self.choices:
            raise ValueError('choices go with type = "choice"; this field has another type')
        folded = [keyword(choice) for choice in self.choices]
        if len(set(folded)) < len(folded):
            raise ValueError("two of the choices read alike; name each once")
        return self


def read_values(
    fields: Sequence[FieldSpec], given: Mapping[str, object], ids: IdReader | None = None
) -> dict[str, str]:
    """The values as they are kept, by field name. A value that was left empty is not in the result.

    Reading a result again changes nothing. `ids` reads the IDs of people; without it they are taken as they are
    written. Raises `InvalidRequestError` naming the field.
    """
    known = {field.name: field for field in fields}
    for name in given:
        if name not in known:
            raise InvalidRequestError(
                f"{line(str(name))[:40]}: there is no such field (there is: {', '.join(known)}).",
                field=str(name),
            )
    found: dict[str, str] = {}
    for field in fields:
        if value := read_value(field, given.get(field.name), ids):
            found[field.name] = value
        elif field.required:
            raise InvalidRequestError(f"{field.title}: is required.", field=field.name)
    return found


def read_value(field: FieldSpec, given: object, ids: IdReader | None = None) -> str:
    """One value as it is kept; "" where it was left empty. Raises `InvalidRequestError` naming the field."""
    text = "" if given is None else scalar_text(given)
    if not isinstance(text, str):
        raise _fault(field, "must be a text, a number, or true or false")
    if is_blank(text):
        return ""
    kept = _person(field, text, ids) if field.type is FieldType.PERSON else _READERS[field.type](field, text)
    longest = LONGEST[field.type]
    if len(kept) > longest:
        raise _fault(field, f"has at most {longest} characters, and this has {len(kept)}")
    return kept


def fits(field: FieldSpec, value: str) -> bool:
    """Whether the value is one that the field can keep, or empty."""
    try:
        return read_value(field, value) == value
    except InvalidRequestError:
        return False


def date_in_words(value: str) -> str:
    """`Thursday, 24 December 2026`, in English whatever the server speaks; other text stays as it is."""
    try:
        day = date.fromisoformat(value)
    except ValueError:
        return value
    return f"{_WEEKDAYS[day.weekday()]}, {day.day} {_MONTHS[day.month - 1]} {day.year}"


def host_of(link: str) -> str:
    """The host of a link; "" if the text is no link as `read_value` keeps one."""
    spec = FieldSpec(name="link", type=FieldType.LINK)
    return urlsplit(link).netloc if link and fits(spec, link) else ""


_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def _read_text(_: FieldSpec, text: str) -> str:
    return prose(text)


def _read_number(field: FieldSpec, text: str) -> str:
    """Reads a number. A comma is refused: it could be a decimal sign or separate thousands."""
    kept = ascii_digits(line(text)).replace("\u2212", "-")
    if not _NUMBER.fullmatch(kept):
        raise _fault(
            field,
            "must be a number with a point, such as 3, 1250.5 or -2, of at most 15 digits before it and 6 behind",
        )
    whole, _, part = kept.lstrip("+-").partition(".")
    part = part.rstrip("0")
    shown = (whole.lstrip("0") or "0") + (f".{part}" if part else "")
    return f"-{shown}" if kept.startswith("-") and shown != "0" else shown


def _read_date(field: FieldSpec, text: str) -> str:
    kept = ascii_digits(line(text))
    try:
        if _DATE.fullmatch(kept):
            return date.fromisoformat(kept).isoformat()
    except ValueError:
        pass
    raise _fault(field, "must be a day such as 2026-12-24")


def _read_choice(field: FieldSpec, text: str) -> str:
    for choice in field.choices:
        if keyword(choice) == keyword(text):
            return choice
    raise _fault(field, f"must be one of: {', '.join(field.choices)}")


def _read_yes_no(field: FieldSpec, text: str) -> str:
    said = keyword(text)
    if said in {YES, "true"}:
        return YES
    if said in {NO, "false"}:
        return NO
    raise _fault(field, "must be yes or no")


def _person(field: FieldSpec, text: str, ids: IdReader | None) -> str:
    kept = line(text)
    try:
        return ids.person(kept) if ids else _PERSON.validate_python(kept)
    except ValidationError as error:
        raise _fault(field, "must be the ID of a person") from error
    except ValueError as error:
        raise _fault(field, str(error)) from error


def _read_link(field: FieldSpec, text: str) -> str:
    """Reads a link whose host is what it seems: no name before an `@`, no letters that look like others."""
    kept = line(text)
    parts = _link_parts(kept)
    if parts is None:
        raise _fault(
            field,
            "must be a link such as https://example.com/page, without spaces, its host in a-z and 0-9 (xn--… for "
            "other letters) and with no name or password before it",
        )
    start = f"{parts.scheme}://{parts.netloc}"
    return f"{start.lower()}{quote(kept[len(start) :], safe=_NOT_ESCAPED)}"


def _link_parts(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        well_formed = parts.port is None or parts.port > 0
    except ValueError:
        return None
    plain = well_formed and " " not in text and _HOST.fullmatch(parts.netloc) is not None
    return parts if plain and parts.scheme in {"http", "https"} else None


_READERS: Final = {
    FieldType.TEXT: _read_text,
    FieldType.LONG_TEXT: _read_text,
    FieldType.NUMBER: _read_number,
    FieldType.DATE: _read_date,
    FieldType.CHOICE: _read_choice,
    FieldType.LINK: _read_link,
    FieldType.YES_NO: _read_yes_no,
}


def _fault(field: FieldSpec, words: str) -> InvalidRequestError:
    return InvalidRequestError(f"{field.title}: {words}.", field=field.name)

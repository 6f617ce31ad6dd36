"""The typed fields of an answer: what a source of a gathering fills in, and how what came in is read. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.policy import FieldSpec
from orchestration.domain.text import ascii_digits, is_blank, keyword, line, prose

LONGEST_VALUE: Final = 500  # characters, as in a request's own fields
YES, NO = "yes", "no"

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,6})?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class FieldType(StrEnum):
    """What a value is. On the wire each is a text: a number in decimal, a date as `2026-12-24`."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    CHOICE = "choice"
    YES_NO = "yes_no"


class AnswerField(FieldSpec):
    """One thing that is asked of a source. `choices` goes with the type `choice`."""

    type: FieldType = FieldType.TEXT
    choices: list[Annotated[str, Field(min_length=1, max_length=60)]] = Field(
        default_factory=list, max_length=50
    )

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


def read_values(fields: Sequence[AnswerField], given: Mapping[str, object]) -> dict[str, str]:
    """The values as they are kept, by the name of their field; one that was left empty is not there.

    Reading what was read gives the same. Raises `InvalidRequestError` naming the field.
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
        text = _text(field, given.get(field.name))
        if is_blank(text):
            if field.required:
                raise InvalidRequestError(f"{field.title}: is required.", field=field.name)
            continue
        found[field.name] = _READERS[field.type](field, text)
    return found


def _text(field: AnswerField, value: object) -> str:
    """What a person typed, or a value of JSON, as text. Raises `InvalidRequestError` for a list or an object."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return YES if value else NO
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        exact = f"{Decimal(repr(value)):f}"  # as it was written: what is too long is refused, and not rounded
        return exact.removesuffix(".0")
    if isinstance(value, str):
        return value
    raise _fault(field, "must be a text, a number, or true or false")


def _read_text(field: AnswerField, text: str) -> str:
    kept = prose(text)
    if len(kept) > LONGEST_VALUE:
        raise _fault(field, f"has at most {LONGEST_VALUE} characters, and this has {len(kept)}")
    return kept


def _read_number(field: AnswerField, text: str) -> str:
    """A comma could be a decimal sign or stand between thousands, so it is not guessed."""
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


def _read_date(field: AnswerField, text: str) -> str:
    kept = ascii_digits(line(text))
    try:
        if _DATE.fullmatch(kept):
            return date.fromisoformat(kept).isoformat()
    except ValueError:
        pass
    raise _fault(field, "must be a day such as 2026-12-24")


def _read_choice(field: AnswerField, text: str) -> str:
    for choice in field.choices:
        if keyword(choice) == keyword(text):
            return choice
    raise _fault(field, f"must be one of: {', '.join(field.choices)}")


def _read_yes_no(field: AnswerField, text: str) -> str:
    said = keyword(text)
    if said in {YES, "true"}:
        return YES
    if said in {NO, "false"}:
        return NO
    raise _fault(field, "must be yes or no")


_READERS: Final = {
    FieldType.TEXT: _read_text,
    FieldType.NUMBER: _read_number,
    FieldType.DATE: _read_date,
    FieldType.CHOICE: _read_choice,
    FieldType.YES_NO: _read_yes_no,
}


def _fault(field: AnswerField, words: str) -> InvalidRequestError:
    return InvalidRequestError(f"{field.title}: {words}.", field=field.name)

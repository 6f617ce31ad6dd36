"""What is known of people: their phones, who decides for them, and when they are away."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Self

import phonenumbers
from pydantic import AfterValidator, ConfigDict, Field, StrictBool, model_validator

from orchestration.domain.ids import PersonId
from orchestration.domain.request import Recorded


def e164(number: str) -> str:
    """The number, if it has the form `+12025550142` and can exist. Raises `ValueError` otherwise."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException as error:
        raise ValueError("a phone number is written in E.164, such as +12025550142") from error
    written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    if written != number or not phonenumbers.is_possible_number(parsed):
        raise ValueError("a phone number is written in E.164, such as +12025550142")
    return number


class Away(Recorded):
    """An absence from the first day to the last, both included, in UTC."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, serialize_by_alias=True)

    since: date = Field(alias="from")
    until: date

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.until < self.since:
            raise ValueError("until is before from")
        return self

    def covers(self, day: date) -> bool:
        """Whether the person is away on that day."""
        return self.since <= day <= self.until

    def overlaps(self, other: Away) -> bool:
        """Whether there is a day on which both are away."""
        return self.since <= other.until and other.since <= self.until


class PersonEntry(Recorded):
    """What is known of a person: who decides for them, and when they are away."""

    delegate: PersonId | None = None
    away: Away | None = None

    def is_away(self, day: date) -> bool:
        """Whether they are away on that day."""
        return self.away is not None and self.away.covers(day)


class KnownPerson(PersonEntry):
    """What an instance may know of a person: whether they have a phone, but not its number."""

    enrolled: bool = False


class EnrolledPerson(PersonEntry):
    """A `[people.ID]` table. The number never leaves the process that reads the file."""

    phone: Annotated[str, AfterValidator(e164)] | None = None
    revoked: StrictBool = Field(
        default=False, description="They decide nothing any more, also of what is open"
    )

    def known(self) -> KnownPerson:
        """What an instance may know of them."""
        return KnownPerson(delegate=self.delegate, away=self.away, enrolled=self.phone is not None)

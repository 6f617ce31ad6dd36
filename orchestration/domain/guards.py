"""Conditions on the payload of an event that moves an approved request. Pure; an unknown value meets none.

A guard looks at one field of the payload and compares it with a value, or with what was approved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final, Self

from pydantic import Field, JsonValue, StrictBool, StrictInt, StrictStr, model_validator

from orchestration.domain.request import ApprovalRequest, Recorded

# The parts of a request that a guard may name, beside its fields.
AMOUNT: Final = "amount"
CURRENCY: Final = "currency"
REQUEST_ID: Final = "request_id"
OF_REQUEST: Final = (AMOUNT, CURRENCY, REQUEST_ID)
FIELD: Final = "fields."

_COMPARISONS: Final = ("equals", "at_least", "at_most", "matches")
_NUMBER: Final = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,10})?")


class Guard(Recorded):
    """One condition: `field` of the payload, and exactly one comparison."""

    field: str = Field(
        pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$",
        max_length=200,
        description="Where it stands in the payload; a dot leads into an object",
    )
    equals: StrictBool | StrictInt | StrictStr | None = Field(
        default=None, description="This very text, whole number or true or false"
    )
    at_least: Decimal | None = Field(default=None, allow_inf_nan=False)
    at_most: Decimal | None = Field(default=None, allow_inf_nan=False)
    matches: str | None = Field(
        default=None,
        pattern=r"^(amount|currency|request_id|fields\.[a-z][a-z0-9_]{0,39})$",
        description="The same as what was approved says there",
    )

    @model_validator(mode="after")
    def _one_comparison(self) -> Self:
        if sum(getattr(self, name) is not None for name in _COMPARISONS) != 1:
            raise ValueError(f"a condition has exactly one of {', '.join(_COMPARISONS)}")
        return self

    def holds(self, payload: JsonValue, request: ApprovalRequest, request_id: str) -> bool:
        """Whether the payload meets the condition. It does not if the field is missing or of another type."""
        found = _at(payload, self.field)
        if self.matches is not None:
            return _same(found, _of_request(self.matches, request, request_id))
        if self.equals is not None:
            return type(found) is type(self.equals) and found == self.equals
        number = _number(found)
        if number is None:
            return False
        if self.at_least is not None:
            return number >= self.at_least
        return self.at_most is not None and number <= self.at_most

    def words(self) -> str:
        """The condition as the end of a sentence that begins with "it needs"."""
        if self.matches is not None:
            return f"{self.field} to be the {self.matches.removeprefix(FIELD)} that was approved"
        if self.equals is not None:
            said = str(self.equals).lower() if isinstance(self.equals, bool) else self.equals
            return f"{self.field} to be {said}"
        if self.at_least is not None:
            return f"{self.field} to be at least {self.at_least:f}"
        return f"{self.field} to be at most {self.at_most:f}"

    def needed_field(self) -> str | None:
        """The request's field that the payload's is compared with; None if there is none."""
        named = self.matches or ""
        return named.removeprefix(FIELD) if named.startswith(FIELD) else None


def guard_faults(
    guard: Guard, required_fields: list[str], *, amount: bool, currency: bool
) -> Iterator[tuple[str, str]]:
    """Yields each part of a guard that some requests of its policy can never meet, with the remedy."""
    field = guard.needed_field()
    if field is not None and field not in required_fields:
        yield (
            "matches",
            (
                f"{field} is no required field of this policy, so a request without it could never go on; "
                "list it under fields with required = true"
            ),
        )
    if guard.matches == AMOUNT and not amount:
        yield (
            "matches",
            "a request without an amount could never go on; set require_amount = true in the policy",
        )
    if guard.matches == CURRENCY and not currency:
        yield "matches", "this policy has no currency; set one in the policy"


def _at(payload: JsonValue, path: str) -> JsonValue:
    found = payload
    for part in path.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(part)
    return found


def _of_request(name: str, request: ApprovalRequest, request_id: str) -> Decimal | str | None:
    if name == AMOUNT:
        return request.amount
    if name == CURRENCY:
        return request.currency
    if name == REQUEST_ID:
        return request_id
    return request.fields.get(name.removeprefix(FIELD)) or None


def _same(found: JsonValue, approved: Decimal | str | None) -> bool:
    if isinstance(approved, Decimal):
        return _number(found) == approved
    return approved is not None and isinstance(found, str) and found == approved


def _number(value: JsonValue) -> Decimal | None:
    """The value of a JSON number, or of a text that holds only a number: `4200`, `"4200.50"`."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    text = value if isinstance(value, str) else repr(value)
    return Decimal(text) if _NUMBER.fullmatch(text) else None

"""Turns what somebody has filled in so far into a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Protocol, TypeAlias

from pydantic import ValidationError

from orchestration.domain.amounts import read_amount
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.fields import FieldSpec
from orchestration.domain.gathering import GatheringRequest
from orchestration.domain.policy_book import PolicyBook
from orchestration.domain.request import ApprovalRequest
from orchestration.domain.text import is_blank


class Askable(Protocol):
    """The parts of a policy, of any kind, that are needed to make a request."""

    @property
    def key(self) -> str:
        """The policy's name in the policy file."""
        ...

    @property
    def title(self) -> str:
        """The policy's title, for people."""
        ...

    @property
    def channel(self) -> str:
        """The channel of its cards."""
        ...

    @property
    def currency(self) -> str | None:
        """The currency of its amounts; None if it has no amounts."""
        ...

    @property
    def require_amount(self) -> bool:
        """Whether a request must have an amount."""
        ...

    @property
    def fields(self) -> Sequence[FieldSpec]:
        """The other fields that the requester fills in."""
        ...


Policies: TypeAlias = Mapping[str, Askable]


@dataclass(frozen=True)
class AskableGathering:
    """A gathering as its requester sees it. It has no `fields` here: those of a gathering are for the sources."""

    key: str
    title: str
    channel: str
    currency: str | None = None
    require_amount: bool = False
    fields: Sequence[FieldSpec] = ()


def askable(book: PolicyBook) -> Policies:
    """The policies and gatherings that people may use, by name."""
    gatherings = {
        key: AskableGathering(key, policy.title, policy.channel) for key, policy in book.gatherings.items()
    }
    return {**book.askable(), **gatherings}


# These replace pydantic's messages, which are for programmers.
_TOO_LONG: Final = "This is too long: at most {limit} characters."
_NEEDED: Final = "Please say in a few words what you ask for."


@dataclass(frozen=True)
class Draft:
    """A request as typed, before any check."""

    policy: str | None = None
    title: str = ""
    amount: str = ""
    description: str = ""
    fields: dict[str, str] = field(default_factory=dict)


def to_request(draft: Draft, policies: Policies, *, requester: str, idempotency_key: str) -> ApprovalRequest:
    """Makes the request of the draft. Raises `InvalidRequestError` naming the field to mend.

    The service checks the rules of the policy.
    """
    policy = policies.get(draft.policy or "")
    if policy is None:
        raise InvalidRequestError("Please choose what kind of approval you need.", field="policy")
    if is_blank(draft.title):
        raise InvalidRequestError(_NEEDED, field="title")
    given: dict[str, Any] = {
        "policy": policy.key,
        "title": draft.title,
        "description": draft.description,
        "amount": _amount(draft, policy),
        "fields": {name: value for name, value in draft.fields.items() if not is_blank(value)},
        "requester": requester,
        "idempotency_key": idempotency_key,
        "accepts_edits": True,  # a person reads the outcome
    }
    try:
        return ApprovalRequest.model_validate(given)
    except ValidationError as error:
        raise _ours(error) from error


def to_gathering(draft: Draft, *, requester: str, idempotency_key: str) -> GatheringRequest:
    """Makes the gathering of the draft. Raises `InvalidRequestError` naming the field to mend."""
    if is_blank(draft.title):
        raise InvalidRequestError(_NEEDED, field="title")
    try:
        return GatheringRequest.model_validate(
            {
                "policy": draft.policy,
                "title": draft.title,
                "description": draft.description,
                "requester": requester,
                "idempotency_key": idempotency_key,
            }
        )
    except ValidationError as error:
        raise _ours(error) from error


def missing(draft: Draft, policy: Askable) -> bool:
    """Whether the draft still lacks something that a request needs."""
    unfilled = [
        spec.name for spec in policy.fields if spec.required and is_blank(draft.fields.get(spec.name, ""))
    ]
    no_amount = policy.require_amount and is_blank(draft.amount)
    return is_blank(draft.title) or no_amount or bool(unfilled)


def _amount(draft: Draft, policy: Askable) -> Decimal | None:
    if is_blank(draft.amount) or policy.currency is None:
        return None
    return read_amount(draft.amount, policy.currency)


def _ours(error: ValidationError) -> InvalidRequestError:
    fault = error.errors()[0]
    place = [str(part) for part in fault["loc"]]
    name = place[-1] if place and place[0] == "fields" else (place[0] if place else None)
    if fault["type"] == "string_too_long":
        return InvalidRequestError(_TOO_LONG.format(limit=fault["ctx"]["max_length"]), field=name)
    return InvalidRequestError(f"{fault['msg']}.", field=name)

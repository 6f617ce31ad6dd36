"""Checks and applies the changes that an approver makes to a request before they approve it.

Pure. The request with the changes is what is approved. Its digest differs from that of what was asked.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from orchestration.domain import arguments as args
from orchestration.domain.amounts import Number, read_amount
from orchestration.domain.arguments import Scalar
from orchestration.domain.commands import EDITED_AT_ONCE
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.fields import read_value
from orchestration.domain.ids import IdReader
from orchestration.domain.money import format_amount
from orchestration.domain.policy import Policy
from orchestration.domain.request import ApprovalRequest, EditedValue, RequestEdit
from orchestration.domain.text import hostile, is_blank, line

AMOUNT: Final = "amount"
FIELDS: Final = "fields."
ARGUMENTS: Final = "arguments."
NOTHING_CHANGED: Final = "Nothing is changed. Change something, or approve it as it is."


@dataclass(frozen=True)
class EditedRequest:
    """A request with changes in it, and what they were."""

    request: ApprovalRequest
    changes: list[EditedValue]


def editable(request: ApprovalRequest, policy: Policy) -> dict[str, Scalar]:
    """What an approver may change: each path without `*`, and the value that is there now. At most 20.

    Masked values are left out. Nothing may be changed if the asker does not accept changes, or in a review of a
    document.
    """
    found: dict[str, Scalar] = {}
    if not request.accepts_edits or policy.documents is not None:
        return found
    for place in policy.edit:
        for path, value in _values(request, policy, place):
            if len(found) < EDITED_AT_ONCE:
                found.setdefault(path, value)
    return found


def _values(request: ApprovalRequest, policy: Policy, place: str) -> Iterator[tuple[str, Scalar]]:
    if place == AMOUNT and request.amount:
        yield AMOUNT, str(request.amount)
    elif place.startswith(FIELDS) and request.call is None:
        name = place.removeprefix(FIELDS)
        if any(field.name == name for field in policy.fields):
            yield place, request.fields.get(name, "")
    elif place.startswith(ARGUMENTS) and request.call is not None:
        call, path = request.call, place.removeprefix(ARGUMENTS).split(".")
        bound = call.bound or call.arguments
        for at, value in args.scalars_at(call.arguments, bound, path):
            yield f"{ARGUMENTS}{at}", value


def edited(
    request: ApprovalRequest, policy: Policy, wanted: Mapping[str, Scalar], ids: IdReader | None = None
) -> EditedRequest:
    """The request with these values, by path, in it. `ids` reads the IDs of people.

    Raises `InvalidRequestError`, whose field is the path, where the policy does not allow it or the value does not fit.
    The schema of a tool's arguments is not looked at here: see `argument_schema`.
    """
    present = editable(request, policy)
    changes: list[EditedValue] = []
    for path, value in wanted.items():
        if path not in present:
            known = ", ".join(present) or "nothing"
            raise InvalidRequestError(
                f"{path}: cannot be changed. What can be changed is: {known}.", field=path
            )
        if (fit := _fit(path, value, present[path], request, policy, ids)) != present[path]:
            changes.append(EditedValue(path=path, before=present[path], after=fit))
    if not changes:
        raise InvalidRequestError(NOTHING_CHANGED, field=next(iter(wanted), None))
    return EditedRequest(with_changes(request, changes), changes)


def with_edits(request: ApprovalRequest, edits: Iterable[RequestEdit]) -> ApprovalRequest:
    """The request with all edits since applied."""
    for edit in edits:
        request = with_changes(request, edit.changes)
    return request


def with_changes(request: ApprovalRequest, changes: Sequence[EditedValue]) -> ApprovalRequest:
    """The request with these values, which were checked before. A call gets its digest and texts anew.

    Each release has to make the same of them, as votes are about the digest of the whole: a recorded history shows it.

    Raises `InvalidRequestError` where the arguments are now too long to be read.
    """
    update: dict[str, Any] = {}
    call, fields = request.call, dict(request.fields)
    for change in changes:
        path = change.path
        if path == AMOUNT:
            update["amount"] = Decimal(str(change.after))
        elif path.startswith(FIELDS):
            fields[path.removeprefix(FIELDS)] = str(change.after)
        elif call is not None:
            at = path.removeprefix(ARGUMENTS).split(".")
            bound = args.replaced(call.bound, at, change.after)
            shown = args.replaced(call.arguments, at, change.after)
            digest = args.digest(bound or shown)
            call = call.model_copy(update={"arguments": shown, "bound": bound, "arguments_digest": digest})
    if call is not None and call is not request.call:
        update["title"] = line(args.title_of(call.agent, call.tool, call.arguments))
        update["description"] = args.written_out(call.arguments)
    return request.model_copy(update={**update, "fields": fields, "call": call})


def _fit(
    path: str,
    value: Scalar,
    before: Scalar,
    request: ApprovalRequest,
    policy: Policy,
    ids: IdReader | None,
) -> Scalar:
    """The value as it is kept. Raises `InvalidRequestError`."""
    if path == AMOUNT:
        return _fit_amount(value, Decimal(str(before)), request.currency)
    if path.startswith(FIELDS):
        return _fit_field(path, value, policy, ids)
    return _fit_argument(path, value, before)


def _fit_amount(value: Scalar, before: Decimal, currency: str | None) -> str:
    """An amount may only be lowered: who has to decide it was settled by what was asked."""
    if isinstance(value, str) and currency is not None:
        number = read_amount(value, currency)
    else:
        try:
            number = TypeAdapter(Number).validate_python(value)
        except ValidationError as error:
            words = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise InvalidRequestError(f"{AMOUNT}: {words}.", field=AMOUNT) from error
    if not number.is_finite() or number <= 0 or round(number, 2) != number:
        raise InvalidRequestError(f"{AMOUNT}: has to be above zero, with two decimals at most.", field=AMOUNT)
    if number > before:
        raise InvalidRequestError(
            f"{AMOUNT}: can only be lowered. It is {format_amount(before, currency)} now.", field=AMOUNT
        )
    return str(before if number == before else number)


def _fit_field(path: str, value: Scalar, policy: Policy, ids: IdReader | None) -> str:
    spec = next(field for field in policy.fields if f"{FIELDS}{field.name}" == path)
    if isinstance(value, str) and (found := hostile(value)) is not None:
        raise InvalidRequestError(f"{path}: contains U+{ord(found):04X}, a control character.", field=path)
    try:
        kept = read_value(spec, value, ids)
    except InvalidRequestError as error:
        raise InvalidRequestError(str(error), field=path) from error
    if spec.required and not kept:
        raise InvalidRequestError(f"{spec.title}: is required for {policy.title}.", field=path)
    return kept


def _fit_argument(path: str, value: Scalar, before: Scalar) -> Scalar:
    """A value of the same type. Everybody who approves has to see all of it, so nothing in it is hidden."""
    if isinstance(before, str):
        if not isinstance(value, str):
            raise InvalidRequestError(f"{path}: has to be a text.", field=path)
        if is_blank(value):
            raise InvalidRequestError(f"{path}: must not be blank.", field=path)
        if (hidden := args.hidden_in(value)) is not None:
            raise InvalidRequestError(
                f"{path}: contains U+{ord(hidden):04X}, which does not show as it is. Please type it anew.",
                field=path,
            )
        return value
    if isinstance(before, bool):
        if not isinstance(value, bool):
            raise InvalidRequestError(f"{path}: has to be true or false.", field=path)
        return value
    if isinstance(value, bool) or not isinstance(value, int if isinstance(before, int) else int | float):
        kind = "a whole number" if isinstance(before, int) else "a number"
        raise InvalidRequestError(f"{path}: has to be {kind}.", field=path)
    try:
        args.canonical(value)
    except InvalidRequestError as error:
        raise InvalidRequestError(
            f"{path}: is a number that programs read differently.", field=path
        ) from error
    return value if math.isfinite(value) else before


# ---- for people ------------------------------------------------------------------------------------------


def between(edits: Iterable[RequestEdit]) -> list[EditedValue]:
    """The values that differ between what was asked and what is asked now."""
    found: dict[str, EditedValue] = {}
    for change in (change for edit in edits for change in edit.changes):
        first = found.get(change.path, change).before
        found[change.path] = EditedValue(path=change.path, before=first, after=change.after)
    return [change for change in found.values() if change.before != change.after]


def as_diff(changes: Iterable[EditedValue]) -> str:
    """The changes as lines: each path, and below it what was there behind `-`, and what is there now behind `+`.

    Each line of a value has a sign, so no value can look like a path or a line of Countersign's.
    """
    lines: list[str] = []
    for change in changes:
        lines.append(f"{args.visible(change.path)}:".replace("\n", "\\n"))
        lines += args.diff(_lines(change.before), _lines(change.after))
    return "\n".join(lines)


def _lines(value: Scalar) -> list[str]:
    """The value as people read it. Quotation marks show white space at the ends of a text."""
    if not isinstance(value, str):
        return [json.dumps(value)]
    text = value if value == value.strip() else json.dumps(value, ensure_ascii=False)
    return args.visible(text).split("\n")

"""The form in which an approver changes what the policy allows, and approves the result. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bot.slack import blocks
from bot.slack.blocks import Json
from bot.slack.input.amounts import AMOUNT_LIMIT
from bot.slack.text import bold, mention, plain, said
from bot.slack.views.decision_forms import SEEN, TEXT_LIMIT, CardOrigin
from bot.slack.views.field_inputs import field_input, initial_of
from bot.slack.views.request_form import modal, values_of
from orchestration.approval.status import RequestView
from orchestration.domain.arguments import Scalar, visible
from orchestration.domain.edits import AMOUNT, FIELDS, editable
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.money import format_amount

EDIT_FORM: Final = "edit_and_approve"
TITLE: Final = "Change and approve"
BLOCK: Final = "edit."
BLOCK_LIMIT: Final = 255  # characters; Slack's limit
# The kinds of values, as they are written in block IDs.
TEXT, NUMBER, TRUTH = "t", "n", "b"
COMMENT: Final = "comment"
VOIDS: Final = (
    "You approve what stands here. Approvals that were given before do not count any more, and whoever asked is told "
    "what you changed."
)
RESTARTS: Final = "All levels decide it anew, the first one first; you are asked again when it is your turn."
TOO_LONG: Final = "Too long to be changed here, so only a program can: {paths}"

_NUMBER: Final = re.compile(r"-?\d{1,16}(\.\d{1,16})?")


def edit_form(view: RequestView, origin: CardOrigin) -> Json:
    """The form, with a field for each value that may be changed, filled in with the present value."""
    values = editable(view.request, view.policy)
    title = bold(said(view.request.title, 150, room=800))
    parts = [
        blocks.section(f"{title}\nAsked for by {mention(view.request.requester)}"),
        *_inputs(view, values),
        blocks.text_input(
            COMMENT, "Your comment", limit=TEXT_LIMIT, hint=SEEN, optional=True, multiline=True
        ),
    ]
    if long := [path for path in values if path not in _shown(values)]:
        parts.append(blocks.context(TOO_LONG.format(paths=said(", ".join(long), 400))))
    later = len(view.progress.levels) > 1
    parts.append(blocks.context(f"{VOIDS} {RESTARTS}" if later else VOIDS))
    return modal(EDIT_FORM, TITLE, TITLE, parts, origin)


def block_of_path(path: str | None, filled_in: Mapping[str, Any]) -> str:
    """The block at which to show an error in the value at `path`: always one that the form has."""
    return next((block for block, (_, known, _) in _fields(filled_in).items() if known == path), COMMENT)


def changes_in(filled_in: Mapping[str, Any]) -> dict[str, Scalar]:
    """The values that differ from those that the form showed, by path. Raises `InvalidRequestError`.

    The result depends on the form alone, so that a form that is sent twice gives the same command.
    """
    values, found = values_of(filled_in), dict[str, Scalar]()
    for block, (kind, path, before) in _fields(filled_in).items():
        typed = values.get(block, "")
        # Slack may return a text without the white space at its ends: that is no change.
        if typed.strip() != before.replace("\r\n", "\n").strip():
            found[path] = _read(kind, path, typed)
    return found


def comment_in(filled_in: Mapping[str, Any]) -> str:
    """The comment that was written; "" if there is none."""
    return values_of(filled_in).get(COMMENT, "")


def _inputs(view: RequestView, values: Mapping[str, Scalar]) -> Iterator[Json]:
    amount = view.request.amount
    fields = {f"{FIELDS}{field.name}": field for field in view.policy.fields}
    for path, block in _shown(values).items():
        value = values[path]
        if path == AMOUNT and amount is not None:
            yield blocks.text_input(
                block,
                f"Amount in {view.request.currency}",
                limit=AMOUNT_LIMIT,
                initial=_text(value),
                hint=f"At most {format_amount(amount, view.request.currency)}",
            )
            continue
        if path in fields:
            yield field_input(block, fields[path], _text(value), long_texts=True)
            continue
        yield blocks.text_input(
            block,
            plain(visible(path), 150),
            limit=blocks.PLAIN_INPUT,
            initial=_text(value),
            optional=value == "",
            multiline=isinstance(value, str),
        )


def _fields(filled_in: Mapping[str, Any]) -> dict[str, tuple[str, str, str]]:
    """The kind, the path and the first value of each field of a submitted form, by block ID."""
    found: dict[str, tuple[str, str, str]] = {}
    for block in filled_in["blocks"]:
        name = str(block.get("block_id", ""))
        if block["type"] == "input" and name.startswith(BLOCK):
            kind, _, path = name.removeprefix(BLOCK).partition(".")
            found[name] = kind, path, initial_of(block.get("element") or {})
    return found


def _shown(values: Mapping[str, Scalar]) -> dict[str, str]:
    """The block ID of each value that the form has. It contains the kind and the path of the value."""
    found = {path: f"{BLOCK}{_kind(value)}.{path}" for path, value in values.items() if _fits(value)}
    return {path: block for path, block in found.items() if len(block) <= BLOCK_LIMIT}


def _kind(value: Scalar) -> str:
    if isinstance(value, str):
        return TEXT
    return TRUTH if isinstance(value, bool) else NUMBER


def _fits(value: Scalar) -> bool:
    """Whether the value is short enough for Slack, which counts UTF-16 code units."""
    return len(_text(value).encode("utf-16-le")) // 2 <= blocks.PLAIN_INPUT


def _text(value: Scalar) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _read(kind: str, path: str, typed: str) -> Scalar:
    """Parses what was typed as a value of `kind`. Raises `InvalidRequestError`."""
    text = typed.strip()
    if kind == TRUTH:
        if text not in {"true", "false"}:
            raise InvalidRequestError(f"{path}: has to be true or false.", field=path)
        return text == "true"
    if kind != NUMBER:
        return typed
    if not _NUMBER.fullmatch(text):
        raise InvalidRequestError(f"{path}: has to be a number, such as 42.", field=path)
    return float(text) if "." in text else int(text)

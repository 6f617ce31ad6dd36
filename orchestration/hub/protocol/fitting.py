"""Cuts outgoing messages to what readers take: an old row that is too long must not make the others unreadable."""

import json
from collections.abc import Callable
from typing import Any, Final

from google.protobuf.message import Message

from orchestration.hub.protocol import failures, limits
from orchestration.hub.protocol.field_limits import FieldKind, FieldLimit, rules_of


def fit(message: Message) -> None:
    """Cut every field that is over its limit, in place, with a mark."""
    known, small = rules_of(message)
    if message.ByteSize() <= small:
        return
    for field, value in message.ListFields():
        rule = known.get(field.number)
        if rule is not None:
            _FITTERS[rule.kind](rule, message, field.name, value)


def _fitted(rule: FieldLimit, text: str) -> str:
    if rule.limit != limits.PAYLOAD:
        return failures.shortened(text, rule.limit)
    size = limits.too_large(text)
    # Payloads are JSON, and a JSON document that was cut is not valid.
    return text if size is None else json.dumps(f"[{size:,} bytes, left out]")


def _fit_text(rule: FieldLimit, message: Any, name: str, text: str) -> None:
    setattr(message, name, _fitted(rule, text))


def _fit_texts(rule: FieldLimit, _message: Any, _name: str, texts: Any) -> None:
    del texts[rule.most :]
    for place, text in enumerate(texts):
        texts[place] = _fitted(rule, text)


def _fit_wrapped(rule: FieldLimit, _message: Any, _name: str, value: Any) -> None:
    value.value = _fitted(rule, value.value)


def _fit_tags(rule: FieldLimit, _message: Any, _name: str, tags: Any) -> None:
    size = sum(len(name.encode()) + len(text.encode()) for name, text in tags.items())
    if size > rule.limit:
        tags.clear()
        tags["left out"] = f"{size:,} bytes"


def _fit_messages(rule: FieldLimit, _message: Any, _name: str, values: Any) -> None:
    del values[rule.most :]
    for value in values:
        fit(value)


def _cut_numbers(rule: FieldLimit, _message: Any, _name: str, values: Any) -> None:
    del values[rule.most :]


_FITTERS: Final[dict[FieldKind, Callable[[FieldLimit, Any, str, Any], None]]] = {
    FieldKind.TEXT: _fit_text,
    FieldKind.TEXTS: _fit_texts,
    FieldKind.WRAPPED: _fit_wrapped,
    FieldKind.TAGS: _fit_tags,
    FieldKind.FAILURE: lambda _rule, _message, _name, value: failures.shorten(value),
    FieldKind.MESSAGE: lambda _rule, _message, _name, value: fit(value),
    FieldKind.MESSAGES: _fit_messages,
    FieldKind.NUMBERS: _cut_numbers,
}

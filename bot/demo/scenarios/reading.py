"""The words that a person reads in a message, from the workspace's JSON. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bot.slack.input.target import CARD_EVENT

Json = dict[str, Any]

_PERSON: Final = re.compile(r"<@(\w+)>")
_LINK: Final = re.compile(r"<https?://[^|>]+\|([^>]+)>")
SHOWN: Final = 160  # characters of a message in a sentence about it


def words_of(message: Json, names: Mapping[str, str]) -> str:
    """All its words on one line, without formatting. People are named; a link is given by its label."""
    text = " ".join(_texts(message["blocks"])) if message.get("blocks") else message["text"]
    text = _PERSON.sub(lambda found: f"@{names.get(found[1], found[1])}", text)
    return " ".join(_LINK.sub(r"\1", text).replace("*", "").split())


def _texts(node: Any) -> Iterator[str]:
    """The texts in the blocks, in reading order."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "text" and isinstance(value, str):
                yield value
            else:
                yield from _texts(value)
    elif isinstance(node, list):
        for entry in node:
            yield from _texts(entry)


def request_of(message: Json) -> str | None:
    """The request whose card this is; None when it is no card."""
    metadata = message.get("metadata") or {}
    return metadata["event_payload"]["instance_id"] if metadata.get("event_type") == CARD_EVENT else None


def round_of(card: Json) -> int:
    """Which of its request's cards it is, counted from 1."""
    return int(card["metadata"]["event_payload"]["round"])


def has_button(message: Json, action_id: str) -> bool:
    """Whether the message has that button."""
    return any(
        element.get("action_id") == action_id
        for block in message["blocks"] or ()
        if block["type"] == "actions"
        for element in block["elements"]
    )


def quote(text: str) -> str:
    """The text in quotation marks, shortened for a sentence."""
    return f"“{text if len(text) <= SHOWN else text[: SHOWN - 1] + '…'}”"

"""What a person reads in a message of the workspace, and what they can press there."""

import json
from collections.abc import Callable
from typing import Any

Message = dict[str, Any]


def text_of(message: Message) -> str:
    """All that a person can read of a message."""
    found = [message["text"]]

    def collect(node: Any) -> None:
        if isinstance(node, dict):
            found.extend(value for key, value in node.items() if key == "text" and isinstance(value, str))
            for value in node.values():
                collect(value)
        elif isinstance(node, list):
            for value in node:
                collect(value)

    collect(message.get("blocks"))
    return "\n".join(found)


def whole_text(message: Message) -> str:
    """All that a card says, block by block."""
    texts = []
    for block in message["blocks"] or [{"text": {"text": message["text"]}}]:
        parts = block.get("elements") if block.get("type") == "context" else [block.get("text") or {}]
        texts += [part.get("text", "") for part in parts]
    return "\n".join(texts)


def menu_entry(card: Message, choice: str) -> str:
    """The value of an entry of the card's menu."""
    parts = [
        e for b in card["blocks"] for e in (b["elements"] if b["type"] == "actions" else [b.get("accessory")])
    ]
    [menu] = [part for part in parts if part and "options" in part]
    return next(str(one["value"]) for one in menu["options"] if json.loads(one["value"])["choice"] == choice)


def actions_of(message: Message) -> list[str]:
    """The action IDs that a person can press, in their order."""
    return [
        element["action_id"]
        for block in message.get("blocks") or []
        if block["type"] == "actions"
        for element in block["elements"]
    ]


def has_button(action_id: str) -> Callable[[Message], bool]:
    return lambda message: action_id in actions_of(message)


def says(text: str) -> Callable[[Message], bool]:
    return lambda message: text in whole_text(message)


def private(said: str) -> Callable[[Message], bool]:
    """Whether only the person who looks sees the message."""
    return lambda message: message["ephemeral"] and said in message["text"]

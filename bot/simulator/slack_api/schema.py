"""Collects what is wrong with a JSON structure, in Slack's words."""

from collections.abc import Container
from typing import Any

Json = dict[str, Any]


class Findings:
    """The reasons found so far, in order. Checks look at `holder[key]`; `at` is the pointer to `holder`."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def add(self, reason: str, pointer: str) -> None:
        """Add a reason and the pointer to where it applies."""
        self.reasons.append(f"{reason} [json-pointer:{pointer}]")

    def require(self, holder: Json, key: str, at: str) -> bool:
        """Say whether a required key is there; add a reason when it is absent or null."""
        if holder.get(key) is not None:
            return True
        self.add(f"missing required field: {key}", at)
        return False

    def kind(self, holder: Json, at: str, allowed: Container[str]) -> str | None:
        """Return the `type` of an object. When it is missing or not allowed here, add a reason and return None."""
        if not self.require(holder, "type", at):
            return None
        kind = holder["type"]
        if isinstance(kind, str) and kind in allowed:
            return kind
        self.add(f"unsupported type: {kind}", f"{at}/type")
        return None

    def text(self, holder: Json, key: str, at: str, at_most: int, *, at_least: int = 1) -> None:
        """Add a reason when a given text is not a string, too short, or too long."""
        value, pointer = holder.get(key), f"{at}/{key}"
        if value is None:
            return
        if not isinstance(value, str):
            self.add("must be a string", pointer)
        elif len(value) > at_most:
            self.add(f"must be less than {at_most + 1} characters", pointer)
        elif len(value) < at_least:
            self.add(f"must be more than {at_least - 1} characters", pointer)

    def text_object(self, holder: Any, key: str | int, at: str, at_most: int, *, plain: bool = False) -> None:
        """Add the reasons against a text object, if there is one; `plain` where Slack accepts no mrkdwn."""
        value, pointer = holder.get(key) if isinstance(key, str) else holder[key], f"{at}/{key}"
        if value is None:
            return
        if not isinstance(value, dict):
            self.add("must be an object", pointer)
            return
        before = len(self.reasons)
        self.kind(value, pointer, {"plain_text"} if plain else {"plain_text", "mrkdwn"})
        self.require(value, "text", pointer)
        self.text(value, "text", pointer, at_most)
        if len(self.reasons) > before:
            # Slack first says that the whole object matches no schema, then why.
            self.reasons.insert(before, f"failed to match all allowed schemas [json-pointer:{pointer}]")

    def objects(self, holder: Json, key: str, at: str, at_most: int) -> list[tuple[str, Json]]:
        """Return the objects in an array, each with its pointer; add reasons if it is empty, too long or mixed."""
        items, pointer = holder.get(key), f"{at}/{key}"
        if items is None:
            return []
        if not isinstance(items, list):
            self.add("must be an array", pointer)
            return []
        if len(items) > at_most:
            self.add(f"no more than {at_most} items allowed", pointer)
        if not items:
            self.add("no fewer than 1 items allowed", pointer)
        found: list[tuple[str, Json]] = []
        for index, item in enumerate(items):
            if isinstance(item, dict):
                found.append((f"{pointer}/{index}", item))
            else:
                self.add("must be an object", f"{pointer}/{index}")
        return found

    def distinct(self, pointers: list[tuple[str, Json]], key: str) -> None:
        """Add a reason for an ID that two of these objects share."""
        seen: set[str] = set()
        for pointer, item in pointers:
            name = item.get(key)
            if not isinstance(name, str):
                continue
            if name in seen:
                self.add(f"{key} `{name}` already exists", f"{pointer}/{key}")
            seen.add(name)

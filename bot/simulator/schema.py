"""Collecting what is wrong with a JSON structure, in Slack's words."""

from typing import Any

Json = dict[str, Any]


class Findings:
    """The reasons found so far, in order."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def add(self, reason: str, pointer: str) -> None:
        """Note one reason and where it applies."""
        self.reasons.append(f"{reason} [json-pointer:{pointer}]")

    def text(self, value: Any, pointer: str, at_most: int, *, at_least: int = 1) -> None:
        """Note a text that is no text, too short, or too long."""
        if not isinstance(value, str):
            self.add("must be a string", pointer)
        elif len(value) > at_most:
            self.add(f"must be less than {at_most + 1} characters", pointer)
        elif len(value) < at_least:
            self.add(f"must be more than {at_least - 1} characters", pointer)

    def items(self, holder: Json, key: str, at: str, at_most: int, *, at_least: int = 1) -> list[Any]:
        """Give the array under `key`; note it when it is missing, too short or too long."""
        if missing(holder, key):
            self.add(f"missing required field: {key}", at)
            return []
        items = holder[key]
        if not isinstance(items, list):
            self.add("must be an array", f"{at}/{key}")
            return []
        if len(items) > at_most:
            self.add(f"no more than {at_most} items allowed", f"{at}/{key}")
        if len(items) < at_least:
            self.add(f"no fewer than {at_least} items allowed", f"{at}/{key}")
        return items


def missing(holder: Json, key: str) -> bool:
    """Say whether a required key is absent or null."""
    return holder.get(key) is None


def text_object(
    findings: Findings, holder: Any, key: str | int, at: str, at_most: int, *, plain: bool = False
) -> None:
    """Check the text object at `holder[key]`; `plain` when Slack takes no mrkdwn there."""
    pointer = f"{at}/{key}"
    if isinstance(key, str) and missing(holder, key):
        findings.add(f"missing required field: {key}", at)
        return
    value = holder[key]
    if not isinstance(value, dict):
        findings.add("must be an object", pointer)
        return
    kind = value.get("type")
    before = len(findings.reasons)
    if kind is None:
        findings.add("missing required field: type", pointer)
    elif kind not in ({"plain_text"} if plain else {"plain_text", "mrkdwn"}):
        findings.add(f"unsupported type: {kind}", f"{pointer}/type")
    if missing(value, "text"):
        findings.add("missing required field: text", pointer)
    else:
        findings.text(value["text"], f"{pointer}/text", at_most)
    if len(findings.reasons) > before:
        # Slack says first that the object as a whole fits nothing it knows, then why.
        findings.reasons.insert(before, f"failed to match all allowed schemas [json-pointer:{pointer}]")

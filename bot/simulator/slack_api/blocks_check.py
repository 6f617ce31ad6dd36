"""Slack's rules for blocks: when it answers `invalid_blocks`, and with which reasons.

Limits are those of https://docs.slack.dev/reference/block-kit and of the SDK's models; the wording of the
reasons is Slack's own where it is known, so that an app's tests can rely on it.
"""

import secrets
from typing import Any

from bot.simulator.slack_api import elements
from bot.simulator.slack_api.elements_check import check_element, check_image
from bot.simulator.slack_api.schema import Findings

Json = dict[str, Any]

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
# Not documented: developers measured that a message is refused when its texts have about this many characters.
# Source: https://github.com/slackapi/bolt-js/issues/2509
MESSAGE_CHARACTERS = 13_200
# Blocks that are accepted unchecked: rare ones, and those that Slack's own tools build.
UNCHECKED = frozenset(
    {
        "alert",
        "call",
        "card",
        "carousel",
        "container",
        "context_actions",
        "divider",
        "file",
        "markdown",
        "plan",
    }
    | {"rich_text", "table", "task_card", "video"}
)


def check_blocks(blocks: Any, *, at: str = "", limit: int = MESSAGE_BLOCKS) -> list[str]:
    """Return the reasons why Slack would refuse these blocks, each with its JSON pointer below `at`."""
    findings = Findings()
    if blocks == []:
        return []
    placed = findings.objects({"blocks": blocks}, "blocks", at, limit)
    findings.distinct(placed, "block_id")
    for pointer, block in placed:
        findings.text(block, "block_id", pointer, 255)
        kind = findings.kind(block, pointer, UNCHECKED | _RULES.keys())
        if kind in _RULES:
            _RULES[kind](findings, block, pointer)
    return findings.reasons


def with_ids(blocks: list[Json]) -> list[Json]:
    """Return the blocks, each with a block_id and action_ids. Missing ones are generated, as Slack does."""
    result: list[Json] = []
    for block in blocks:
        named = {**block, "block_id": block.get("block_id") or _fresh_id()}
        for slot in ("element", "accessory"):
            if isinstance(named.get(slot), dict):
                named[slot] = _with_action_id(named[slot])
        if named["type"] == "actions":
            named["elements"] = [_with_action_id(element) for element in named["elements"]]
        result.append(named)
    return result


def characters(blocks: list[Json]) -> int:
    """Return the length of all texts in these blocks together."""
    total = 0
    queue: list[Any] = list(blocks)
    while queue:
        item = queue.pop()
        if isinstance(item, dict):
            text = item.get("text")
            total += len(text) if isinstance(text, str) else 0
            queue.extend(item.values())
        elif isinstance(item, list):
            queue.extend(item)
    return total


def _with_action_id(element: Json) -> Json:
    # Compared as text: the value of an unchecked key can have any type, even an unhashable one.
    if element.get("action_id") or str(element.get("type")) not in elements.INTERACTIVE:
        return element
    return {**element, "action_id": _fresh_id()}


def _fresh_id() -> str:
    return secrets.token_urlsafe(4)[:5]


def _check_section(findings: Findings, block: Json, at: str) -> None:
    if block.get("text") is None and not block.get("fields"):
        findings.add("missing required field: text or fields", at)
    findings.text_object(block, "text", at, 3000)
    fields = findings.objects(block, "fields", at, 10) if block.get("fields") else []
    for index in range(len(fields)):
        findings.text_object(block["fields"], index, f"{at}/fields", 2000)
    _check_slot(findings, block, "accessory", at)


def _check_header(findings: Findings, block: Json, at: str) -> None:
    findings.require(block, "text", at)
    findings.text_object(block, "text", at, 150, plain=True)


def _check_context(findings: Findings, block: Json, at: str) -> None:
    findings.require(block, "elements", at)
    parts = findings.objects(block, "elements", at, 10)
    for index, (pointer, part) in enumerate(parts):
        if part.get("type") == "image":
            check_element(findings, part, pointer, "context")
        else:
            findings.text_object(block["elements"], index, f"{at}/elements", 3000)


def _check_actions(findings: Findings, block: Json, at: str) -> None:
    findings.require(block, "elements", at)
    placed = findings.objects(block, "elements", at, 25)
    findings.distinct(placed, "action_id")
    for pointer, element in placed:
        check_element(findings, element, pointer, "actions")


def _check_input(findings: Findings, block: Json, at: str) -> None:
    findings.require(block, "label", at)
    findings.text_object(block, "label", at, 2000, plain=True)
    findings.text_object(block, "hint", at, 2000, plain=True)
    findings.require(block, "element", at)
    _check_slot(findings, block, "element", at)


def _check_slot(findings: Findings, block: Json, slot: str, at: str) -> None:
    element = block.get(slot)
    if isinstance(element, dict):
        check_element(findings, element, f"{at}/{slot}", block["type"])
    elif element is not None:
        findings.add("must be an object", f"{at}/{slot}")


def _check_image(findings: Findings, block: Json, at: str) -> None:
    check_image(findings, block, at)
    findings.text_object(block, "title", at, 2000, plain=True)


_RULES = {
    "actions": _check_actions,
    "context": _check_context,
    "header": _check_header,
    "image": _check_image,
    "input": _check_input,
    "section": _check_section,
}

"""Slack's rules for blocks: what `invalid_blocks` means, with the reasons where Slack gives them.

Limits are those of https://docs.slack.dev/reference/block-kit and of the SDK's models; the wording of the
reasons is Slack's where it is known, so that an app's tests may look at it.
"""

import secrets
from typing import Any

from bot.simulator import elements
from bot.simulator.elements_check import ELEMENTS_OF, check_element
from bot.simulator.schema import Findings, missing, text_object

Json = dict[str, Any]

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
# Not documented; measured by app developers at about this many characters over all texts of a message.
MESSAGE_CHARACTERS = 13_200
# What a surface takes. Newer, rarer blocks (table, video, task_card…) are let through where Slack has them,
# unchecked.
UNCHECKED = frozenset(
    {
        "alert",
        "call",
        "card",
        "carousel",
        "container",
        "context_actions",
        "file",
        "markdown",
        "plan",
        "rich_text",
    }
    | {"table", "task_card", "video"}
)
CHECKED = frozenset({"actions", "context", "divider", "header", "image", "input", "section"})


def with_ids(blocks: list[Json]) -> list[Json]:
    """Give the blocks with a block_id each, and an action_id for each element, made up as Slack does where absent."""
    result: list[Json] = []
    for block in blocks:
        named = {**block, "block_id": block.get("block_id") or secrets.token_urlsafe(4)[:5]}
        for slot in ("element", "accessory"):
            if isinstance(named.get(slot), dict):
                named[slot] = _with_action_id(named[slot])
        if named["type"] == "actions":
            named["elements"] = [_with_action_id(element) for element in named["elements"]]
        result.append(named)
    return result


def _with_action_id(element: Json) -> Json:
    if element.get("action_id") or element.get("type") not in elements.INTERACTIVE:
        return element
    return {**element, "action_id": secrets.token_urlsafe(4)[:5]}


def check_blocks(blocks: Any, *, at: str = "/blocks", limit: int = MESSAGE_BLOCKS) -> list[str]:
    """Give the reasons why Slack would refuse these blocks, each with its JSON pointer; none when it would not."""
    findings = Findings()
    if not isinstance(blocks, list):
        findings.add("must be an array", at)
        return findings.reasons
    if len(blocks) > limit:
        findings.add(f"no more than {limit} items allowed", at)
    seen: set[str] = set()
    for index, block in enumerate(blocks):
        pointer = f"{at}/{index}"
        if not isinstance(block, dict):
            findings.add("must be an object", pointer)
            continue
        block_id = block.get("block_id")
        if block_id is not None:
            findings.text(block_id, f"{pointer}/block_id", 255, at_least=0)
            if block_id in seen:
                findings.add(f"block_id `{block_id}` already exists", f"{pointer}/block_id")
            seen.add(str(block_id))
        _check_block(findings, block, pointer)
    return findings.reasons


def characters(blocks: list[Json]) -> int:
    """Give the length of all texts in these blocks together."""
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


def _check_block(findings: Findings, block: Json, at: str) -> None:
    kind = block.get("type")
    if kind is None:
        findings.add("missing required field: type", at)
    elif kind == "section":
        _check_section(findings, block, at)
    elif kind == "header":
        text_object(findings, block, "text", at, 150, plain=True)
    elif kind == "context":
        _check_context(findings, block, at)
    elif kind == "actions":
        _check_actions(findings, block, at)
    elif kind == "input":
        _check_input(findings, block, at)
    elif kind == "image":
        _check_image(findings, block, at)
    elif kind not in UNCHECKED | CHECKED:
        findings.add(f"unsupported type: {kind}", f"{at}/type")


def _check_section(findings: Findings, block: Json, at: str) -> None:
    if block.get("text") is None and not block.get("fields"):
        findings.add("missing required field: text or fields", at)
    if block.get("text") is not None:
        text_object(findings, block, "text", at, 3000)
    fields = block.get("fields") or []
    if len(fields) > 10:
        findings.add("no more than 10 items allowed", f"{at}/fields")
    for index in range(len(fields)):
        text_object(findings, fields, index, f"{at}/fields", 2000)
    if block.get("accessory") is not None:
        check_element(findings, block["accessory"], f"{at}/accessory", ELEMENTS_OF["section"])


def _check_context(findings: Findings, block: Json, at: str) -> None:
    parts = findings.items(block, "elements", at, 10)
    for index, part in enumerate(parts):
        if isinstance(part, dict) and part.get("type") == "image":
            check_element(findings, part, f"{at}/elements/{index}", ELEMENTS_OF["context"])
        else:
            text_object(findings, parts, index, f"{at}/elements", 3000)


def _check_actions(findings: Findings, block: Json, at: str) -> None:
    seen: set[str] = set()
    for index, element in enumerate(findings.items(block, "elements", at, 25)):
        pointer = f"{at}/elements/{index}"
        check_element(findings, element, pointer, ELEMENTS_OF["actions"])
        action_id = element.get("action_id") if isinstance(element, dict) else None
        if action_id in seen:
            findings.add(f"action_id `{action_id}` already exists", f"{pointer}/action_id")
        if action_id:
            seen.add(action_id)


def _check_input(findings: Findings, block: Json, at: str) -> None:
    text_object(findings, block, "label", at, 2000, plain=True)
    if block.get("hint") is not None:
        text_object(findings, block, "hint", at, 2000, plain=True)
    if missing(block, "element"):
        findings.add("missing required field: element", at)
    else:
        check_element(findings, block["element"], f"{at}/element", ELEMENTS_OF["input"])


def _check_image(findings: Findings, block: Json, at: str) -> None:
    if missing(block, "image_url") and missing(block, "slack_file"):
        findings.add("missing required field: image_url", at)
    elif not missing(block, "image_url"):
        findings.text(block["image_url"], f"{at}/image_url", 3000)
    if missing(block, "alt_text"):
        findings.add("missing required field: alt_text", at)
    else:
        findings.text(block["alt_text"], f"{at}/alt_text", 2000, at_least=0)
    if block.get("title") is not None:
        text_object(findings, block, "title", at, 2000, plain=True)

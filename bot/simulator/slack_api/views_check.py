"""Slack's rules for views: modals and App Homes."""

import json
from typing import Any

from bot.simulator.errors import SlackError, bad_arguments
from bot.simulator.slack_api.blocks_check import VIEW_BLOCKS, check_blocks, with_ids
from bot.simulator.slack_api.schema import Findings

Json = dict[str, Any]

VIEW_BYTES = 250_000


def checked_view(view: Any, kind: str) -> Json:
    """Return the view as Slack would keep it, with every optional key filled in.

    `kind` is "modal" or "home". Raises SlackError: `invalid_arguments` with the reasons, or `view_too_large`.
    """
    if not isinstance(view, dict):
        raise bad_arguments("must be an object [json-pointer:/view]")
    if len(json.dumps(view)) > VIEW_BYTES:
        raise SlackError("view_too_large")
    if reasons := _reasons(view, kind):
        raise bad_arguments(*reasons)
    return {
        "type": kind,
        "title": view.get("title"),
        "blocks": with_ids(view["blocks"]),
        "close": view.get("close"),
        "submit": view.get("submit"),
        "private_metadata": view.get("private_metadata") or "",
        "callback_id": view.get("callback_id") or "",
        "external_id": view.get("external_id") or "",
        "clear_on_close": bool(view.get("clear_on_close")),
        "notify_on_close": bool(view.get("notify_on_close")),
    }


def _reasons(view: Json, kind: str) -> list[str]:
    findings = Findings()
    if view.get("type") != kind:
        findings.add(f"unsupported type: {view.get('type')}", "/view/type")
    for key, limit in (("private_metadata", 3000), ("callback_id", 255), ("external_id", 255)):
        findings.text(view, key, "/view", limit, at_least=0)
    if kind == "modal":
        findings.require(view, "title", "/view")
        for key in ("title", "submit", "close"):
            findings.text_object(view, key, "/view", 24, plain=True)
    if findings.require(view, "blocks", "/view"):
        findings.reasons += check_blocks(view["blocks"], at="/view", limit=VIEW_BLOCKS)
    # Only valid blocks can be searched for inputs.
    if kind == "modal" and not findings.reasons and view.get("submit") is None:
        inputs = [block for block in view["blocks"] if block["type"] == "input"]
        if inputs:
            findings.add("missing required field: submit (needed with input blocks)", "/view")
    return findings.reasons

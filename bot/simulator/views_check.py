"""Slack's rules for views: modals and App Homes."""

import json
from typing import Any

from bot.simulator.blocks_check import VIEW_BLOCKS, check_blocks, with_ids
from bot.simulator.errors import SlackError, bad_arguments
from bot.simulator.schema import Findings, missing, text_object

Json = dict[str, Any]

VIEW_BYTES = 250_000


def checked_view(view: Any, kind: str) -> Json:
    """Give the view as Slack would keep it, with every optional key filled in.

    `kind` is "modal" or "home". Raises SlackError: `invalid_arguments` with the reasons, or `view_too_large`.
    """
    if not isinstance(view, dict):
        raise bad_arguments("must provide an object [json-pointer:/view]")
    if len(json.dumps(view)) > VIEW_BYTES:
        raise SlackError("view_too_large")
    findings = Findings()
    if view.get("type") != kind:
        findings.add(f"unsupported type: {view.get('type')}", "/view/type")
    for key, limit in (("private_metadata", 3000), ("callback_id", 255), ("external_id", 255)):
        if view.get(key) is not None:
            findings.text(view[key], f"/view/{key}", limit, at_least=0)
    if kind == "modal":
        text_object(findings, view, "title", "/view", 24, plain=True)
        for key in ("submit", "close"):
            if view.get(key) is not None:
                text_object(findings, view, key, "/view", 24, plain=True)
    if missing(view, "blocks"):
        findings.add("missing required field: blocks", "/view")
    else:
        findings.reasons += check_blocks(view["blocks"], at="/view/blocks", limit=VIEW_BLOCKS)
    if not findings.reasons:
        has_input = any(block["type"] == "input" for block in view["blocks"])
        if kind == "modal" and has_input and missing(view, "submit"):
            findings.add("missing required field: submit (a modal with input blocks needs one)", "/view")
    if findings.reasons:
        raise bad_arguments(*findings.reasons)
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

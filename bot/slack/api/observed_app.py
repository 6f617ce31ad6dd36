"""Bolt's app with a log ID and a span for each interaction, over HTTP and Socket Mode alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.trace import SpanKind
from slack_bolt.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from bot.telemetry.incoming import fresh_id
from orchestration import telemetry

# The form of our names of buttons and forms. Any other name is left out of the traces.
_NAME: Final = re.compile(r"/?[a-z][a-z0-9_.-]{0,59}")


class ObservedApp(AsyncApp):
    """Bolt's app, in which each interaction has a span, and an ID for its lines in the log."""

    async def async_dispatch(self, req: AsyncBoltRequest) -> BoltResponse:
        """Handles an interaction as Bolt's app does, in a span."""
        # Bolt takes a field that is null for a field with a value.
        req.body = {name: part for name, part in req.body.items() if part is not None}
        kind, action = _said(req.body)
        ids = {} if "request_id" in telemetry.about() else {"request_id": fresh_id()}
        with (
            telemetry.work(ids),
            telemetry.span(
                f"slack {kind}",
                SpanKind.SERVER,
                attributes={"slack.interaction": kind, **({telemetry.ACTION: action} if action else {})},
            ),
        ):
            return await super().async_dispatch(req)


def _said(body: Mapping[str, Any]) -> tuple[str, str]:
    """The kind of the interaction, and the name of its button, form or command; "" if it is not one of ours."""
    actions = body.get("actions") or [{}]
    event = body.get("event") or {}
    view = body.get("view") or {}
    kind = "command" if "command" in body else event.get("type") or body.get("type")
    names = (body.get("command"), actions[0].get("action_id"), view.get("callback_id"))
    return _named(kind) or "unknown", next((name for name in map(_named, names) if name), "")


def _named(name: object) -> str:
    return name if isinstance(name, str) and _NAME.fullmatch(name) else ""

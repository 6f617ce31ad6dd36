"""Outcomes as CloudEvents 1.0, as the system sees them that gets them: by a callback, and by an outcome action."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import pytest
from pydantic import JsonValue
from standardwebhooks import Webhook

from bot.outbound.actions import OutcomeActions
from bot.outbound.callbacks import CallbackSender
from bot.outbound.cloud_events import CloudEvents
from bot.outbound.http_client import HttpClient, allowed_networks
from bot.outbound.signing import action_secret, callback_secret
from bot.security.secrets import Secrets
from bot.slack.ids import SlackIds
from orchestration.domain import policy_file
from orchestration.domain.effects import RunActionInput, SendCallbackInput
from orchestration.domain.errors import DeliveryError, PolicyError
from orchestration.domain.request import EventFormat, Status
from tests.support.order_server import OrderServer

SECRETS: Final = Secrets(b"a secret of at least thirty-two bytes")
HTTP: Final = HttpClient(allowed_networks("127.0.0.0/8"))
CLOUD_EVENTS: Final = CloudEvents("https://approvals.example", HTTP)
DATA: Final[dict[str, JsonValue]] = {
    "request": {"title": "Café"},
    "outcome": {"request_id": "purchase-k7m2x9qd", "status": "approved"},
}
EVENT: Final[dict[str, JsonValue]] = {
    "type": "approval.approved",
    "timestamp": "2026-11-27T02:15:00.123456+00:00",
    "data": DATA,
}
ID: Final = "purchase-k7m2x9qd:nonce:approved"

Send = Callable[[str, EventFormat], str]


def callback(url: str, written: EventFormat) -> str:
    given = SendCallbackInput(url=url, id=ID, asked_with="ci", format=written, event=EVENT, attempt=1)
    return CallbackSender(SECRETS, HTTP, CLOUD_EVENTS, lambda _: False).send_callback(given)


def action(url: str, written: EventFormat) -> str:
    event: dict[str, Any] = EVENT
    given = RunActionInput(policy="purchase", post=url, format=written, key=ID, event=event, attempt=1)
    return OutcomeActions({}, HTTP, SECRETS, CLOUD_EVENTS).run_action(given)


WAYS = pytest.mark.parametrize("send", [callback, action])


@WAYS
def test_the_outcome_is_a_cloud_event_in_structured_mode(send: Send, server: OrderServer) -> None:
    send(server.url, EventFormat.CLOUDEVENTS)
    [(_, headers, body)] = server.asked
    assert headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert body == {
        "specversion": "1.0",
        "id": ID,
        "source": "https://approvals.example",
        "type": "countersign.approval.approved",
        "subject": "purchase-k7m2x9qd",
        "time": EVENT["timestamp"],
        "datacontenttype": "application/json",
        "data": DATA,
    }
    assert datetime.fromisoformat(body["time"]).tzinfo is not None
    assert headers["webhook-id"] == ID
    secret = callback_secret(SECRETS, "ci") if send is callback else action_secret(SECRETS, "purchase")
    separators = (",", ":") if send is callback else None
    raw = json.dumps(body, ensure_ascii=send is not callback, separators=separators)
    assert Webhook(secret).verify(raw, dict(headers)) == body


@WAYS
def test_it_is_the_same_event_at_each_try(send: Send, server: OrderServer) -> None:
    for _ in range(2):
        send(server.url, EventFormat.CLOUDEVENTS)
    (_, _, first), (_, _, second) = server.asked
    assert first == second


@WAYS
@pytest.mark.parametrize("allows", [None, "*", " * ", "approvals.example", "Approvals.EXAMPLE"])
def test_the_target_is_asked_first_whether_it_takes_events_from_us(
    send: Send, server: OrderServer, allows: str | None
) -> None:
    """One that does not know the question gets its one event all the same."""
    server.allows = allows
    send(server.url, EventFormat.CLOUDEVENTS)
    assert server.requested == ["approvals.example"]
    [(_, headers, _)] = server.asked
    assert headers["WebHook-Request-Origin"] == "approvals.example"


@WAYS
@pytest.mark.parametrize("allows", ["other.example", "approvals.example.evil.example", ""])
def test_a_target_that_takes_events_from_somebody_else_only_gets_none(
    send: Send, server: OrderServer, allows: str
) -> None:
    server.allows = allows
    with pytest.raises(DeliveryError, match=r"takes no events from approvals\.example"):
        send(server.url, EventFormat.CLOUDEVENTS)
    assert server.asked == []


@WAYS
def test_without_that_format_nothing_is_asked_and_the_body_is_as_before(
    send: Send, server: OrderServer
) -> None:
    server.allows = "other.example"
    send(server.url, EventFormat.STANDARD)
    [(_, headers, body)] = server.asked
    assert (server.requested, body, headers["Content-Type"]) == ([], EVENT, "application/json")


POLICY: Final = """
[policies.purchase]
title = "Purchase"
channel = "C0PURCHASES"
[[policies.purchase.levels]]
name = "Manager"
approvers = ["U0ADA"]
timeout = "2d"
[policies.purchase.on]
approved = {action}
"""


def test_a_policy_says_it_beside_the_post() -> None:
    written = POLICY.replace(
        "{action}", '{ post = "https://bus.example/api/events", format = "cloudevents" }'
    )
    [found] = policy_file.parse(written, "policies.toml", SlackIds()).policies["purchase"].on[Status.APPROVED]
    assert found.format is EventFormat.CLOUDEVENTS


@pytest.mark.parametrize(
    ("action", "why"),
    [
        ('{ post = "https://bus.example/", format = "cloudevent" }', "format"),
        ('{ notify = "C0PURCHASES", format = "cloudevents" }', "format says how a post is written"),
    ],
)
def test_a_format_that_is_none_or_does_nothing_is_refused_at_load(action: str, why: str) -> None:
    with pytest.raises(PolicyError, match=why):
        policy_file.parse(POLICY.replace("{action}", action), "policies.toml", SlackIds())

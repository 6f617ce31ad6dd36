"""What an outcome does: a POST to another system, seen from that system, and actions from installed packages."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from bot.outbound import actions
from bot.outbound.actions import MissingActionError, OutcomeActions
from bot.outbound.cloud_events import CloudEvents
from bot.outbound.http_client import HttpClient, allowed_networks
from bot.outbound.signing import action_secret, callback_secret
from bot.security.secrets import Secrets
from bot.slack.ids import SlackIds
from orchestration.domain import policy_file
from orchestration.domain.effects import RunActionInput
from orchestration.domain.errors import DeliveryError, ThrottledError, TryFailedError
from tests.support.order_server import OrderServer

SECRETS = Secrets(b"a secret of at least thirty-two bytes")
HTTP = HttpClient(allowed_networks("127.0.0.0/8"))
CLOUD_EVENTS = CloudEvents("https://approvals.example", HTTP)
EVENT: dict[str, object] = {"type": "approval.approved", "data": {"title": "Café"}}


def action(key: str, *, post: str | None = None, activity: str | None = None) -> RunActionInput:
    return RunActionInput(policy="purchase", post=post, activity=activity, key=key, event=EVENT, attempt=1)


def post(server: OrderServer) -> str:
    return OutcomeActions({}, HTTP, SECRETS, CLOUD_EVENTS).run_action(
        action("purchase-1:approved:0", post=server.url)
    )


def test_the_event_goes_as_json_with_its_key(server: OrderServer) -> None:
    server.answer = (201, {}, json.dumps({"id": 7, "message": "Order 7 placed"}).encode())
    assert post(server) == "Order 7 placed"
    [(path, headers, body)] = server.asked
    assert (path, body) == ("/orders", EVENT)
    assert headers["Idempotency-Key"] == "purchase-1:approved:0"
    assert headers["Content-Type"] == "application/json"


def test_a_post_is_signed_with_the_secret_of_its_policy(server: OrderServer) -> None:
    """Anybody may know the address; only who holds the secret can place an order there."""
    post(server)
    [(_, headers, body)] = server.asked
    raw = json.dumps(body)
    assert Webhook(action_secret(SECRETS, "purchase")).verify(raw, dict(headers)) == EVENT
    for wrong in (action_secret(SECRETS, "deploy"), callback_secret(SECRETS, "purchase")):
        with pytest.raises(WebhookVerificationError):
            Webhook(wrong).verify(raw, dict(headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(action_secret(SECRETS, "purchase")).verify(raw.replace("Caf", "Caff"), dict(headers))


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b'{"id": "PO-7"}', "PO-7"),
        (200, b'{"id": 7}', "7"),
        (200, b'{"message": {"nested": 1}}', "done (200)"),
        (200, b"[1]", "done (200)"),
        (200, b"<html>Hello</html>", "done (200)"),
        (204, b"", "done (204)"),
        (200, b'{"message": "' + b"x" * 300 + b'"}', "x" * 200),
        (200, b'{"message": "' + b"x" * 50_000 + b'"}', "done (200)"),
        (200, b"\xff\xfe", "done (200)"),
        (200, b"[" * 8000, "done (200)"),
        (200, b'{"id": ' + b"9" * 8000 + b"}", "done (200)"),
        (200, b'{"message": "half \\ud800"}', "half ?"),
    ],
)
def test_what_people_are_told_of_an_answer(server: OrderServer, status: int, body: bytes, said: str) -> None:
    server.answer = (status, {}, body)
    assert post(server) == said


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_what_may_heal_is_tried_again(server: OrderServer, status: int) -> None:
    server.answer = (status, {}, b"")
    with pytest.raises(TryFailedError, match=rf"^127\.0\.0\.1 answered {status}\.$"):
        post(server)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("99999999", 3600),
        (timedelta(minutes=30), 1800),
        (timedelta(minutes=-30), 0),
    ],
)
def test_a_system_that_says_when_is_asked_then(
    server: OrderServer, header: str | timedelta, seconds: float
) -> None:
    if isinstance(header, timedelta):  # written now, not when the tests were gathered
        header = format_datetime(datetime.now(UTC) + header, usegmt=True)
    server.answer = (503, {"Retry-After": header}, b"")
    with pytest.raises(ThrottledError) as told:
        post(server)
    assert told.value.retry_after == pytest.approx(seconds, abs=30)


def test_a_retry_after_that_says_nothing_is_passed_over(server: OrderServer) -> None:
    server.answer = (503, {"Retry-After": "soon"}, b"")
    with pytest.raises(TryFailedError):
        post(server)


@pytest.mark.parametrize(
    ("status", "headers", "body", "said"),
    [
        (400, {}, b'{"message": "no such vendor"}', "127.0.0.1 refused it (400): no such vendor"),
        (404, {}, b"<html>", "127.0.0.1 refused it (404)."),
        (307, {"Location": "http://127.0.0.1:9/"}, b"", "answered 307, a redirect"),
    ],
)
def test_what_trying_again_cannot_cure(
    server: OrderServer, status: int, headers: dict[str, str], body: bytes, said: str
) -> None:
    server.answer = (status, headers, body)
    with pytest.raises(DeliveryError) as told:
        post(server)
    assert said in str(told.value)
    assert len(server.asked) == 1


def test_nobody_there_is_said_by_name_and_without_the_path() -> None:
    with pytest.raises(TryFailedError) as told:
        OutcomeActions({}, HTTP, SECRETS, CLOUD_EVENTS).run_action(
            action("k", post="http://127.0.0.1:9/secret-path")
        )
    assert str(told.value) == "127.0.0.1 could not be reached (Connection refused)."


# ---- installed actions -----------------------------------------------------------------------------------


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place where packages are installed."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def install(packages: Path, name: str, target: str) -> None:
    about = packages / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[countersign.actions]\n{name} = {target}\n")


def test_an_installed_action_is_called_with_key_and_event(packages: Path) -> None:
    (packages / "ledger_actions.py").write_text(
        "def book(key, event):\n    return None if event is None else f'{key} {event[\"type\"]}'\n"
    )
    install(packages, "ledger", "ledger_actions:book")
    known = actions.installed()
    assert (
        OutcomeActions(known, HTTP, SECRETS, CLOUD_EVENTS).run_action(action("k", activity="ledger"))
        == "k approval.approved"
    )
    with pytest.raises(DeliveryError, match="No installed package has the action gone any more"):
        OutcomeActions(known, HTTP, SECRETS, CLOUD_EVENTS).run_action(action("k", activity="gone"))


def test_an_action_that_cannot_be_loaded_stops_the_start_by_name(packages: Path) -> None:
    install(packages, "broken", "no_such_module:act")
    with pytest.raises(
        MissingActionError, match=r"The action broken \(no_such_module:act\) cannot be loaded"
    ):
        actions.installed()


def test_a_policy_that_names_a_missing_action_is_found() -> None:
    text = """
[policies.purchase]
title = "Purchase"
channel = "C0PURCHASES"
[[policies.purchase.levels]]
name = "Manager"
approvers = ["U0ADA"]
timeout = "1d"
[policies.purchase.on]
approved = [{ activity = "ledger" }, { activity = "archive" }]
"""
    book = policy_file.parse(text, "p.toml", SlackIds())
    [(place, words)] = actions.missing(book.policies, {"ledger": lambda _key, _event: None})
    assert place == ("policies", "purchase", "on", "approved")
    assert words == "no installed package has the action 'archive' (installed: ledger)"

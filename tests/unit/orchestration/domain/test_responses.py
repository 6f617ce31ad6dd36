"""Responses: the allowed targets, and the payload for each outcome."""

from __future__ import annotations

from typing import Any, Final

import pytest
from pydantic import JsonValue, ValidationError

from orchestration.domain.responses import LONGEST_PAYLOAD, MOST_NAMES, PARTS, ResponseTarget, origin_of

YES: Final[dict[str, JsonValue]] = {
    "approved": True,
    "status": "approved",
    "comments": 'Go {approved} {{x}} "now"',
    "reason": "",
    "processed_by": "U0ADA",
    "processed_at": "2026-11-27T02:15:00Z",
    "request_id": "deploy-k7m2x9qd",
    "digest": "d" * 64,
    "nonce": "n" * 22,
    "receipt": "a.b.c",
}
NO: Final[dict[str, JsonValue]] = {**YES, "approved": False, "status": "timed_out", "processed_by": None}


def target(payload: Any) -> ResponseTarget:
    return ResponseTarget(instance_id="order-1", event_name="ApprovalEvent", payload=payload)


def fault(**given: Any) -> str:
    """What the refusal says, behind the field that it names."""
    with pytest.raises(ValidationError) as caught:
        ResponseTarget.model_validate(given)
    [error] = caught.value.errors()
    return ".".join(map(str, error["loc"])) + ": " + error["msg"].removeprefix("Value error, ")


@pytest.mark.parametrize(
    ("payload", "after_a_yes", "after_a_no"),
    [
        ("{approved}", True, False),
        ("{status}", "approved", "timed_out"),
        ({"is_approved": "{approved}"}, {"is_approved": True}, {"is_approved": False}),
        (["{approved}", "{processed_by}"], [True, "U0ADA"], [False, None]),
        ("{approved}: by {processed_by}", "true: by U0ADA", "false: by "),
        ({"a": {"b": ["{status}", 1, None, False]}}, {"a": {"b": ["approved", 1, None, False]}}, None),
        ("{{approved}} {status} {{}}", "{approved} approved {}", None),
        ("{{{status}}}", "{approved}", None),
        ({"{approved}": "{status}"}, {"{approved}": "approved"}, None),
        # Text of people is never read as a template.
        ("{status} {comments}", 'approved Go {approved} {{x}} "now"', None),
    ],
)
def test_a_payload_is_filled_in(payload: Any, after_a_yes: Any, after_a_no: Any) -> None:
    assert target(payload).filled_in(YES) == after_a_yes
    if after_a_no is not None:
        assert target(payload).filled_in(NO) == after_a_no


def test_without_a_payload_the_usual_parts_are_sent() -> None:
    sent = ResponseTarget(instance_id="order-1", event_name="ApprovalEvent").filled_in(YES)
    assert sent == {name: YES[name] for name in PARTS if name not in {"digest", "nonce"}}


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (
            {"by": {"who": ["{approver}"]}, "is": "{approved}"},
            "by.who.0: there is no {approver}; there are {app",
        ),
        ("{approved} {Approved}", "there is no {Approved}"),
        ("{approved} {}", "there is no {}"),
        ("{approved} {outcome.status}", "there is no {outcome.status}"),
        ({"x": "{approved"}, "x: a brace stands alone"),
        ({"x": "approved} {status}"}, "x: a brace stands alone"),
        ({"x": "{status}", "y": "}"}, "y: a brace stands alone"),
        (True, "must say how it ended"),
        ({"is_approved": True}, "must say how it ended"),
        ({"{approved}": True}, "must say how it ended"),
        ("{{approved}}", "must say how it ended"),
        ({"who": "{processed_by}", "why": "{comments}"}, "must say how it ended"),
        (None, "must say how it ended"),
        ({}, "must say how it ended"),
        ({"x": ["{status}", "a\0"]}, "x.1: has the character U+0000"),
        ({"a\0": "{status}"}, "has the character U+0000"),
        (
            ["{status}"] * (MOST_NAMES + 1),
            f"must name at most {MOST_NAMES} parts of the outcome, and names 21",
        ),
        ("{status}" + "x" * LONGEST_PAYLOAD, "must be at most"),
    ],
)
def test_a_payload_that_would_mislead_is_refused_and_the_place_is_named(payload: Any, why: str) -> None:
    said = fault(instance_id="order-1", event_name="ApprovalEvent", payload=payload)
    assert said.startswith(f"payload: {why}"), said


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "give either instance_id and event_name, or url"),
        ({"event_name": "X"}, "give either"),
        ({"instance_id": "a", "event_name": "X", "url": "https://a.example/"}, "give either"),
        ({"instance_id": "a"}, "event_name is missing: say which"),
        (
            {"url": "https://a.example/raiseEvent/{eventName}?code=x"},
            "event_name is missing: the url has a place",
        ),
        ({"url": "https://a.example/raiseEvent/X", "event_name": "X"}, "event_name has no place in the url"),
        ({"instance_id": "@person@U0ADA", "event_name": "X"}, "instance_id"),
        ({"instance_id": "a b", "event_name": "X"}, "instance_id"),
        ({"instance_id": "a", "event_name": "X\n"}, "event_name"),
        ({"url": "https://good.example@evil.example/"}, "url"),
        ({"url": "https://good.example\\@evil.example/"}, "url"),
        ({"url": "https://good.example/a\\b"}, "url"),
        ({"url": "https://good.example#@evil.example/"}, "url"),
        ({"url": "ftp://good.example/"}, "url"),
        ({"url": "https:///x"}, "url"),
        ({"url": "https://good.example:99999/"}, "is not an address"),
        ({"url": "https://[::1/"}, "url"),
        ({"url": "https://good.example/", "headers": {}}, "headers"),
    ],
)
def test_a_target_that_names_no_one_place_is_refused(given: dict[str, Any], why: str) -> None:
    assert why in fault(**given)


@pytest.mark.parametrize(
    ("url", "address", "origin"),
    [
        ("https://A.example", "https://A.example", "https://a.example"),
        ("https://a.example:443/x?y=1", "https://a.example:443/x?y=1", "https://a.example"),
        ("http://10.0.0.5:8080/x", "http://10.0.0.5:8080/x", "http://10.0.0.5:8080"),
        ("http://[2001:DB8::1]:81/x", "http://[2001:DB8::1]:81/x", "http://[2001:db8::1]:81"),
        ("https://a.example?x={eventName}", "https://a.example?x=Is%20it%2Fso%3F", "https://a.example"),
        ("https://a.example/%7BeventName%7D?code=k", "https://a.example/Is%20it%2Fso%3F?code=k", None),
    ],
)
def test_a_url_is_called_with_the_event_in_it_and_known_by_its_origin(
    url: str, address: str, origin: str | None
) -> None:
    placed = "eventName" in url
    found = ResponseTarget(url=url, event_name="Is it/so?" if placed else None)
    assert found.address == address
    assert found.origin == origin or origin is None


@pytest.mark.parametrize("url", ["https://a.example\n", "a.example", "https://", "https://u@a.example", ""])
def test_no_origin_is_made_of_anything_else(url: str) -> None:
    with pytest.raises(ValueError, match="is not an address such as"):
        origin_of(url)

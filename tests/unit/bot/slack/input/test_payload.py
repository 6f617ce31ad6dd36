"""Slack's payloads are read, or refused with the name of the wrong part and nothing of its content."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from bot.slack.input import payload
from bot.slack.input.payload import UnreadablePayloadError
from tests.fuzz.payloads import GENUINE


def test_what_slack_sends_is_taken() -> None:
    for genuine in GENUINE:
        payload.check(genuine)
        # New or empty fields are no fault.
        payload.check({**genuine, "of_tomorrow": [1], "enterprise": None, "is_enterprise_install": False})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"user": {"id": "my secret"}}, "user.id is of another kind"),
        ({"user": {"id": "secret"}}, "a press has user.id, trigger_id and actions"),
        ({"user": None}, "a press has user.id, trigger_id and actions"),
        ({"actions": []}, "actions is of another kind"),
        ({"channel": {"id": "my secret"}}, "channel.id is of another kind"),
        ({"message": {"blocks": [{"block_id": "b"}]}}, "message.blocks.type is missing"),
    ],
)
def test_the_fault_names_its_part_and_says_nothing_of_what_is_in_it(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(UnreadablePayloadError) as refused:
        payload.check({**GENUINE[0], **changes})
    assert str(refused.value) == f"This is not as Slack sends it: {said}."


@pytest.mark.parametrize(
    "body", ["payload=null", "payload=[]", "payload={", "[" * 5000, "payload=" + "[" * 5000, "{"]
)
def test_a_body_that_is_no_payload_is_refused(body: str) -> None:
    with pytest.raises(UnreadablePayloadError):
        payload.check_body(
            body, "application/json" if body[0] in "[{" else "application/x-www-form-urlencoded"
        )


def test_a_body_is_read_as_bolt_reads_it() -> None:
    payload.check_body(urlencode({"payload": json.dumps(GENUINE[0])}), "application/x-www-form-urlencoded")

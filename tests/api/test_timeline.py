"""A code by SMS in the timeline: that it was asked for, of whom, and how that ended; never which, nor what number."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from durabletask import history as past

from bot.api.timeline import moments

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def sent(user: Any = "U0ADA") -> past.SubOrchestrationInstanceCreatedEvent:
    given = json.dumps({"target": {"user": user, "masked": "+1…42"}, "subject": "approve x"})
    return past.SubOrchestrationInstanceCreatedEvent(
        event_id=3, timestamp=AT, instance_id="x-sms-1", name="sms_challenge", input=given
    )


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [
        ("verified", "code_confirmed", "The code was confirmed"),
        ("expired", "code_failed", "No confirmation by code: expired"),
        ("failed", "code_failed", "No confirmation by code: failed"),
    ],
)
def test_a_code_is_sent_and_answered(status: str, kind: str, text: str) -> None:
    ended = past.SubOrchestrationInstanceCompletedEvent(
        event_id=-1, timestamp=AT, task_scheduled_id=3, result=json.dumps({"status": status})
    )
    asked, answered = moments([sent(), ended])
    assert (asked.kind, asked.actor) == ("code", "U0ADA")
    assert (answered.kind, answered.text, answered.actor) == (kind, text, "U0ADA")


def test_a_challenge_that_broke_confirms_nothing() -> None:
    broken = past.SubOrchestrationInstanceFailedEvent(event_id=-1, timestamp=AT, task_scheduled_id=3)
    assert moments([sent(), broken])[1].kind == "code_failed"


def test_other_sub_orchestrations_and_odd_inputs_are_no_moments_of_ours() -> None:
    """Anyone may start a sub-orchestration of their own in an instance that anyone may name."""
    other = past.SubOrchestrationInstanceCreatedEvent(event_id=4, timestamp=AT, instance_id="y", name="other")
    done = past.SubOrchestrationInstanceCompletedEvent(event_id=-1, timestamp=AT, task_scheduled_id=4)
    assert moments([other, done]) == []
    assert moments([sent(user=["U0ADA"])])[0].actor is None

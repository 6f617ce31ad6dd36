"""Meters count outcomes by policy and the time people took, and nothing under an unknown name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import generate_latest

from bot.metrics.meters import Meters
from orchestration.domain.commands import Reason
from orchestration.domain.gathering import Gathered, GatheringStatus, RecordGatheringInput
from orchestration.domain.request import EscalationCause, LevelState, Status
from tests.support.metrics import samples_of, value_of
from tests.support.receipts import AT, ended

FILE = ["deploy", "poll"]


@pytest.fixture
def meters() -> Meters:
    return Meters(lambda: FILE)


def value(meters: Meters, name: str, /, **labels: str) -> float:
    return value_of(generate_latest(meters.registry).decode(), f"countersign_{name}", **labels)


def gathered() -> RecordGatheringInput:
    result = Gathered(
        request_id="poll-1",
        status=GatheringStatus.INCOMPLETE,
        collected_at=AT,
        is_complete=False,
        digest="a" * 64,
    )
    return RecordGatheringInput(
        result=result, policy="poll", policy_digest="b" * 64, requester="U0RITA", asked_at=AT, attempt=1
    )


def level(cause: EscalationCause | None) -> LevelState:
    return LevelState(name="On call", status=Status.APPROVED, escalated_because=cause)


@pytest.mark.parametrize(
    ("took", "buckets"),
    [(59, {"60.0": 1, "300.0": 1}), (7200, {"3600.0": 0, "7200.0": 1}), (-5, {"60.0": 1})],
)
def test_how_long_people_took_goes_into_the_bucket_of_its_time(
    meters: Meters, took: int, buckets: dict[str, int]
) -> None:
    """Durations are counted in the right bucket, even where a clock was set back meanwhile."""
    asked = ended().asked_at
    meters.recorded(ended(processed_at=asked + timedelta(seconds=took)))
    for le, number in buckets.items():
        assert value(meters, "decision_seconds_bucket", policy="deploy", outcome="approved", le=le) == number
    assert value(meters, "decision_seconds_sum", policy="deploy", outcome="approved") == max(took, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": Status.TIMED_OUT, "processed_by": None},
        {
            "status": Status.REJECTED,
            "processed_by": None,
        },  # nobody decided in time, and the policy then rejects
        {"status": Status.AUTO_APPROVED, "processed_by": None},
        {"status": Status.CANCELLED, "processed_by": "U0RITA"},
    ],
)
def test_what_nobody_decided_has_no_time_to_decision(meters: Meters, changes: dict[str, Any]) -> None:
    meters.recorded(ended(**changes))
    assert value(meters, "requests_total", policy="deploy", outcome=changes["status"].value) == 1
    assert "countersign_decision_seconds_count{" not in generate_latest(meters.registry).decode()


def test_a_request_that_was_escalated_counts_once_for_each_cause(meters: Meters) -> None:
    silence = EscalationCause.SILENCE
    meters.recorded(ended(levels=[level(silence), level(None), level(silence)]))
    meters.recorded(ended(levels=[level(silence), level(EscalationCause.TOO_FEW_LEFT)]))
    assert value(meters, "requests_escalated_total", policy="deploy", cause="silence") == 2
    assert value(meters, "requests_escalated_total", policy="deploy", cause="too_few_left") == 1


def test_a_policy_that_is_not_in_the_file_any_more_is_other(meters: Meters) -> None:
    meters.recorded(gathered())
    FILE.remove("poll")
    try:
        meters.recorded(gathered())
    finally:
        FILE.append("poll")
    assert value(meters, "gatherings_total", policy="poll", outcome="incomplete") == 1
    assert value(meters, "gatherings_total", policy="other", outcome="incomplete") == 1


def test_every_command_is_accepted_waits_for_a_code_or_is_refused(meters: Meters) -> None:
    for reason in Reason:
        meters.command("api", reason)
    meters.command("a way that nobody knows", Reason.RECORDED)
    seen = [
        one
        for one in samples_of(generate_latest(meters.registry).decode())
        if one.name == "countersign_commands_total"
    ]
    results = {one.labels["reason"]: one.labels["result"] for one in seen}
    assert results.keys() == set(Reason)
    assert {reason for reason, result in results.items() if result == "accepted"} == {
        "recorded",
        "unchanged",
        "restarted",
    }
    assert {reason for reason, result in results.items() if result == "code"} == {
        "code_sent",
        "code_on_its_way",
    }
    assert {one.labels["via"] for one in seen} == {"api", "other"}


@pytest.mark.parametrize(
    ("code", "result", "known"),
    [
        ("ok", "ok", None),
        ("ratelimited", "wait", "ratelimited"),
        ("not_in_channel", "never", "not_in_channel"),
        ("token_revoked", "token", "token_revoked"),
        ("internal_error", "again", "internal_error"),
        ('what"nobody\nknows', "unknown", "unknown"),
        ("no_answer", "no_answer", "no_answer"),
    ],
)
def test_a_call_to_slack_counts_by_what_its_code_means(
    meters: Meters, code: str, result: str, known: str | None
) -> None:
    meters.slack_call("chat.update", code)
    assert value(meters, "slack_calls_total", method="chat.update", result=result) == 1
    if known is not None:
        assert value(meters, "slack_failures_total", method="chat.update", code=known) == 1


@pytest.mark.parametrize(
    ("status", "result"),
    [(201, "ok"), (429, "wait"), (400, "refused"), (503, "again"), (302, "unknown"), (None, "no_answer")],
)
def test_a_call_to_twilio_counts_by_its_status(meters: Meters, status: int | None, result: str) -> None:
    meters.twilio_answered(status)
    assert value(meters, "twilio_calls_total", method="messages.create", result=result) == 1


def test_two_registries_do_not_know_of_each_other(meters: Meters) -> None:
    meters.code_sent("sent", email=True)
    other = Meters(lambda: FILE)
    assert value(meters, "codes_sent_total", channel="email", result="sent") == 1
    assert value(other, "codes_sent_total", channel="email", result="sent") == 0

"""The timeline says, unlike the history, whether a command was accepted. It never shows the code that was sent."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from durabletask import history as past

from bot.http.api.timeline import MEMBERS_SHOWN, timeline_entries
from orchestration.domain.commands import EVENT_DECISION, Reason, Verdict

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
    asked, answered = timeline_entries([sent(), ended])
    assert (asked.kind, asked.actor) == ("code", "U0ADA")
    assert (answered.kind, answered.text, answered.actor) == (kind, text, "U0ADA")


def test_a_code_that_does_not_arrive_says_why() -> None:
    report = json.dumps({"challenge_id": "x-sms-1", "trouble": "not_mobile", "code": 30006})
    raised = past.EventRaisedEvent(event_id=-1, timestamp=AT, name="SmsChallengeUndelivered", input=report)
    [told] = timeline_entries([raised])
    assert (told.kind, told.refused) == ("code_undelivered", None)
    assert told.text.endswith("has not arrived: their enrolled number cannot receive text messages")


def test_a_challenge_that_broke_confirms_nothing() -> None:
    broken = past.SubOrchestrationInstanceFailedEvent(event_id=-1, timestamp=AT, task_scheduled_id=3)
    assert timeline_entries([sent(), broken])[1].kind == "code_failed"


def test_other_sub_orchestrations_and_odd_inputs_are_no_moments_of_ours() -> None:
    """Other programs may start sub-orchestrations with any name."""
    other = past.SubOrchestrationInstanceCreatedEvent(event_id=4, timestamp=AT, instance_id="y", name="other")
    done = past.SubOrchestrationInstanceCompletedEvent(event_id=-1, timestamp=AT, task_scheduled_id=4)
    assert timeline_entries([other, done]) == []
    assert timeline_entries([sent(user=["U0ADA"])])[0].actor is None


@pytest.mark.parametrize(
    ("reason", "refused"),
    [
        (Reason.RECORDED, None),
        (Reason.CODE_SENT, None),
        (
            Reason.NOT_AN_APPROVER,
            "You are not one of the approvers of this request, so nothing changed.",
        ),
    ],
)
def test_a_command_is_told_with_its_verdict(reason: Reason, refused: str | None) -> None:
    """A command without an answer yet, or without an ID, is shown only as received."""

    def pressed(**more: str) -> past.EventRaisedEvent:
        payload = {"actor": "U0RITA", "choice": "approve", **more}
        return past.EventRaisedEvent(
            event_id=-1, timestamp=AT, name=EVENT_DECISION, input=json.dumps(payload)
        )

    verdicts = [Verdict(command_id="press-1", reason=reason)]
    told = timeline_entries(
        [pressed(command_id="press-1"), pressed(command_id="press-2"), pressed()], verdicts
    )
    assert [one.refused for one in told] == [refused, None, None]
    assert {one.kind for one in told} == {"event"}


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ({"kind": "voted", "text": "Fine."}, "Thread reply posted: voted"),
        ({"kind": "escalated", "text": ""}, "Thread reply posted: escalated. Nobody decided in time."),
        ({"kind": "escalated", "text": "Too few."}, "Thread reply posted: escalated. Too few."),
        (["odd"], "Thread reply posted"),
    ],
)
def test_a_reply_says_what_it_was_about_and_an_escalation_why(step: Any, text: str) -> None:
    task = past.TaskScheduledEvent(
        event_id=5, timestamp=AT, name="post_reply", input=json.dumps({"steps": [step]})
    )
    done = past.TaskCompletedEvent(event_id=-1, timestamp=AT, task_scheduled_id=5, result="{}")
    assert [entry.text for entry in timeline_entries([task, done])] == [text]


def test_of_a_large_group_some_are_listed_and_only_for_who_may_see_them() -> None:
    people = [f"U0MEMBER{number}" for number in range(MEMBERS_SHOWN + 5)]
    result = json.dumps({"groups": {"S0ALL": people, "S0NONE": [], "S0ODD": "U0ADA"}})
    events = [
        past.TaskScheduledEvent(event_id=5, timestamp=AT, name="members", input="{}"),
        past.TaskCompletedEvent(event_id=-1, timestamp=AT, task_scheduled_id=5, result=result),
    ]
    [told] = timeline_entries(events, memberships=True)
    assert told.members == {"S0ALL": people[:MEMBERS_SHOWN], "S0NONE": []}
    assert told.member_counts == {"S0ALL": MEMBERS_SHOWN + 5, "S0NONE": 0}
    [told] = timeline_entries(events)
    assert (told.kind, told.members, told.member_counts) == ("members", None, None)


def test_a_timer_says_what_it_is_for_and_whether_anything_still_waits_for_it() -> None:
    """Two levels: the first is decided before its reminder is due; at the second the deadline comes, and it ends."""
    first, second = ({"name": name, "approvers": ["U0ADA"], "timeout": "P2D"} for name in ("Team", "Finance"))
    policy = {
        "key": "p",
        "title": "P",
        "channel": "C0P",
        "levels": [{**first, "remind_every": "PT12H"}, second],
    }
    given = {"request": {"policy": "p", "title": "T", "requester": "U0RITA"}, "nonce": "n", "policy": policy}
    later = AT + timedelta(hours=1)

    def timer(number: int, at: datetime, **length: float) -> past.TimerCreatedEvent:
        return past.TimerCreatedEvent(event_id=number, timestamp=at, fire_at=at + timedelta(**length))

    def fired(set_: past.TimerCreatedEvent) -> past.TimerFiredEvent:
        return past.TimerFiredEvent(
            event_id=-1, timestamp=set_.fire_at, fire_at=set_.fire_at, timer_id=set_.event_id
        )

    deadline, reminder = timer(1, AT, days=2), timer(2, AT, hours=12, seconds=-1)
    own, pause = timer(3, later, days=2, seconds=-2), timer(4, later, seconds=5)
    told = timeline_entries(
        [
            past.ExecutionStartedEvent(event_id=-1, timestamp=AT, name="approval", input=json.dumps(given)),
            *(deadline, reminder, own, pause),
            past.TimerFiredEvent(event_id=-1, timestamp=later, fire_at=later, timer_id=9),
            *(fired(pause), fired(reminder), fired(deadline), fired(own)),
            past.TaskScheduledEvent(event_id=5, timestamp=later, name="sign_receipt", input="{}"),
            fired(own),
        ]
    )
    assert [(entry.kind, entry.timer) for entry in told[1:]] == [
        ("waiting", "deadline"),
        ("waiting", "reminder"),
        ("waiting", "deadline"),
        ("waiting", None),
        ("timer_over", None),
        ("timer", None),
        ("timer_over", "reminder"),
        ("timer_over", "deadline"),
        ("timer", "deadline"),
        ("timer_over", "deadline"),
    ]

"""The panel's story is made from what the API says. Repeated small steps are told once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.demo.access import BotApi
from bot.demo.stories import IN_TURN, ApiStories, outsiders, story
from bot.simulator import SimulatorError, Workspace

APPROVAL: dict[str, Any] = {
    "id": "payment-k7m2x9qd",
    "title": "Pencils",
    "status": "pending",
    "requester": "U0RITA",
    "deadline": "2026-11-22T08:36:31Z",
    "levels": [
        {
            "name": "Finance",
            "status": "pending",
            "approvers": ["S0FINANCE", "U0ADA"],
            "waiting_for": [],
            "delegates": {},
            "escalated_to": None,
        }
    ],
}


def moment(kind: str, text: str = "", **more: Any) -> dict[str, Any]:
    at = {"at": "2026-11-21T08:36:31Z", "actor": None, "channel": None, "until": None, "refused": None}
    return {**at, "kind": kind, "text": text, **more}


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    opened = Workspace.open(tmp_path / "workspace.db")
    yield opened
    opened.close()


def test_what_is_done_several_times_in_one_go_is_told_once() -> None:
    """Steps on both sides of an event, a timer or a wait are told apart."""
    told = story(
        APPROVAL,
        [
            moment("asked", "Asked: Pencils", actor="U0RITA"),
            moment("send_message", actor="U0FIN"),
            moment("post_reply", channel="C0PURCHASES"),
            moment("send_message", actor="U0FAY"),
            moment("event", "ApprovalDecision: approve", actor="U0ADA"),
            moment("send_message", actor="U0RITA"),
        ],
    )
    assert [(step.words, step.times, step.who) for step in told.steps] == [
        ("Started", 1, ("U0RITA",)),
        ("Notified", 2, ("U0FIN", "U0FAY")),
        ("Thread updated", 1, ()),
        ("Event received", 1, ("U0ADA",)),
        ("Notified", 1, ("U0RITA",)),
    ]
    assert told.steps[3].detail == "ApprovalDecision: approve"
    assert (told.waiting and told.waiting.words, told.tone) == ("Waiting for Finance", "open")


def test_a_press_that_was_refused_is_told_as_that_with_what_its_sender_was_told() -> None:
    event = moment("event", "ApprovalDecision: approve", actor="U0RITA", refused="You are not an approver.")
    (step,) = story(APPROVAL, [event]).steps
    assert (step.look, step.words, step.who) == ("trouble", "Refused", ("U0RITA",))
    assert step.detail == "ApprovalDecision: approve. Told: “You are not an approver.”"


def test_while_a_code_is_out_that_is_what_it_waits_for() -> None:
    code = moment("code", actor="U0ADA")
    out = story(APPROVAL, [code]).waiting
    assert out
    assert (out.words, out.who, out.by_phone) == ("Waiting for the code by SMS", ("U0ADA",), True)
    assert out.until == datetime(2026, 11, 21, 8, 38, 31, tzinfo=UTC).timestamp()
    answered = story(APPROVAL, [code, moment("code_failed", actor="U0ADA")]).waiting
    assert answered
    assert (answered.words, answered.by_phone) == ("Waiting for Finance", False)


def test_an_escalated_request_waits_for_the_escalation_too() -> None:
    (level,) = APPROVAL["levels"]
    escalated = {
        **APPROVAL,
        "status": "escalated",
        "levels": [{**level, "status": "escalated", "escalated_to": "C0ESCALATIONS"}],
    }
    told = story(escalated, [])
    assert told.waiting
    assert told.waiting.words == "Waiting for the escalation, or still for Finance"


def test_trouble_is_told_with_its_reason_and_the_unknown_in_its_own_words() -> None:
    told = story(
        {**APPROVAL, "status": "approved"},
        [
            moment(
                "edit_card_put_off", "Card edited: put off, as asked to wait 1.96 s", channel="C0PURCHASES"
            ),
            moment("send_message_failed", "Message sent: failed, no such person", channel="C0GENERAL"),
            moment("brand_new", "Something new happened"),
        ],
    )
    assert [(step.look, step.words, step.detail) for step in told.steps] == [
        ("wait", "Delayed: editing the card", "Asked to wait 2\N{NO-BREAK SPACE}s"),
        ("trouble", "Failed: a message", "no such person"),
        ("quiet", "Something new happened", ""),
    ]
    assert told.steps[0].where == ("C0PURCHASES",)
    assert told.waiting is None


def test_a_short_wait_for_a_turn_in_a_channel_is_not_told() -> None:
    soon, late = "2026-11-21T08:36:32Z", "2026-11-22T08:36:31Z"
    told = story(
        APPROVAL,
        [
            moment("waiting", until=late),
            moment("post_reply_put_off", "Thread reply posted: put off, as asked to wait 0.99 s"),
            moment("post_reply_put_off", "Thread reply posted: put off, as asked to wait 30 s"),
            moment("waiting", until=soon),
            moment("waiting", until=soon),
            moment("timer", until=soon),
            moment("timer", until=soon),
            moment("timer", until=late),
        ],
    )
    assert [(step.look, step.detail) for step in told.steps] == [
        ("wait", ""),
        ("wait", "Asked to wait 30\N{NO-BREAK SPACE}s"),
        ("wait", ""),
        ("timer", ""),
        ("timer", ""),
    ]


def test_a_reminder_is_no_deadline_and_what_is_over_is_not_told() -> None:
    day, later = "2026-11-22T08:36:31Z", "2026-11-23T08:36:31Z"
    told = story(
        APPROVAL,
        [
            moment("waiting", until=day, timer="deadline"),
            moment("waiting", until=day, timer="reminder"),
            moment("timer_over", until=day, timer="reminder"),
            moment("waiting", until=later, timer="deadline"),
            moment("waiting", until=day, timer="reminder"),
            moment("timer", until=day, timer="reminder"),
            moment("code_wrong", "A wrong code came in, 2 tries left", actor="U0ADA"),
            moment("post_card_put_off", "Card posted: put off, as asked to wait 1 s"),
        ],
    )
    assert [(step.words, step.detail, step.timer) for step in told.steps] == [
        ("Deadline set", "", ""),
        ("Reminder set", "", "reminder"),
        ("Deadline set", "", "deadline"),
        ("Reminder set", "", "reminder"),
        ("Reminder due", "", ""),
        ("Wrong code", "2 tries left", ""),
    ]
    assert told.waiting
    assert (told.waiting.timer, told.waiting.note) == ("deadline", IN_TURN)


def test_outsiders_are_neither_asked_nor_asking(workspace: Workspace) -> None:
    """People who are in no group come first: another level may still ask the others."""
    assert outsiders(APPROVAL, workspace.people) == ("U0SAM", "U0DIRK")


async def test_an_id_leads_to_an_approval_and_nowhere_else(workspace: Workspace) -> None:
    """The page names the request, and the demo asks for it with a token that reads."""
    asked: set[str] = set()

    async def answer(request: web.Request) -> web.Response:
        asked.add(request.raw_path)
        return web.json_response({"title": "There is no such request."}, status=404)

    application = web.Application()
    application.router.add_get("/{tail:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with BotApi(f"http://127.0.0.1:{runner.addresses[0][1]}", "csn_nobody") as api:
            for wrong in ("../../readyz?x=", "../policies#", "x?a=b"):
                with pytest.raises(SimulatorError):
                    await ApiStories(api, workspace.people).of(wrong)
    finally:
        await runner.cleanup()
    assert all(path.startswith("/api/approvals/") and "?" not in path for path in asked), asked
    assert len(asked) == 6

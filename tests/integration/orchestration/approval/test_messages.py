"""Which direct messages have buttons, until when, and what each shows once its person can decide no more by it."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any, Final

from durabletask.task import CompletableTask

from bot.slack.messages.notices import notice
from orchestration.approval import asking
from orchestration.approval.effects import Effects
from orchestration.domain.cards import AskState, Notice, StepKind
from orchestration.domain.commands import Reason
from orchestration.domain.effects import Delivery, EditMessageInput, SendMessageInput
from orchestration.domain.people import Away, PersonEntry
from orchestration.domain.policy_book import PolicyBook
from orchestration.domain.request import CardRef, Choice, Status
from tests.support.book import parsed
from tests.support.direct_request import DirectRequest
from tests.support.story import RequestStory

GROUP: Final = "S0MANAGERS"
AWAY: Final = Away.model_validate({"from": "2026-01-01", "until": "2026-12-31"})
BOOK: Final[PolicyBook] = parsed("""
[policies.one]
title = "One of a group, with reminders"
channel = "C0ONE"
[[policies.one.levels]]
name = "Managers"
approvers = ["S0MANAGERS", "U0BOB"]
remind_every = "1h"
timeout = "1d"

[policies.two]
title = "Its escalation needs the code of the first level"
channel = "C0TWO"
delegates = ["U0MAL", "U0CY"]
[[policies.two.levels]]
name = "First"
approvers = ["U0FIN"]
sms = true
timeout = "1d"
[[policies.two.levels]]
name = "Second"
approvers = ["U0ADA", "U0BOB"]
timeout = "1d"
on_timeout = "escalate"
[policies.two.escalation]
channel = "C0MORE"
approvers = ["U0ADA"]
timeout = "1d"

[people.U0ADA]
phone = "+12025550142"
[people.U0FIN]
phone = "+12025550143"
[people.U0MAL]
phone = "+12025550144"
""")


class HeldEffects:
    """The effects of one request, whose activities are done when the test says so."""

    def __init__(self) -> None:
        story = RequestStory(BOOK.policies["one"], amount=None, currency=None)
        self.story, self.record = story, story.record
        self.under_way: list[tuple[str, Any, CompletableTask[Any]]] = []
        self.effects = Effects(self, story.record, lambda: story.at(5))  # type: ignore[arg-type]
        self.record.state.cards = [CardRef(channel="C0ONE", ts="1", round=1)]

    def create_replay_safe_logger(self, logger: logging.Logger) -> logging.Logger:
        return logger

    def call_activity(self, name: str, *, input: Any, return_type: Any) -> CompletableTask[Any]:
        assert return_type is Delivery
        task: CompletableTask[Any] = CompletableTask()
        self.under_way.append((name, input, task))
        return task

    def started(self, kind: type) -> list[Any]:
        """The inputs of that type that are under way."""
        self.effects.outbox.step()
        return [given for _, given, _ in self.under_way if isinstance(given, kind)]

    def done(self, *inputs: Any, impossible: str | None = None) -> None:
        """Report these inputs as done, or as impossible."""
        for one in [one for one in self.under_way if any(one[1] is given for given in inputs)]:
            self.under_way.remove(one)
            message = one[1]
            sent = isinstance(message, SendMessageInput)
            ref = CardRef(channel="D0", ts=message.message_id, round=1) if sent else None
            one[2].complete(Delivery(card=ref, impossible=impossible))
        self.effects.outbox.step()

    def kept(self) -> list[str]:
        return [message.user for message in self.record.state.messages]


def test_a_repeated_message_is_not_opened_again_by_an_edit_that_waited() -> None:
    held = HeldEffects()
    held.record.voting.ask(["U0BOB"])
    held.effects.ask("U0BOB")
    [first] = held.started(SendMessageInput)
    held.done(first)
    held.record.state.confirming = {"U0BOB": "sms-1"}
    held.effects.refresh_messages()
    [edit] = held.started(EditMessageInput)
    assert edit.message.asking is AskState.OPEN
    held.effects.remind("U0BOB")
    [reminder] = held.started(SendMessageInput)
    held.done(reminder)
    held.done(edit)
    [edit] = held.started(EditMessageInput)
    assert (edit.ref.ts, edit.message.asking) == (first.message_id, AskState.REPEATED)
    for confirming in ({}, {"U0BOB": "sms-2"}):
        held.record.state.confirming = confirming
        held.effects.refresh_messages()
    before = held.record.state.messages[0]
    held.done(edit)
    [edit] = [one for one in held.started(EditMessageInput) if one.ref.ts == first.message_id]
    assert edit.message.asking is AskState.REPEATED, "it is looked after while an edit of it waits"
    held.done(*held.started(EditMessageInput))
    held.done(*held.started(EditMessageInput))
    assert [one.message_id for one in held.record.state.messages] == [reminder.message_id]
    assert asking.asking(held.record, before) is None, "what is looked after no more has no buttons"
    held.record.end(Status.CANCELLED, held.story.at(6), by="U0RITA")
    held.effects.refresh_messages()
    [edit] = held.started(EditMessageInput)
    assert edit.ref.ts == reminder.message_id


def test_no_more_messages_have_buttons_than_are_looked_after() -> None:
    """Also where many were drawn at once, each while there still was room."""
    held = HeldEffects()
    people = [f"U0{number:03}" for number in range(asking.DECIDABLE + 3)]
    held.record.voting.ask(people)
    for person in people:
        held.effects.ask(person)
    sent = held.started(SendMessageInput)
    assert {one.asking for one in sent} == {AskState.OPEN}
    held.done(*sent)
    assert held.kept() == people[: asking.DECIDABLE]
    edits = held.started(EditMessageInput)
    assert [(one.message.user, one.message.asking) for one in edits] == [
        (person, None) for person in people[asking.DECIDABLE :]
    ]
    held.done(*edits)
    held.effects.ask("U0MORE")
    [late] = held.started(SendMessageInput)
    assert late.asking is None
    held.done(late)
    assert held.kept() == people[: asking.DECIDABLE]
    assert held.started(EditMessageInput) == []


def test_a_message_that_cannot_be_edited_is_told_and_edited_again_with_the_next_change() -> None:
    held = HeldEffects()
    held.effects.ask("U0BOB")
    held.done(*held.started(SendMessageInput))
    held.story.vote("U0BOB", Choice.APPROVE, 6)
    held.effects.refresh_messages()
    held.done(*held.started(EditMessageInput), impossible="Slack answered invalid_blocks.")
    [told] = held.started(SendMessageInput)
    assert (told.user, told.notice) == ("U0RITA", Notice.CARD_STALE)
    assert (told.step.kind, told.step.place) == (StepKind.CARD_STALE, "U0BOB")
    held.done(told)
    held.story.vote("U0BOB", Choice.REJECT, 7)
    held.effects.refresh_messages()
    [edit] = held.started(EditMessageInput)
    assert "You rejected" in notice(edit.message, {}).text


def test_who_has_left_the_group_reads_nothing_more_of_it() -> None:
    with DirectRequest(BOOK, "one", {GROUP: ["U0ADA", "U0FAY"]}) as request:
        run = request.run
        run.advance(run.now + timedelta(hours=1))
        assert [one.user for one in run.messages if one.asking is AskState.OPEN] == [
            "U0ADA",
            "U0FAY",
            "U0BOB",
        ]
        request.people.groups[GROUP] = ["U0ADA"]
        assert request.press(request.remark("U0BOB")) is Reason.RECORDED
        [edit] = run.message_edits
        assert (edit.user, edit.asking) == ("U0FAY", AskState.NO_SEAT)
        assert notice(edit, {}).text == f"`{run.request_id}` does not wait for you any more."
        told = len(request.told("U0FAY"))
        run.advance(run.now + timedelta(hours=1))
        assert len(request.told("U0FAY")) == told, "and is not reminded"
        assert request.press(request.decision("U0ADA")) is Reason.RECORDED
        assert {one.user for one in run.message_edits[1:]} == {"U0ADA", "U0BOB"}


def test_a_delegate_without_a_code_is_asked_for_the_round_in_which_they_count() -> None:
    """Ada goes away after the level has opened. The escalation needs a code, so there she votes herself."""
    with DirectRequest(BOOK, "two") as request:
        run = request.run
        assert request.press(request.decision("U0FIN")) is Reason.CODE_SENT
        request.code_of("U0FIN")
        request.people.entries["U0ADA"] = PersonEntry(away=AWAY, delegate="U0CY")
        due = run.next_timer()
        assert due is not None
        run.advance(due)
        asked = [one for one in run.messages if one.user == "U0CY"]
        assert [(one.card.round, one.asking) for one in asked] == [(2, AskState.OPEN)]
        assert request.press(request.decision("U0CY", round_=2)) is Reason.RECORDED


def test_the_first_delegate_cannot_decide_once_the_vote_is_handed_to_somebody_else() -> None:
    entries = {"U0ADA": PersonEntry(away=AWAY, delegate="U0CY")}
    with DirectRequest(BOOK, "two", entries=entries) as request:
        run = request.run
        assert request.press(request.decision("U0FIN")) is Reason.CODE_SENT
        request.code_of("U0FIN")
        assert [(one.user, one.asking) for one in run.messages][-1] == ("U0CY", AskState.OPEN)
        due = run.next_timer()
        assert due is not None
        run.advance(due)
        assert run.progress.status is Status.ESCALATED
        assert run.message_edits[-1].asking is AskState.OPEN, "the deadline that it names is a later one"
        assert request.press(request.delegation("U0ADA", "U0MAL", 3)) is Reason.CODE_SENT
        request.code_of("U0ADA")
        assert request.level.delegates == {"U0ADA": "U0MAL"}
        assert (run.message_edits[-1].user, run.message_edits[-1].asking) == ("U0CY", AskState.NO_SEAT)
        assert request.press(request.decision("U0CY", round_=2)) is Reason.NOT_AN_APPROVER
        assert [(one.user, one.asking) for one in run.messages][-1] == ("U0MAL", AskState.OPEN)

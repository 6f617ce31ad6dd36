"""With "all", a level asks those whom the group had when it opened. An empty group counts as known, not as unknown."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from orchestration.approval import asking
from orchestration.approval.outbox_items import SendMessage
from orchestration.domain.cards import AskState, Notice
from orchestration.domain.commands import AskMessage, Reason
from orchestration.domain.request import CardRef, Choice, EscalationCause, Status
from tests.support.book import parsed
from tests.support.direct_request import DirectRequest
from tests.support.story import RequestStory

POLICIES = """
[policies.all]
title = "All of a group"
channel = "C0ALL"
[[policies.all.levels]]
name = "Managers"
approvers = ["S0MANAGERS"]
quorum = "all"
timeout = "1d"
on_timeout = "escalate"
[policies.all.escalation]
channel = "C0MORE"
approvers = ["U0MAX"]
timeout = "1d"

[policies.one]
title = "One of a group, with reminders"
channel = "C0ONE"
[[policies.one.levels]]
name = "Managers"
approvers = ["S0MANAGERS", "U0BOB"]
remind_every = "1h"
timeout = "1d"
"""
BOOK: Final = parsed(POLICIES)
GROUP: Final = "S0MANAGERS"


def test_who_joins_a_group_that_had_nobody_does_not_become_all_of_it() -> None:
    with DirectRequest(BOOK, "all", {GROUP: []}) as request:
        assert request.run.progress.status is Status.ESCALATED
        assert request.level.escalated_because is EscalationCause.TOO_FEW_LEFT
        request.people.groups[GROUP] = ["U0ADA"]
        assert request.press(request.decision("U0ADA")) is Reason.RECORDED
        assert request.run.progress.outcome is None, "nobody was asked, so nobody has decided for all"
        assert request.press(request.decision("U0MAX", round_=2)) is Reason.RECORDED
        assert request.run.output is not None
        assert request.run.output.processed_by == "U0MAX"


def test_a_directory_that_is_silent_at_the_opening_leaves_open_who_is_asked() -> None:
    with DirectRequest(BOOK, "all", {GROUP: ["U0ADA", "U0FAY"]}, silent=True) as request:
        assert (request.run.progress.status, request.level.waiting_for) == (Status.PENDING, [])
        assert request.press(request.decision("U0ADA")) is Reason.DIRECTORY_UNAVAILABLE
        request.people.failing = False
        assert request.press(request.decision("U0ADA")) is Reason.RECORDED
        assert (request.level.waiting_for, request.level.needed) == (["U0FAY"], 2)
        request.people.groups[GROUP] = ["U0ADA", "U0FAY", "U0SAM"]
        assert request.press(request.decision("U0SAM")) is Reason.RECORDED
        assert request.run.progress.outcome is None, "Sam is not who was asked"
        assert request.press(request.decision("U0FAY")) is Reason.RECORDED
        assert request.run.output is not None
        assert request.run.output.status is Status.APPROVED


def test_a_group_that_turns_out_to_be_empty_is_known_to_be_from_then_on() -> None:
    with DirectRequest(BOOK, "all", silent=True) as request:
        request.people.failing = False
        assert request.press(request.remark("U0RITA")) is Reason.RECORDED
        assert request.run.progress.status is Status.ESCALATED
        request.people.groups[GROUP] = ["U0ADA"]
        assert request.press(request.decision("U0ADA")) is Reason.RECORDED
        assert request.run.progress.outcome is None


def test_who_left_a_group_after_it_was_asked_still_counts_to_all() -> None:
    with DirectRequest(BOOK, "all", {GROUP: ["U0ADA", "U0FAY"]}) as request:
        request.people.groups[GROUP] = ["U0ADA"]
        assert request.press(request.decision("U0ADA")) is Reason.RECORDED
        assert request.run.progress.status is Status.ESCALATED
        assert request.run.progress.outcome is None


def test_who_is_reminded_stays_as_it_was_at_the_opening() -> None:
    with DirectRequest(BOOK, "one", {GROUP: []}) as request:
        assert request.level.waiting_for == ["U0BOB"]
        request.people.groups[GROUP] = ["U0ADA"]
        assert request.press(request.remark("U0BOB")) is Reason.RECORDED
        assert request.level.waiting_for == ["U0BOB"]
        assert request.press(request.decision("U0ADA")) is Reason.RECORDED
        assert request.run.output is not None


def test_those_are_reminded_whom_notify_names_and_before_the_deadline_alone() -> None:
    level = BOOK.policies["one"].levels[0]

    def reminded(**changes: object) -> list[str]:
        policy = BOOK.policies["one"].model_copy(update={"levels": [level.model_copy(update=changes)]})
        voting = RequestStory(policy, amount=None, currency=None).record.voting
        voting.ask(["U0ADA", "U0FAY", "U0BOB"])
        voting.absent("U0ADA", "U0SAM")
        return voting.to_remind({GROUP: ["U0ADA", "U0FAY"]})

    assert reminded() == ["U0SAM", "U0FAY", "U0BOB"]
    assert reminded(notify=[GROUP]) == ["U0SAM", "U0FAY"]
    assert reminded(notify=["U0BOB"]) == ["U0BOB"]
    assert reminded(notify=["U0MAX"]) == ["U0SAM", "U0FAY", "U0BOB"], "else nobody would be"
    assert reminded(notify=["U0BOB"], quorum="all") == ["U0SAM", "U0FAY", "U0BOB"], "it takes them all"

    story = RequestStory(BOOK.policies["one"], amount=None, currency=None)
    assert story.record.state.remind_at == story.at(60)
    assert story.record.next_reminder(story.at(22 * 60)) == story.at(23 * 60)
    assert story.record.next_reminder(story.at(23 * 60)) is None, "the request ends at that moment"


def test_a_message_shows_what_became_of_what_it_asks() -> None:
    story = RequestStory(BOOK.policies["one"], amount=None, currency=None)
    record = story.record
    record.voting.ask(["U0ADA", "U0BOB"])

    def sent(user: str, number: str) -> AskMessage:
        ref = CardRef(channel="D0", ts=number, round=1)
        return AskMessage(ref=ref, message_id=number, user=user, reminds=True)

    ada, again, bob = sent("U0ADA", "1"), sent("U0ADA", "2"), sent("U0BOB", "3")
    record.state.messages = [ada, again, bob]

    def stands(*messages: AskMessage) -> list[AskState | None]:
        return [asking.asking(record, message) for message in messages]

    assert stands(ada, again, bob) == [AskState.REPEATED, AskState.OPEN, AskState.OPEN]
    before = asking.drawn_from(record, again)
    story.vote("U0ADA", Choice.APPROVE, 5)
    assert stands(again, bob) == [AskState.VOTED, AskState.OPEN]
    approved = asking.drawn_from(record, again)
    assert approved != before
    story.vote("U0ADA", Choice.REJECT, 6)
    assert asking.drawn_from(record, again) != approved, "it says what they decided"
    before = asking.drawn_from(record, bob)
    record.state.deadline = story.at(3 * 24 * 60)
    assert asking.drawn_from(record, bob) != before, "it says until when"
    story.delegate("U0BOB", "U0SAM")
    assert stands(bob) == [AskState.OVER]
    record.end(Status.CANCELLED, story.at(6), by="U0RITA")
    assert stands(again, bob) == [AskState.VOTED, AskState.OVER]
    assert asking.is_over(record, again), "once it says how it ended"
    others = [sent("U0ADA", str(number)) for number in range(asking.DECIDABLE)]
    record.state.messages = others
    another = SendMessage(
        message_id="another", user="U0MAX", notice=Notice.ASKED, round=1, give_up=timedelta(days=1)
    )
    assert asking.asking(record, another) is None, "so many alone have buttons"

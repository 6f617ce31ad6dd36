"""The whole life of an approval: levels, quorum, delegation, talk, people who are away, reminders, the outcome."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from orchestration.approval.state import ApprovalInput
from orchestration.domain.commands import Reason
from orchestration.domain.errors import DeliveryError
from orchestration.domain.policy import Away, PersonEntry
from orchestration.domain.request import Choice, RemarkKind, Status
from orchestration.reconcile.workflow import ReconcileInput
from tests.integration.orchestration.conftest import Office

ALWAYS = Away.model_validate({"from": date(2020, 1, 1), "until": date(2099, 12, 31)})


# ---- levels and votes ------------------------------------------------------------------------------------


async def test_two_levels_each_with_its_card_and_quorum_and_an_order_at_the_end(office: Office) -> None:
    request_id = await office.ask("budget", amount=Decimal(500), fields={"team": "ops"})
    assert office.board.card("C0BUDGETS").upcoming == ["Finance"]
    assert (await office.decide(request_id, "U0FAY")).accepted
    await office.until(request_id, lambda progress: len(progress.cards) == 2)
    assert (await office.decide(request_id, "U0ADA", round=1)).reason is Reason.ROUND_OVER
    assert (await office.decide(request_id, "U0FAY", round=2)).reason is Reason.COUNTED_BEFORE
    assert (await office.decide(request_id, "U0FIN", round=2)).accepted
    await office.eventually(lambda: len(office.board.card("C0BUDGETS").levels[1].decisions) == 1)
    assert (await office.decide(request_id, "U0FRANK", round=2)).accepted
    outcome = await office.outcome(request_id)
    assert (outcome.status, outcome.processed_by) == (Status.APPROVED, "U0FRANK")
    assert [(level.name, len(level.decisions)) for level in outcome.levels] == [
        ("Manager", 1),
        ("Finance", 2),
    ]
    await office.completed(request_id)
    assert office.board.acted[0][:2] == ("https://erp.example/orders", f"{request_id}:approved:0")
    for channel in ("C0BUDGETS", "C0FINANCE"):
        card = office.board.card(channel)
        assert (card.status, card.open, card.actions[0].answer) == (Status.APPROVED, False, "ok 1")
    assert office.board.steps() == ["voted", "level_passed", "voted", "voted", "ended", "action_done"]


async def test_all_means_everyone_who_was_asked(office: Office) -> None:
    request_id = await office.ask("all")
    for actor in ("U0ADA", "U0FAY"):
        assert (await office.decide(request_id, actor)).accepted
    level = (await office.service.status(request_id)).levels[0]
    assert (level.needed, level.waiting_for, level.status) == (3, ["U0FIN"], Status.PENDING)
    assert await office.waits_of("U0FIN") == [request_id]
    await office.decide(request_id, "U0FIN")
    assert (await office.outcome(request_id)).status is Status.APPROVED
    await office.completed(request_id)
    assert [await office.waits_of(person) for person in ("U0ADA", "U0FAY", "U0FIN")] == [[], [], []]


async def test_all_opens_with_the_directory_down_and_asks_whom_its_first_answer_names(office: Office) -> None:
    """Nothing waits for the directory: the card is there, and the requester can cancel."""
    office.board.problems["members"] = [RuntimeError("down")] * 3
    request_id = await office.ask("all")
    assert (await office.decide(request_id, "U0FAY")).accepted
    assert (await office.service.status(request_id)).levels[0].waiting_for == ["U0ADA", "U0FIN"]
    assert await office.cancel(request_id, "U0RITA") is Reason.RECORDED


async def test_a_vote_changes_and_a_second_rejection_ends_it(office: Office) -> None:
    request_id = await office.ask("vote")
    assert (await office.decide(request_id, "U0ADA")).reason is Reason.RECORDED
    assert (await office.decide(request_id, "U0ADA")).reason is Reason.UNCHANGED
    assert (await office.decide(request_id, "U0ADA", Choice.REJECT)).reason is Reason.RECORDED
    votes = (await office.service.status(request_id)).levels[0].decisions
    assert [(vote.actor, vote.choice) for vote in votes] == [("U0ADA", Choice.REJECT)]
    await office.decide(request_id, "U0FAY", Choice.REJECT)
    outcome = await office.outcome(request_id)
    assert (outcome.status, outcome.processed_by) == (Status.REJECTED, "U0FAY")


async def test_at_a_deadline_the_partial_result_is_kept_and_the_actions_run(office: Office) -> None:
    request_id = await office.ask("budget", amount=Decimal(500))
    await office.decide(request_id, "U0FAY")
    await office.until(request_id, lambda progress: len(progress.cards) == 2)
    await office.decide(request_id, "U0FIN", round=2)
    await office.skip(days=2)
    outcome = await office.outcome(request_id)
    assert (outcome.status, [vote.actor for vote in outcome.levels[1].decisions]) == (
        Status.TIMED_OUT,
        ["U0FIN"],
    )
    await office.completed(request_id)
    assert [where for where, *_ in office.board.acted] == ["https://erp.example/cancel"]
    assert [message.user for message in office.board.messages if message.notice == "outcome"] == ["C0BUDGETS"]


async def test_what_is_below_the_limit_needs_nobody_and_is_shown(office: Office) -> None:
    request_id = await office.ask("budget", amount=Decimal("99.99"))
    assert (await office.outcome(request_id)).status is Status.AUTO_APPROVED
    assert "below 100.00 EUR" in office.board.card("C0BUDGETS").reason


# ---- somebody else ---------------------------------------------------------------------------------------


async def test_a_delegate_votes_instead_for_one_hop(office: Office) -> None:
    request_id = await office.ask("all")
    assert await office.delegate(request_id, "U0FIN", "U0RITA") is Reason.DELEGATE_UNFIT
    assert await office.delegate(request_id, "U0SAM", "U0ZED") is Reason.NOT_AN_APPROVER
    assert await office.delegate(request_id, "U0FIN", "U0ZED") is Reason.RECORDED
    assert await office.delegate(request_id, "U0ZED", "U0YAN") is Reason.ONE_HOP
    assert await office.delegate(request_id, "U0ADA", "U0FIN") is Reason.DELEGATE_UNFIT
    assert (await office.decide(request_id, "U0FIN")).reason is Reason.HANDED_OVER
    assert (await office.waits_of("U0FIN"), await office.waits_of("U0ZED")) == ([], [request_id])
    for actor in ("U0ADA", "U0FAY", "U0ZED"):
        assert (await office.decide(request_id, actor)).accepted
    decisions = (await office.outcome(request_id)).levels[0].decisions
    assert [(vote.actor, vote.for_) for vote in decisions][-1] == ("U0ZED", "U0FIN")
    assert ("U0ZED", "asked") in [(message.user, message.notice) for message in office.board.messages]


async def test_the_last_one_of_all_may_hand_over_to_one_who_has_agreed(office: Office) -> None:
    request_id = await office.ask("all")
    await office.decide(request_id, "U0ADA")
    await office.decide(request_id, "U0FIN")
    assert await office.delegate(request_id, "U0FAY", "U0ADA") is Reason.RECORDED
    assert (await office.outcome(request_id)).status is Status.APPROVED


async def test_the_file_and_a_person_s_own_entry_say_who_decides_for_them(office: Office) -> None:
    await office.service.set_away("U0FIN", PersonEntry(delegate="U0YAN", away=ALWAYS))
    request_id = await office.ask("vote")
    assert office.board.card("C0VOTE").levels[0].delegates == {"U0VERA": "U0BOB", "U0FIN": "U0YAN"}
    assert (await office.decide(request_id, "U0FIN")).reason is Reason.HANDED_OVER
    assert (await office.decide(request_id, "U0YAN")).accepted
    assert (await office.decide(request_id, "U0BOB")).accepted
    votes = (await office.outcome(request_id)).levels[0].decisions
    assert [vote.for_ for vote in votes] == ["U0FIN", "U0VERA"]


@pytest.mark.parametrize("delegate", ["U0RITA", "U0ADA", "U0FIN"])
async def test_a_delegate_who_could_not_decide_decides_for_nobody(office: Office, delegate: str) -> None:
    """The requester, the absent person, and one whose vote the level needs besides."""
    await office.service.set_away("U0ADA", PersonEntry(delegate=delegate, away=ALWAYS))
    request_id = await office.ask("quick")
    assert office.board.card("C0QUICK").levels[0].delegates == {}
    assert (await office.decide(request_id, "U0ADA")).accepted


async def test_the_requester_names_no_delegate_to_decide_the_own_request(office: Office) -> None:
    await office.service.set_away("U0FIN", PersonEntry(delegate="U0PAL", away=ALWAYS))
    request_id = await office.ask(requester="U0FIN")
    assert (await office.decide(request_id, "U0PAL")).reason is Reason.NOT_AN_APPROVER


async def test_one_of_those_it_escalates_to_who_is_away_is_replaced_too(office: Office) -> None:
    await office.service.set_away("U0DAN", PersonEntry(delegate="U0YAN", away=ALWAYS))
    request_id = await office.ask("quick")
    await office.skip(hours=1)
    await office.until(request_id, lambda progress: len(progress.cards) == 2)
    assert (await office.decide(request_id, "U0DAN", round=2)).reason is Reason.HANDED_OVER
    assert (await office.decide(request_id, "U0YAN", round=2)).accepted
    assert (await office.outcome(request_id)).processed_by == "U0YAN"


# ---- talk ------------------------------------------------------------------------------------------------


async def test_a_question_reaches_the_requester_and_the_answer_the_one_who_asked(office: Office) -> None:
    request_id = await office.ask()
    assert await office.say(request_id, "U0RITA", RemarkKind.QUESTION, "Me?") is Reason.NOT_AN_APPROVER
    assert await office.say(request_id, "U0ADA", RemarkKind.QUESTION, "Which model?") is Reason.RECORDED
    assert await office.say(request_id, "U0ADA", RemarkKind.ANSWER, "X1") is Reason.NOT_THE_REQUESTER
    assert await office.say(request_id, "U0RITA", RemarkKind.ANSWER, "X1") is Reason.RECORDED
    assert await office.say(request_id, "U0SAM", RemarkKind.COMMENT, "Nice!") is Reason.NOT_INVOLVED
    await office.eventually(lambda: len(office.board.messages) == 2)
    assert [(told.user, told.notice) for told in office.board.messages] == [
        ("U0RITA", "question"),
        ("U0ADA", "answer"),
    ]
    await office.eventually(lambda: len(office.board.card("C0PURCHASES").remarks) == 2)


async def test_reminders_go_to_those_who_have_not_decided(office: Office) -> None:
    request_id = await office.ask("budget", amount=Decimal(500))
    await office.skip(hours=12)
    await office.eventually(lambda: office.board.steps() == ["reminded"])
    assert sorted(told.user for told in office.board.messages) == ["U0ADA", "U0FAY"]
    await office.skip(hours=12)
    await office.eventually(lambda: office.board.steps() == ["reminded", "reminded"])
    assert await office.cancel(request_id, "U0RITA") is Reason.RECORDED


async def test_who_has_many_waiting_gets_one_digest_a_day(office: Office) -> None:
    ids = [await office.ask("budget", amount=Decimal(500 + n)) for n in range(6)]
    await office.skip(hours=12)
    await office.eventually(lambda: len(office.board.messages) == 2)
    assert {(told.user, told.notice) for told in office.board.messages} == {
        ("U0ADA", "digest"),
        ("U0FAY", "digest"),
    }
    assert {wait.request_id for wait in office.board.messages[0].waiting} == set(ids)


# ---- what the outcome does -------------------------------------------------------------------------------


async def test_an_action_that_fails_is_reported_to_the_owner_who_has_it_retried(office: Office) -> None:
    office.board.problems["run_action"] = [DeliveryError("404 Not Found")]
    request_id = await office.ask("budget", amount=Decimal(500))
    await office.decide(request_id, "U0FAY")
    for actor in ("U0FIN", "U0FRANK"):
        await office.until(request_id, lambda progress: progress.round == 2)
        await office.decide(request_id, actor, round=2)
    await office.until(request_id, lambda progress: [a.status for a in progress.actions] == ["failed"])
    await office.eventually(
        lambda: ("U0OLGA", "action_failed") in [(told.user, told.notice) for told in office.board.messages]
    )
    assert await office.retry(request_id, "U0SAM") is Reason.NOT_THE_OWNER
    assert await office.retry(request_id, "U0OLGA") is Reason.RECORDED
    await office.completed(request_id)
    assert [(key, event["type"]) for _, key, event in office.board.acted] == [
        (f"{request_id}:approved:0", "approval.approved")
    ]
    assert office.board.card("C0BUDGETS").actions[0].status == "done"


async def test_the_owner_s_time_to_retry_is_over_however_often_others_press(office: Office) -> None:
    office.board.problems["run_action"] = [DeliveryError("404 Not Found")]
    request_id = await office.ask("budget", amount=Decimal(500))
    await office.skip(days=2)
    await office.until(request_id, lambda progress: [a.status for a in progress.actions][:1] == ["failed"])
    await office.due_within(hours=1)
    await office.skip(minutes=50)
    assert await office.retry(request_id, "U0SAM") is Reason.NOT_THE_OWNER
    await office.skip(minutes=11)
    await office.completed(request_id)


async def test_an_edit_that_keeps_failing_is_reported_by_name(office: Office) -> None:
    request_id = await office.ask("quick")
    office.board.problems["edit_card"] = [RuntimeError("502 Bad Gateway") for _ in range(500)]
    await office.cancel(request_id, "U0RITA")
    await office.hasten(lambda: "card_stale" in office.board.steps())
    await office.eventually(
        lambda: ("U0OLGA", "card_stale") in [(told.user, told.notice) for told in office.board.messages]
    )


async def test_an_escalation_card_that_cannot_be_posted_is_reported_and_the_first_still_decides(
    office: Office,
) -> None:
    request_id = await office.ask("quick")
    office.board.problems["post_card"] = [DeliveryError("There is no such channel.")]
    await office.skip(hours=1)
    await office.eventually(lambda: "card_stale" in office.board.steps())
    assert (await office.decide(request_id, "U0DAN")).accepted
    assert (await office.outcome(request_id)).status is Status.APPROVED


async def test_a_terminated_request_is_reconciled_on_its_card_and_for_its_people(office: Office) -> None:
    request_id = await office.ask("all")
    client = office.connection.client()
    await client.terminate_orchestration(request_id)
    outcome = await office.outcome(request_id)
    assert (outcome.status, outcome.reason) == (Status.TERMINATED, "It was stopped by an operator.")
    assert (await office.decide(request_id, "U0ADA")).ended_as is Status.TERMINATED
    given = (await office.runtime(request_id)).get_input(ApprovalInput)
    assert given is not None
    progress = await office.service.status(request_id)
    ended = ReconcileInput(given=given, progress=progress, status=Status.TERMINATED)
    reconciling = await client.schedule_new_orchestration("reconcile", input=ended)
    await client.close()
    await office.completed(reconciling)
    card = office.board.card("C0ALL")
    assert (card.status, card.open, card.reason) == (Status.TERMINATED, False, outcome.reason)
    assert office.board.told == [("U0RITA", Status.TERMINATED)]
    assert [await office.waits_of(person) for person in ("U0ADA", "U0FAY", "U0FIN")] == [[], [], []]

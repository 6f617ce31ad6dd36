"""The whole life of an approval: levels, quorum, delegation, talk, people who are away, reminders, the outcome."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.slack.messages.notices import notice
from bot.slack.messages.thread import line
from orchestration.approval.state import ApprovalInput
from orchestration.domain.commands import Reason
from orchestration.domain.errors import DeliveryError
from orchestration.domain.people import PersonEntry
from orchestration.domain.request import Choice, RemarkKind, Status
from orchestration.reconcile.workflow import ReconcileInput
from tests.support.core_world import CoreWorld
from tests.support.people import ALWAYS

# ---- levels and votes ------------------------------------------------------------------------------------


async def test_two_levels_each_with_its_card_and_quorum_and_an_order_at_the_end(world: CoreWorld) -> None:
    request_id = await world.ask("budget", amount=Decimal(500), fields={"team": "ops"})
    assert world.board.card("C0BUDGETS").upcoming == ["Finance"]
    assert (await world.decide(request_id, "U0FAY")).accepted
    await world.until(request_id, lambda progress: len(progress.cards) == 2)
    assert (await world.decide(request_id, "U0ADA", round=1)).reason is Reason.ROUND_OVER
    assert (await world.decide(request_id, "U0FAY", round=2)).reason is Reason.COUNTED_BEFORE
    assert (await world.decide(request_id, "U0FIN", round=2)).accepted
    await world.eventually(lambda: len(world.board.card("C0BUDGETS").levels[1].decisions) == 1)
    assert (await world.decide(request_id, "U0FRANK", round=2)).accepted
    outcome = await world.outcome(request_id)
    assert (outcome.status, outcome.processed_by) == (Status.APPROVED, "U0FRANK")
    assert [(level.name, len(level.decisions)) for level in outcome.levels] == [
        ("Manager", 1),
        ("Finance", 2),
    ]
    await world.completed(request_id)
    nonce = (await world.service.identity(request_id)).nonce
    assert world.board.acted[0][:2] == ("https://erp.example/orders", f"{request_id}:{nonce}:approved:0")
    for channel in ("C0BUDGETS", "C0FINANCE"):
        card = world.board.card(channel)
        assert (card.status, card.open, card.actions[0].answer) == (Status.APPROVED, False, "ok 1")
    assert world.board.steps() == ["voted", "level_passed", "voted", "voted", "ended", "action_done"]


async def test_all_means_everyone_who_was_asked(world: CoreWorld) -> None:
    request_id = await world.ask("all")
    for actor in ("U0ADA", "U0FAY"):
        assert (await world.decide(request_id, actor)).accepted
    level = (await world.service.status(request_id)).levels[0]
    assert (level.needed, level.waiting_for, level.status) == (3, ["U0FIN"], Status.PENDING)
    assert await world.waits_of("U0FIN") == [request_id]
    await world.decide(request_id, "U0FIN")
    assert (await world.outcome(request_id)).status is Status.APPROVED
    await world.completed(request_id)
    assert [await world.waits_of(person) for person in ("U0ADA", "U0FAY", "U0FIN")] == [[], [], []]


async def test_all_opens_with_the_directory_down_and_asks_whom_its_first_answer_names(
    world: CoreWorld,
) -> None:
    """Nothing waits for the directory: the card is there, and the requester can cancel."""
    world.board.problems["members"] = [RuntimeError("down")] * 3
    request_id = await world.ask("all")
    assert (await world.decide(request_id, "U0FAY")).accepted
    assert (await world.service.status(request_id)).levels[0].waiting_for == ["U0ADA", "U0FIN"]
    assert await world.cancel(request_id, "U0RITA") is Reason.RECORDED


async def test_a_vote_changes_and_a_second_rejection_ends_it(world: CoreWorld) -> None:
    request_id = await world.ask("vote")
    assert (await world.decide(request_id, "U0ADA")).reason is Reason.RECORDED
    assert (await world.decide(request_id, "U0ADA")).reason is Reason.UNCHANGED
    assert (await world.decide(request_id, "U0ADA", Choice.REJECT)).reason is Reason.RECORDED
    votes = (await world.service.status(request_id)).levels[0].decisions
    assert [(vote.actor, vote.choice) for vote in votes] == [("U0ADA", Choice.REJECT)]
    await world.decide(request_id, "U0FAY", Choice.REJECT)
    outcome = await world.outcome(request_id)
    assert (outcome.status, outcome.processed_by) == (Status.REJECTED, "U0FAY")


async def test_at_a_deadline_the_partial_result_is_kept_and_the_actions_run(world: CoreWorld) -> None:
    request_id = await world.ask("budget", amount=Decimal(500))
    await world.decide(request_id, "U0FAY")
    await world.until(request_id, lambda progress: len(progress.cards) == 2)
    await world.decide(request_id, "U0FIN", round=2)
    await world.skip(days=2)
    outcome = await world.outcome(request_id)
    assert (outcome.status, [vote.actor for vote in outcome.levels[1].decisions]) == (
        Status.TIMED_OUT,
        ["U0FIN"],
    )
    await world.completed(request_id)
    assert [where for where, *_ in world.board.acted] == ["https://erp.example/cancel"]
    assert [message.user for message in world.board.messages if message.notice == "outcome"] == ["C0BUDGETS"]


async def test_what_is_below_the_limit_needs_nobody_and_is_shown(world: CoreWorld) -> None:
    request_id = await world.ask("budget", amount=Decimal("99.99"))
    assert (await world.outcome(request_id)).status is Status.AUTO_APPROVED
    assert "below 100.00 EUR" in world.board.card("C0BUDGETS").reason


# ---- somebody else ---------------------------------------------------------------------------------------


async def test_a_delegate_votes_instead_for_one_hop(world: CoreWorld) -> None:
    request_id = await world.ask("all")
    assert await world.delegate(request_id, "U0FIN", "U0RITA") is Reason.DELEGATE_UNFIT
    assert await world.delegate(request_id, "U0SAM", "U0ZED") is Reason.NOT_AN_APPROVER
    assert await world.delegate(request_id, "U0FIN", "U0ZED") is Reason.RECORDED
    assert await world.delegate(request_id, "U0ZED", "U0YAN") is Reason.ONE_HOP
    assert await world.delegate(request_id, "U0ADA", "U0FIN") is Reason.DELEGATE_UNFIT
    assert (await world.decide(request_id, "U0FIN")).reason is Reason.HANDED_OVER
    assert (await world.waits_of("U0FIN"), await world.waits_of("U0ZED")) == ([], [request_id])
    for actor in ("U0ADA", "U0FAY", "U0ZED"):
        assert (await world.decide(request_id, actor)).accepted
    decisions = (await world.outcome(request_id)).levels[0].decisions
    assert [(vote.actor, vote.holder) for vote in decisions][-1] == ("U0ZED", "U0FIN")
    assert ("U0ZED", "asked") in [(message.user, message.notice) for message in world.board.messages]


async def test_the_last_one_of_all_cannot_hand_over_to_one_who_has_agreed(world: CoreWorld) -> None:
    request_id = await world.ask("all")
    await world.decide(request_id, "U0ADA")
    await world.decide(request_id, "U0FIN")
    assert await world.delegate(request_id, "U0FAY", "U0ADA") is Reason.TOO_FEW_LEFT
    assert (await world.decide(request_id, "U0FAY")).accepted
    assert (await world.outcome(request_id)).status is Status.APPROVED


async def test_the_file_and_a_person_s_own_entry_say_who_decides_for_them(world: CoreWorld) -> None:
    await world.service.set_away("U0FIN", PersonEntry(delegate="U0YAN", away=ALWAYS))
    request_id = await world.ask("vote")
    assert world.board.card("C0VOTE").levels[0].delegates == {"U0VERA": "U0BOB", "U0FIN": "U0YAN"}
    assert (await world.decide(request_id, "U0FIN")).reason is Reason.HANDED_OVER
    assert (await world.decide(request_id, "U0YAN")).accepted
    assert (await world.decide(request_id, "U0BOB")).accepted
    votes = (await world.outcome(request_id)).levels[0].decisions
    assert [vote.holder for vote in votes] == ["U0FIN", "U0VERA"]


@pytest.mark.parametrize("delegate", ["U0RITA", "U0ADA", "U0FIN"])
async def test_a_delegate_who_could_not_decide_decides_for_nobody(world: CoreWorld, delegate: str) -> None:
    """The requester, the absent person, and one whose vote the level needs besides."""
    await world.service.set_away("U0ADA", PersonEntry(delegate=delegate, away=ALWAYS))
    request_id = await world.ask("quick")
    assert world.board.card("C0QUICK").levels[0].delegates == {}
    assert (await world.decide(request_id, "U0ADA")).accepted


async def test_the_requester_names_no_delegate_to_decide_the_own_request(world: CoreWorld) -> None:
    await world.service.set_away("U0FIN", PersonEntry(delegate="U0PAL", away=ALWAYS))
    request_id = await world.ask(requester="U0FIN")
    assert (await world.decide(request_id, "U0PAL")).reason is Reason.NOT_AN_APPROVER


async def test_one_of_those_it_escalates_to_who_is_away_is_replaced_too(world: CoreWorld) -> None:
    await world.service.set_away("U0DAN", PersonEntry(delegate="U0YAN", away=ALWAYS))
    request_id = await world.ask("quick")
    await world.skip(hours=1)
    await world.until(request_id, lambda progress: len(progress.cards) == 2)
    assert (await world.decide(request_id, "U0DAN", round=2)).reason is Reason.HANDED_OVER
    assert (await world.decide(request_id, "U0YAN", round=2)).accepted
    assert (await world.outcome(request_id)).processed_by == "U0YAN"


# ---- talk ------------------------------------------------------------------------------------------------


async def test_a_question_reaches_the_requester_and_the_answer_the_one_who_asked(world: CoreWorld) -> None:
    request_id = await world.ask()
    assert await world.say(request_id, "U0RITA", RemarkKind.QUESTION, "Me?") is Reason.NOT_AN_APPROVER
    assert await world.say(request_id, "U0ADA", RemarkKind.QUESTION, "Which model?") is Reason.RECORDED
    assert await world.say(request_id, "U0ADA", RemarkKind.ANSWER, "X1") is Reason.NOT_THE_REQUESTER
    assert await world.say(request_id, "U0RITA", RemarkKind.ANSWER, "X1") is Reason.RECORDED
    assert await world.say(request_id, "U0SAM", RemarkKind.COMMENT, "Nice!") is Reason.NOT_INVOLVED
    await world.eventually(lambda: len(world.board.messages) == 2)
    assert [(told.user, told.notice) for told in world.board.messages] == [
        ("U0RITA", "question"),
        ("U0ADA", "answer"),
    ]
    await world.eventually(lambda: len(world.board.card("C0PURCHASES").remarks) == 2)


async def test_reminders_go_to_those_who_have_not_decided(world: CoreWorld) -> None:
    request_id = await world.ask("budget", amount=Decimal(500))
    await world.skip(hours=12)
    await world.eventually(lambda: world.board.steps() == ["reminded"])
    assert sorted(told.user for told in world.board.messages) == ["U0ADA", "U0FAY"]
    await world.skip(hours=12)
    await world.eventually(lambda: world.board.steps() == ["reminded", "reminded"])
    assert await world.cancel(request_id, "U0RITA") is Reason.RECORDED


async def test_who_has_many_waiting_gets_one_digest_a_day(world: CoreWorld) -> None:
    ids = [await world.ask("budget", amount=Decimal(500 + n)) for n in range(6)]
    await world.skip(hours=12)
    await world.eventually(lambda: len(world.board.messages) == 2)
    assert {(told.user, told.notice) for told in world.board.messages} == {
        ("U0ADA", "digest"),
        ("U0FAY", "digest"),
    }
    assert {wait.request_id for wait in world.board.messages[0].waiting} == set(ids)


# ---- what the outcome does -------------------------------------------------------------------------------


async def test_an_action_that_fails_is_reported_to_the_owner_who_has_it_retried(world: CoreWorld) -> None:
    world.board.problems["run_action"] = [DeliveryError("404 Not Found")]
    request_id = await world.ask("budget", amount=Decimal(500))
    await world.decide(request_id, "U0FAY")
    for actor in ("U0FIN", "U0FRANK"):
        await world.until(request_id, lambda progress: progress.round == 2)
        await world.decide(request_id, actor, round=2)
    await world.until(request_id, lambda progress: [a.status for a in progress.actions] == ["failed"])
    await world.eventually(
        lambda: ("U0OLGA", "action_failed") in [(told.user, told.notice) for told in world.board.messages]
    )
    assert await world.retry(request_id, "U0SAM") is Reason.NOT_THE_OWNER
    assert await world.retry(request_id, "U0OLGA") is Reason.RECORDED
    await world.completed(request_id)
    nonce = (await world.service.identity(request_id)).nonce
    assert [(key, event["type"]) for _, key, event in world.board.acted] == [
        (f"{request_id}:{nonce}:approved:0", "approval.approved")
    ]
    assert world.board.card("C0BUDGETS").actions[0].status == "done"


async def test_the_owner_s_time_to_retry_is_over_however_often_others_press(world: CoreWorld) -> None:
    world.board.problems["run_action"] = [DeliveryError("404 Not Found")]
    request_id = await world.ask("budget", amount=Decimal(500))
    await world.skip(days=2)
    await world.until(request_id, lambda progress: [a.status for a in progress.actions][:1] == ["failed"])
    await world.due_within(hours=1)
    await world.skip(minutes=50)
    assert await world.retry(request_id, "U0SAM") is Reason.NOT_THE_OWNER
    await world.skip(minutes=11)
    await world.completed(request_id)


async def test_an_edit_that_keeps_failing_is_reported_by_name(world: CoreWorld) -> None:
    request_id = await world.ask("quick")
    world.board.problems["edit_card"] = [RuntimeError("502 Bad Gateway") for _ in range(500)]
    await world.cancel(request_id, "U0RITA")
    await world.hasten(lambda: "card_stale" in world.board.steps())
    await world.eventually(
        lambda: ("U0OLGA", "card_stale") in [(told.user, told.notice) for told in world.board.messages]
    )


async def test_an_escalation_card_that_cannot_be_posted_is_reported_and_the_first_still_decides(
    world: CoreWorld,
) -> None:
    request_id = await world.ask("quick")
    world.board.problems["post_card"] = [DeliveryError("There is no such channel.")]
    await world.skip(hours=1)
    await world.eventually(lambda: "card_not_posted" in world.board.steps())
    await world.eventually(
        lambda: ("U0OLGA", "card_not_posted") in [(told.user, told.notice) for told in world.board.messages]
    )
    assert (await world.decide(request_id, "U0DAN", round=2)).accepted
    assert (await world.outcome(request_id)).status is Status.APPROVED


async def test_a_terminated_request_is_reconciled_on_its_card_and_for_its_people(world: CoreWorld) -> None:
    request_id = await world.ask("all")
    client = world.connection.client()
    await client.terminate_orchestration(request_id)
    outcome = await world.outcome(request_id)
    assert (outcome.status, outcome.reason) == (Status.TERMINATED, "It was stopped by an operator.")
    assert (await world.decide(request_id, "U0ADA")).ended_as is Status.TERMINATED
    given = (await world.runtime(request_id)).get_input(ApprovalInput)
    assert given is not None
    progress = await world.service.status(request_id)
    ended = ReconcileInput(given=given, progress=progress, status=Status.TERMINATED)
    reconciling = await client.schedule_new_orchestration("reconcile", input=ended)
    await client.close()
    await world.completed(reconciling)
    card = world.board.card("C0ALL")
    assert (card.status, card.open, card.reason) == (Status.TERMINATED, False, outcome.reason)
    assert world.board.told == [("U0RITA", Status.TERMINATED)]
    assert [await world.waits_of(person) for person in ("U0ADA", "U0FAY", "U0FIN")] == [[], [], []]


async def test_a_callback_that_is_given_up_is_told_as_that_and_can_be_tried_again(world: CoreWorld) -> None:
    world.board.problems["send_callback"] = [DeliveryError("410 Gone")] * 2
    request_id = await world.ask("deploy", amount=None, callback_url="https://ci.example/hook?key=s3cret")
    await world.decide(request_id, "U0ADA")
    await world.until(request_id, lambda progress: progress.callback_failed)
    await world.eventually(lambda: "action_failed" in [told.notice for told in world.board.messages])
    failed = next(told for told in world.board.messages if told.notice == "action_failed")
    assert "ci.example could not be told: 410 Gone" in notice(failed, {}).text
    assert "s3cret" not in notice(failed, {}).text
    assert [user for user, _ in world.board.told] == ["U0RITA"], "told of the decision once"
    await world.eventually(lambda: "action_failed" in world.board.steps())
    said = next(step for _, step in world.board.replies if step.kind == "action_failed")
    assert line(said) == "✗ Failed: 410 Gone · ci.example"
    assert await world.retry(request_id, "U0RITA") is Reason.RECORDED
    await world.eventually(lambda: world.board.steps().count("action_failed") == 2)
    assert await world.retry(request_id, "U0RITA") is Reason.RECORDED
    await world.completed(request_id)
    assert [where for where, _, _ in world.board.acted] == ["https://ci.example/hook?key=s3cret"]
    assert world.board.steps()[-1] == "action_done"
    assert await world.retry(request_id, "U0RITA") is Reason.NOTHING_TO_RETRY


async def test_who_tries_again_too_late_is_told_so(world: CoreWorld) -> None:
    world.board.problems["send_callback"] = [DeliveryError("410 Gone")]
    request_id = await world.ask("deploy", amount=None, callback_url="https://ci.example/hook")
    await world.decide(request_id, "U0ADA")
    await world.until(request_id, lambda progress: progress.callback_failed)
    await world.due_within(days=1)
    await world.skip(days=1, minutes=1)
    await world.completed(request_id)
    assert await world.retry(request_id, "U0RITA") is Reason.RETRY_OVER

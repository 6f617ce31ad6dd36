"""The approval orchestration on the embedded hub, seen through the service and on a notice board."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from orchestration.domain.commands import EVENT_CANCELLED, EVENT_DECISION, Reason
from orchestration.domain.errors import (
    DeliveryError,
    IdempotencyConflictError,
    InvalidRequestError,
    ThrottledError,
    UnknownRequestError,
)
from orchestration.domain.request import ApprovalRequest, Choice, EscalationCause, Status, Via
from orchestration.service.approvals import Actor
from tests.support.core_world import CoreWorld

RITA = Actor(id="U0RITA", via=Via.CHAT)


@pytest.mark.every_hub
async def test_an_approval_ends_the_request_on_the_card_and_for_the_requester(world: CoreWorld) -> None:
    request_id = await world.ask()
    shown = world.board.card("C0PURCHASES")
    assert (shown.status, shown.open, shown.amount) == (Status.PENDING, True, Decimal(4200))
    assert world.board.pinged == ["S0MANAGERS"]

    assert (await world.decide(request_id, "U0FAY")).reason is Reason.RECORDED

    outcome = await world.outcome(request_id)
    assert (outcome.status, outcome.processed_by) == (Status.APPROVED, "U0FAY")
    assert [(vote.actor, vote.choice) for vote in outcome.levels[0].decisions] == [("U0FAY", Choice.APPROVE)]
    await world.eventually(lambda: world.board.card("C0PURCHASES").status is Status.APPROVED)
    assert not world.board.card("C0PURCHASES").open
    await world.eventually(lambda: world.board.told == [("U0RITA", Status.APPROVED)])
    assert world.board.edits == 1


async def test_a_rejection_ends_it_with_the_reason(world: CoreWorld) -> None:
    request_id = await world.ask()
    assert (await world.decide(request_id, "U0FIN", Choice.REJECT, comment="Too dear.")).accepted
    outcome = await world.outcome(request_id)
    assert (outcome.status, outcome.processed_by, outcome.comments) == (Status.REJECTED, "U0FIN", "Too dear.")


@pytest.mark.parametrize(
    ("actor", "choice", "round_", "reason"),
    [
        ("U0SAM", Choice.APPROVE, 1, Reason.NOT_AN_APPROVER),
        ("U0RITA", Choice.APPROVE, 1, Reason.SELF_APPROVAL),
        ("U0ADA", Choice.APPROVE, 2, Reason.ROUND_OVER),
        ("U0ADA", Choice.REJECT, 1, Reason.REASON_REQUIRED),
    ],
)
async def test_who_may_not_decide_changes_nothing(
    world: CoreWorld, actor: str, choice: Choice, round_: int, reason: Reason
) -> None:
    request_id = await world.ask()
    assert (await world.decide(request_id, actor, choice, round_)).reason is reason
    progress = await world.service.status(request_id)
    assert (progress.status, progress.levels[0].decisions) == (Status.PENDING, [])
    assert world.board.edits == 0


async def test_the_late_click_is_told_how_it_ended(world: CoreWorld) -> None:
    request_id = await world.ask()
    await world.decide(request_id, "U0ADA")
    await world.outcome(request_id)
    late = await world.decide(request_id, "U0FIN", Choice.REJECT, comment="No.")
    assert (late.reason, late.ended_as) == (Reason.ALREADY_ENDED, Status.APPROVED)


async def test_a_command_that_is_delivered_twice_counts_once_and_gets_the_same_verdict(
    world: CoreWorld,
) -> None:
    request_id = await world.ask()
    for _ in range(2):
        verdict = await world.decide(request_id, "U0SAM", command_id="same")
        assert verdict.reason is Reason.NOT_AN_APPROVER
    assert len((await world.service.status(request_id)).verdicts) == 1


async def test_two_opposite_clicks_at_once_give_one_outcome_and_two_true_answers(world: CoreWorld) -> None:
    request_id = await world.ask()
    yes, no = await asyncio.gather(
        world.decide(request_id, "U0ADA"), world.decide(request_id, "U0FIN", Choice.REJECT, comment="No.")
    )
    outcome = await world.outcome(request_id)
    winner, loser = (yes, no) if outcome.status is Status.APPROVED else (no, yes)
    assert winner.reason is Reason.RECORDED
    assert (loser.reason, loser.ended_as) == (Reason.ALREADY_ENDED, outcome.status)


@pytest.mark.every_hub
async def test_silence_escalates_and_then_times_out_on_every_card(world: CoreWorld) -> None:
    request_id = await world.ask()
    await world.skip(days=2)
    escalated = await world.until(request_id, lambda progress: len(progress.cards) == 2)
    assert (escalated.status, escalated.round) == (Status.ESCALATED, 2)
    await world.eventually(lambda: world.board.card("C0PURCHASES").status is Status.ESCALATED)
    first = world.board.card("C0PURCHASES")
    assert first.open
    assert (first.levels[0].escalated_to, first.escalation) == ("C0ESCALATIONS", False)
    assert first.levels[0].escalated_because is EscalationCause.SILENCE
    assert world.board.card("C0ESCALATIONS").escalation

    await world.skip(days=1)
    outcome = await world.outcome(request_id)
    assert (outcome.status, outcome.processed_by) == (Status.TIMED_OUT, None)
    assert (
        outcome.processed_at - escalated.levels[0].deadline == timedelta(0)
        if escalated.levels[0].deadline
        else False
    )
    for channel in ("C0PURCHASES", "C0ESCALATIONS"):
        await world.eventually(lambda channel=channel: world.board.card(channel).status is Status.TIMED_OUT)
        assert not world.board.card(channel).open
    told = [Status.ESCALATED, Status.TIMED_OUT]
    await world.eventually(lambda: [status for _, status in world.board.told] == told)


@pytest.mark.parametrize(("actor", "round_"), [("U0DIRK", 2), ("U0ADA", 1)])
async def test_after_an_escalation_either_card_decides(world: CoreWorld, actor: str, round_: int) -> None:
    request_id = await world.ask()
    await world.skip(days=2)
    await world.until(request_id, lambda progress: len(progress.cards) == 2)
    assert (await world.decide(request_id, actor, round=round_)).accepted
    assert (await world.outcome(request_id)).processed_by == actor
    for channel in ("C0PURCHASES", "C0ESCALATIONS"):
        await world.eventually(lambda channel=channel: world.board.card(channel).status is Status.APPROVED)


async def test_a_director_cannot_decide_before_the_escalation(world: CoreWorld) -> None:
    request_id = await world.ask()
    assert (await world.decide(request_id, "U0DIRK")).reason is Reason.NOT_AN_APPROVER


async def test_no_answer_can_mean_rejected_or_timed_out(world: CoreWorld) -> None:
    document, deploy = await world.ask("document"), await world.ask("deploy")
    await world.skip(hours=72)
    assert (await world.outcome(document)).status is Status.REJECTED
    assert (await world.outcome(deploy)).status is Status.TIMED_OUT
    assert (await world.decide(deploy, "U0ADA")).ended_as is Status.TIMED_OUT


async def test_a_request_may_shorten_its_time_but_not_lengthen_it(world: CoreWorld) -> None:
    short = await world.ask("deploy", timeout="5m")
    long = await world.ask("deploy", timeout="5d")
    await world.skip(minutes=6)
    assert (await world.outcome(short)).status is Status.TIMED_OUT
    assert (await world.service.status(long)).status is Status.PENDING
    await world.skip(minutes=25)
    assert (await world.outcome(long)).status is Status.TIMED_OUT


@pytest.mark.every_hub
async def test_the_requester_alone_can_cancel(world: CoreWorld) -> None:
    request_id = await world.ask()
    sam = await world.service.cancel(request_id, Actor(id="U0SAM", via=Via.CHAT))
    assert (await world.service.verdict(sam)).reason is Reason.NOT_THE_REQUESTER
    rita = await world.service.cancel(request_id, RITA, reason="Found some in the cupboard.")
    assert (await world.service.verdict(rita)).accepted
    outcome = await world.outcome(request_id)
    assert (outcome.status, outcome.comments) == (Status.CANCELLED, "Found some in the cupboard.")


# ---- asking ----------------------------------------------------------------------------------------------


async def test_an_idempotency_key_asks_once(world: CoreWorld) -> None:
    first = await world.ask(idempotency_key="order-1")
    assert await world.ask(idempotency_key="order-1") == first
    assert world.board.posts == 1
    with pytest.raises(IdempotencyConflictError):
        await world.ask(idempotency_key="order-1", title="Something else")


async def test_an_unknown_policy_or_request_is_said_by_name(world: CoreWorld) -> None:
    with pytest.raises(
        InvalidRequestError, match="there is no 'coffee'; there is all, budget, changed, deploy"
    ):
        await world.service.start(ApprovalRequest(policy="coffee", title="Beans", requester="U0RITA"))
    with pytest.raises(UnknownRequestError):
        await world.decide("purchase-00000000", "U0ADA")


# ---- events from anywhere --------------------------------------------------------------------------------


MALFORMED: list[object] = [
    None,
    "yes",
    7,
    [],
    {},
    {"choice": "approve"},
    {"command_id": "x", "actor": "U0ADA", "choice": "maybe"},
    {"command_id": "x" * 200, "actor": "U0ADA", "via": "chat", "round": 1, "choice": "approve"},
    {"command_id": "y", "actor": "U0ADA", "via": "chat", "round": "first", "choice": "approve"},
]


async def test_malformed_events_neither_fail_nor_decide(world: CoreWorld) -> None:
    request_id = await world.ask()
    client = world.connection.client()
    for payload in MALFORMED:
        for event in (EVENT_DECISION, EVENT_CANCELLED, "SomethingElse"):
            await client.raise_orchestration_event(request_id, event, data=payload)
    await client.close()
    assert (await world.decide(request_id, "U0SAM")).reason is Reason.NOT_AN_APPROVER
    progress = await world.service.status(request_id)
    assert progress.status is Status.PENDING
    malformed = [verdict.command_id for verdict in progress.verdicts if verdict.reason is Reason.MALFORMED]
    assert set(malformed) == {"x", "y"}
    assert (await world.decide(request_id, "U0ADA")).accepted


# ---- a chat system with troubles of its own --------------------------------------------------------------


async def test_a_throttled_post_waits_durably_and_is_posted_once(world: CoreWorld) -> None:
    world.board.problems["post_card"] = [ThrottledError(30), ThrottledError(30)]
    request_id = await world.service.start(ApprovalRequest(policy="deploy", title="x", requester="U0RITA"))
    await world.until(request_id, lambda progress: progress.round == 1)
    for _ in range(2):
        await world.due_within(seconds=31)
        await world.skip(seconds=31)
    await world.until(request_id, lambda progress: len(progress.cards) == 1)
    assert world.board.posts == 1


@pytest.mark.every_hub
async def test_a_post_whose_answer_was_lost_is_found_instead_of_repeated(world: CoreWorld) -> None:
    world.board.problems["after post_card"] = [ConnectionResetError("the answer was lost")]
    request_id = await world.service.start(ApprovalRequest(policy="deploy", title="x", requester="U0RITA"))
    await world.until(request_id, lambda progress: progress.round == 1)
    await world.eventually(lambda: world.board.posts == 1)
    await world.due_within(seconds=2)
    await world.skip(seconds=2)
    await world.until(request_id, lambda progress: len(progress.cards) == 1)
    assert (world.board.posts, world.board.lookups) == (1, 1)


async def test_a_card_that_cannot_be_posted_ends_the_request_and_the_requester_is_told_why(
    world: CoreWorld,
) -> None:
    world.board.problems["post_card"] = [DeliveryError("The channel C0DEPLOYS does not exist.")]
    request_id = await world.service.start(ApprovalRequest(policy="deploy", title="x", requester="U0RITA"))
    outcome = await world.outcome(request_id)
    assert outcome.status is Status.FAILED
    assert "C0DEPLOYS does not exist" in outcome.reason
    await world.eventually(lambda: world.board.told == [("U0RITA", Status.FAILED)])


async def test_an_edit_that_fails_delays_no_decision_and_comes_later(world: CoreWorld) -> None:
    request_id = await world.ask()
    world.board.problems["edit_card"] = [RuntimeError("502 Bad Gateway")]
    assert (await world.decide(request_id, "U0ADA")).accepted
    assert (await world.outcome(request_id)).status is Status.APPROVED
    await world.eventually(lambda: world.board.told == [("U0RITA", Status.APPROVED)])
    assert world.board.card("C0PURCHASES").open
    await world.due_within(seconds=2)
    await world.skip(seconds=2)
    await world.eventually(lambda: world.board.card("C0PURCHASES").status is Status.APPROVED)


async def test_a_directory_that_is_down_refuses_with_a_reason_and_the_next_click_counts(
    world: CoreWorld,
) -> None:
    """It is asked twice as the level opens, and twice for each click."""
    world.board.problems["members"] = [RuntimeError("down")] * 4
    request_id = await world.ask()
    assert (await world.decide(request_id, "U0ADA")).reason is Reason.DIRECTORY_UNAVAILABLE
    assert (await world.decide(request_id, "U0ADA")).accepted


async def test_fifty_requests_decided_at_once_each_end_as_decided(world: CoreWorld) -> None:
    ids = await asyncio.gather(*(world.ask("deploy", title=f"Deploy {n}") for n in range(50)))
    choices = [Choice.APPROVE if n % 3 else Choice.REJECT for n in range(50)]
    verdicts = await asyncio.gather(
        *(
            world.decide(i, "U0ADA", choice, comment="Because.")
            for i, choice in zip(ids, choices, strict=True)
        )
    )
    assert all(verdict.accepted for verdict in verdicts)
    outcomes = await asyncio.gather(*(world.outcome(i) for i in ids))
    expected = [Status.APPROVED if choice is Choice.APPROVE else Status.REJECTED for choice in choices]
    assert [outcome.status for outcome in outcomes] == expected

"""A command that comes again: the same one changes nothing, and another one under its ID is refused.

Verdicts are forgotten after 100. What came after a command must not be undone by it, however late it comes again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from decimal import Decimal
from typing import Any

import pytest

from bot.slack.ids import SlackIds
from orchestration.challenge.models import ChallengeStatus
from orchestration.domain import policy_file
from orchestration.domain.commands import EVENT_DECISION, Decision, Reason, Verdict
from orchestration.domain.request import Choice, RemarkKind, Status, Via
from orchestration.service.tickets import Ticket
from tests.support.core_world import CoreWorld, by, insisted
from tests.support.direct_request import DirectRequest
from tests.support.people import NUMBERS

MANY = 110
TWO = policy_file.parse(
    """
[policies.two]
title = "Two of two"
channel = "C0TWO"
[[policies.two.levels]]
name = "Team"
approvers = ["U0ADA", "U0BOB"]
quorum = 2
timeout = "1d"
""",
    "repeats.toml",
    SlackIds(),
)


async def say(world: CoreWorld, request_id: str, text: str, command_id: str) -> Verdict:
    def once() -> Awaitable[Ticket]:
        return world.service.comment(request_id, by("U0ADA"), RemarkKind.COMMENT, text, command_id=command_id)

    return await world.service.verdict(await insisted(once))


async def forget(world: CoreWorld, request_id: str) -> None:
    """Comment so often that every earlier verdict is forgotten."""
    for start in range(0, MANY, 10):
        said = (say(world, request_id, str(n), f"said-{n}") for n in range(start, start + 10))
        assert {verdict.reason for verdict in await asyncio.gather(*said)} == {Reason.RECORDED}
    progress = await world.service.status(request_id)
    assert all(verdict.command_id.startswith("said-") for verdict in progress.verdicts)


async def choice_of(world: CoreWorld, request_id: str, person: str = "U0ADA") -> Choice | None:
    level = (await world.service.status(request_id)).levels[0]
    return next((vote.choice for vote in level.decisions if vote.actor == person), None)


@pytest.fixture
async def raised(world: CoreWorld) -> AsyncIterator[Any]:
    """Raises a decision as an event of its own: a hub may deliver one twice."""
    client = world.connection.client()

    async def raise_(request_id: str, **said: object) -> None:
        identity = await world.service.identity(request_id)
        given = {"actor": "U0ADA", "via": "chat", "round": 1, **identity.model_dump(), **said}
        await client.raise_orchestration_event(request_id, EVENT_DECISION, data=given)

    yield raise_
    await client.close()


async def test_an_approval_that_comes_again_after_its_verdict_was_forgotten_does_not_undo_the_rejection(
    world: CoreWorld,
) -> None:
    request_id = await world.ask("vote")
    assert (await world.decide(request_id, "U0ADA", command_id="k1")).reason is Reason.RECORDED
    assert (await world.decide(request_id, "U0ADA", Choice.REJECT, command_id="k2")).reason is Reason.RECORDED
    await forget(world, request_id)
    again = await world.decide(request_id, "U0ADA", command_id="k1")
    assert again.reason is Reason.SUPERSEDED
    assert await choice_of(world, request_id) is Choice.REJECT
    assert (await world.decide(request_id, "U0ADA", Choice.REJECT, command_id="k2")).reason is Reason.RECORDED
    assert (await world.decide(request_id, "U0ADA", command_id="k3")).reason is Reason.RECORDED
    assert await choice_of(world, request_id) is Choice.APPROVE


@pytest.mark.parametrize("stamped", [True, False])
async def test_an_old_event_that_the_hub_delivers_late_is_refused_by_its_count_alone(
    world: CoreWorld, raised: Any, stamped: bool
) -> None:
    """Its ID was never seen. It was taken before the person's last decision counted, or does not say when."""
    request_id = await world.ask("vote")
    before = {"answered": (await world.service.status(request_id)).answered} if stamped else {}
    assert (await world.decide(request_id, "U0ADA")).accepted
    assert (await world.decide(request_id, "U0ADA", Choice.REJECT)).accepted
    await raised(request_id, command_id="late", choice="approve", **before)
    progress = await world.until(request_id, lambda progress: len(progress.verdicts) == 3)
    assert progress.verdicts[-1].reason is Reason.SUPERSEDED
    assert await choice_of(world, request_id) is Choice.REJECT


async def test_two_decisions_that_were_taken_before_either_was_handled_count_in_their_order(
    world: CoreWorld, raised: Any
) -> None:
    """As while no worker runs: the last word stays the last word."""
    request_id = await world.ask("vote")
    for number, choice in enumerate(["approve", "reject"]):
        await raised(request_id, command_id=f"k{number}", choice=choice, answered=0)
    await world.until(request_id, lambda progress: len(progress.verdicts) == 2)
    assert await choice_of(world, request_id) is Choice.REJECT


async def test_a_key_of_a_comment_does_not_answer_a_later_rejection(world: CoreWorld) -> None:
    request_id = await world.ask("deploy")
    assert (await say(world, request_id, "Fine.", "key")).reason is Reason.RECORDED
    rejected = await world.decide(request_id, "U0ADA", Choice.REJECT, comment="No.", command_id="key")
    assert rejected.reason is Reason.ID_REUSED
    assert (await world.service.status(request_id)).status is Status.PENDING
    assert (await say(world, request_id, "Fine.", "key")).reason is Reason.RECORDED
    assert (await world.decide(request_id, "U0ADA", command_id="another")).accepted
    late = await world.decide(request_id, "U0ADA", Choice.REJECT, comment="Never.", command_id="key")
    assert late.reason is Reason.ID_REUSED, "also once the request has ended"


@pytest.mark.parametrize("forgotten", [False, True])
@pytest.mark.parametrize(
    "other",
    [
        {"choice": Choice.REJECT},
        {"comment": "Go."},
        {"actor": "U0FIN"},
        {"round": 2},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_another_command_under_the_same_id_is_refused(
    world: CoreWorld, other: dict[str, Any], forgotten: bool
) -> None:
    request_id = await world.ask("vote")
    assert (await world.decide(request_id, "U0ADA", command_id="key")).reason is Reason.RECORDED
    if forgotten:
        await forget(world, request_id)
    refused = await world.decide(request_id, **{"actor": "U0ADA", **other}, command_id="key")
    assert refused.reason is Reason.ID_REUSED
    assert await choice_of(world, request_id) is Choice.APPROVE
    assert await choice_of(world, request_id, "U0FIN") is None


async def test_a_command_that_could_not_be_read_uses_up_no_id(world: CoreWorld, raised: Any) -> None:
    request_id = await world.ask("deploy")
    await raised(request_id, command_id="key", choice="maybe")
    await world.until(request_id, lambda progress: len(progress.verdicts) == 1)
    assert (await world.decide(request_id, "U0ADA", command_id="key")).reason is Reason.RECORDED


async def test_a_code_for_an_approval_that_was_taken_back_meanwhile_approves_nothing(
    world: CoreWorld,
) -> None:
    request_id = await world.ask("transfer", amount=Decimal(12_400))
    assert (await world.decide(request_id, "U0ADA")).reason is Reason.CODE_SENT
    await world.eventually(lambda: world.phones.texts_to("U0ADA") == 1)
    [challenge] = (await world.service.status(request_id)).confirming.values()
    assert (await world.decide(request_id, "U0ADA", Choice.REJECT, comment="No.")).reason is Reason.RECORDED
    while (await world.challenges.status(challenge)).status is ChallengeStatus.WAITING:
        await asyncio.sleep(0.02)
    heard = await world.challenges.hear(NUMBERS["U0ADA"], world.phones.code("U0ADA"), "SM1")
    assert heard.waiting == 0
    progress = await world.service.status(request_id)
    assert (progress.status, progress.confirming) == (Status.PENDING, {})
    assert await choice_of(world, request_id) is Choice.REJECT


async def test_an_approval_counts_from_when_its_code_came(world: CoreWorld, raised: Any) -> None:
    request_id = await world.ask("transfer", amount=Decimal(12_400))
    assert (await world.decide(request_id, "U0ADA", Choice.REJECT, comment="No.")).reason is Reason.RECORDED
    assert (await world.decide(request_id, "U0ADA")).reason is Reason.CODE_SENT
    await world.eventually(lambda: world.phones.texts_to("U0ADA") == 1)
    await world.challenges.hear(NUMBERS["U0ADA"], world.phones.code("U0ADA"), "SM1")
    await world.until(request_id, lambda progress: not progress.confirming)
    assert await choice_of(world, request_id) is Choice.APPROVE
    await raised(request_id, command_id="late", choice="reject", comment="No.", answered=0)
    progress = await world.until(request_id, lambda progress: len(progress.verdicts) == 3)
    assert progress.verdicts[-1].reason is Reason.SUPERSEDED
    assert await choice_of(world, request_id) is Choice.APPROVE


def test_a_fingerprint_is_of_the_whole_command_but_for_its_id_and_count() -> None:
    first = Decision(
        command_id="a",
        actor="U0ADA",
        via=Via.CHAT,
        nonce="n" * 22,
        digest="d" * 64,
        round=1,
        choice=Choice.APPROVE,
    )
    same = first.model_copy(update={"command_id": "b", "answered": 7})
    assert same.fingerprint() == first.fingerprint()
    changes: list[dict[str, object]] = [
        {"actor": "U0BOB"},
        {"via": Via.API},
        {"token": "ci"},
        {"nonce": "o" * 22},
        {"digest": "e" * 64},
        {"round": 2},
        {"choice": Choice.REJECT},
        {"comment": "x"},
    ]
    assert len({first.fingerprint(), *(first.model_copy(update=one).fingerprint() for one in changes)}) == 9
    unnamed = first.model_copy(update={"round_named": False})
    assert unnamed.fingerprint() != first.fingerprint()
    later = unnamed.model_copy(update={"round": 2})
    assert later.fingerprint() == unnamed.fingerprint(), "the service fills in whichever round is open"


def test_the_id_of_a_command_that_came_too_late_is_used_up() -> None:
    with DirectRequest(TWO, "two") as request:
        request.press(request.remark("U0ADA"))
        assert request.press(request.decision("U0ADA")) is Reason.RECORDED
        late = request.decision("U0ADA").model_copy(update={"answered": 0})
        assert request.press(late) is Reason.SUPERSEDED
        other = request.decision("U0ADA", Choice.REJECT, "No.").model_copy(
            update={"command_id": late.command_id}
        )
        request.run.send(other)
        assert request.run.progress.verdicts[-1].reason is Reason.ID_REUSED
        assert [vote.choice for vote in request.level.decisions] == [Choice.APPROVE]


async def test_a_change_that_comes_again_is_answered_as_before_although_it_is_about_what_is_no_more(
    world: CoreWorld,
) -> None:
    request_id = await world.ask("changed", amount=Decimal(4200), accepts_edits=True)
    shown = await world.service.identity(request_id)
    given: dict[str, Any] = {"edits": {"amount": "3000"}, "shown": shown, "command_id": "once"}
    for _ in range(2):
        assert (await world.decide(request_id, "U0ADA", **given)).reason is Reason.RECORDED
    assert len((await world.service.status(request_id)).edits) == 1
    other = given | {"edits": {"amount": "2000"}}
    assert (await world.decide(request_id, "U0ADA", **other)).reason is Reason.OUTDATED

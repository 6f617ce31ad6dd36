"""A decision counts for what its person was shown: for that start of the request, and for what it asked.

After a purge the same idempotency key gives the same request ID again. What was opened before must not decide that.
"""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal

import pytest

from bot.slack.ids import SlackIds
from orchestration.challenge.models import ChallengeInput
from orchestration.domain.cards import StepKind
from orchestration.domain.commands import (
    EVENT_COMMENT,
    EVENT_DECISION,
    EVENT_DELEGATED,
    Reason,
)
from orchestration.domain.errors import IdempotencyConflictError
from orchestration.domain.request import (
    APPROVAL,
    VERSION,
    ApprovalRequest,
    Identity,
    RemarkKind,
    Status,
)
from orchestration.service.approvals import ApprovalService
from orchestration.service.operations import Operations
from tests.support import PATIENCE_S
from tests.support.board import BoardOutcomes
from tests.support.book import CORE as BOOK
from tests.support.core_world import CoreWorld, by, request_ids
from tests.support.identity import OTHER_NONCE
from tests.support.people import NUMBERS


async def purged(world: CoreWorld, request_id: str) -> None:
    """Withdraws the request, and has the hub forget it."""
    await world.cancel(request_id, "U0RITA")
    await world.completed(request_id)
    client = world.connection.client()
    assert await Operations(client, BoardOutcomes(world.board)).purge(request_id, "U0OPS") >= 1
    await client.close()


async def asked_anew(world: CoreWorld, title: str = "New laptops") -> tuple[str, Identity, Identity]:
    """A request that was purged and asked again with its old key: its ID, what was shown then, and what is now."""
    request_id = await world.ask("deploy", idempotency_key="run-7")
    before = await world.service.identity(request_id)
    await purged(world, request_id)
    assert await world.ask("deploy", idempotency_key="run-7", title=title) == request_id
    return request_id, before, await world.service.identity(request_id)


@pytest.mark.parametrize("title", ["New laptops", "Two yachts"], ids=["the same content", "new content"])
async def test_what_was_shown_before_a_purge_decides_nothing_after_it(world: CoreWorld, title: str) -> None:
    request_id, before, now = await asked_anew(world, title)
    assert before.nonce != now.nonce
    assert (await world.decide(request_id, "U0ADA", shown=before)).reason is Reason.OUTDATED
    assert await world.delegate(request_id, "U0ADA", "U0ZED", shown=before) is Reason.OUTDATED
    for shown in (
        now.model_copy(update={"nonce": before.nonce}),
        now.model_copy(update={"digest": "0" * 64}),
    ):
        assert (await world.decide(request_id, "U0ADA", shown=shown)).reason is Reason.OUTDATED
    progress = await world.service.status(request_id)
    assert (progress.status, progress.levels[0].decisions, progress.levels[0].delegates) == (
        Status.PENDING,
        [],
        {},
    )
    assert (await world.decide(request_id, "U0ADA", shown=now)).reason is Reason.RECORDED


async def test_words_written_about_what_was_purged_are_not_put_under_what_came_after(
    world: CoreWorld,
) -> None:
    request_id, before, _ = await asked_anew(world)
    ticket = await world.service.comment(request_id, by("U0ADA"), RemarkKind.COMMENT, "Fine.", shown=before)
    assert (await world.service.verdict(ticket)).reason is Reason.OUTDATED
    ticket = await world.service.cancel(request_id, by("U0RITA"), shown=before)
    assert (await world.service.verdict(ticket)).reason is Reason.OUTDATED
    assert (await world.service.status(request_id)).status is Status.PENDING


async def test_a_request_asked_anew_has_a_card_of_its_own(world: CoreWorld) -> None:
    """This worker remembers that it posted the card of that ID, and the board still has it."""
    request_id, before, now = await asked_anew(world)
    cards = [card for card in world.board.cards.values() if card.request_id == request_id]
    assert [card.identity for card in cards] == [before, now]
    await world.decide(request_id, "U0ADA")
    await world.completed(request_id)
    cards = [card for card in world.board.cards.values() if card.request_id == request_id]
    assert [card.status for card in cards] == [Status.CANCELLED, Status.APPROVED]
    old, new = dict.fromkeys(ts for ts, _ in world.board.replies)
    assert [step.kind for ts, step in world.board.replies if ts == old] == [StepKind.ENDED]
    assert [step.kind for ts, step in world.board.replies if ts == new] == [StepKind.VOTED, StepKind.ENDED]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (EVENT_DECISION, {"round": 1, "choice": "approve"}),
        (EVENT_DELEGATED, {"round": 1, "to": "U0ZED"}),
    ],
)
@pytest.mark.parametrize("missing", [("nonce",), ("digest",), ("nonce", "digest")])
async def test_an_event_that_does_not_say_what_was_shown_decides_nothing(
    world: CoreWorld, event: str, said: dict[str, object], missing: tuple[str, ...]
) -> None:
    request_id = await world.ask("deploy")
    identity = await world.service.identity(request_id)
    given = {"command_id": "raw", "actor": "U0ADA", "via": "chat", **identity.model_dump(), **said}
    client = world.connection.client()
    await client.raise_orchestration_event(
        request_id, event, data={name: value for name, value in given.items() if name not in missing}
    )
    await client.close()
    progress = await world.until(request_id, lambda progress: bool(progress.verdicts))
    assert [verdict.reason for verdict in progress.verdicts] == [Reason.MALFORMED]
    assert (progress.levels[0].decisions, progress.levels[0].delegates) == ([], {})


async def test_a_comment_that_says_half_of_what_was_shown_is_outdated(world: CoreWorld) -> None:
    request_id = await world.ask("deploy")
    given = {"command_id": "raw", "actor": "U0ADA", "via": "chat", "kind": "comment", "text": "x"}
    nonce = (await world.service.identity(request_id)).nonce
    client = world.connection.client()
    await client.raise_orchestration_event(request_id, EVENT_COMMENT, data={**given, "nonce": nonce})
    await client.close()
    progress = await world.until(request_id, lambda progress: bool(progress.verdicts))
    assert [verdict.reason for verdict in progress.verdicts] == [Reason.OUTDATED]


@pytest.mark.parametrize("policy", [None, "deploy"])
async def test_a_nonce_is_never_taken_from_what_another_orchestration_sends(
    world: CoreWorld, policy: str | None
) -> None:
    """Nor does a policy that is sent without a nonce take the place of ours."""
    request = ApprovalRequest(policy="deploy", title="x", requester="U0RITA").model_dump(mode="json")
    given: dict[str, object] = {"request": request}
    if policy is None:
        given["nonce"] = OTHER_NONCE
    else:
        given["policy"] = BOOK.policies[policy].model_copy(update={"title": "Mine"}).model_dump(mode="json")
    client = world.connection.client()
    await client.schedule_new_orchestration(APPROVAL, input=given, instance_id="deploy-mine", version=VERSION)
    await client.close()
    await world.until("deploy-mine", lambda progress: len(progress.cards) == 1)
    identity = await world.service.identity("deploy-mine")
    assert len(identity.nonce) == 22
    assert identity.nonce != OTHER_NONCE
    assert world.board.card("C0DEPLOYS").policy_title == "Deploy"


# ---- codes -----------------------------------------------------------------------------------------------


async def test_a_code_that_was_sent_before_a_purge_confirms_nothing_after_it(world: CoreWorld) -> None:
    async def pressed() -> tuple[str, str]:
        """Asks, and presses Approve: the challenge, and its code."""
        request_id = await world.ask("wire", amount=Decimal(12_400), idempotency_key="steel")
        texts = world.phones.texts_to("U0ADA")
        assert (await world.decide(request_id, "U0ADA")).reason is Reason.CODE_SENT
        await world.eventually(lambda: world.phones.texts_to("U0ADA") == texts + 1)
        progress = await world.service.status(request_id)
        return progress.confirming["U0ADA"], world.phones.code("U0ADA")

    first, code = await pressed()
    request_id = first.partition("-sms-")[0]
    await purged(world, request_id)
    second, other = await pressed()
    assert first != second
    given = (await world.runtime(second)).get_input(ChallengeInput)
    assert given is not None
    assert json.loads(given.bound)["nonce"] == (await world.service.identity(request_id)).nonce
    assert code != other
    heard = await world.challenges.hear(NUMBERS["U0ADA"], code, "SM1")
    assert heard.answered is not None
    assert not heard.answered.right
    answer = await world.challenges.answer(second, code, "c1")
    assert answer is not None
    assert not answer.right
    assert (await world.service.status(request_id)).levels[0].decisions == []


# ---- request IDs -----------------------------------------------------------------------------------------


async def test_a_key_finds_its_request_after_the_secret_has_changed(world: CoreWorld) -> None:
    request = ApprovalRequest(policy="deploy", title="x", requester="U0RITA", idempotency_key="run-7")
    client = world.connection.client()

    def service(*secrets: str) -> ApprovalService:
        return ApprovalService(client, lambda: BOOK, SlackIds(), request_ids(*secrets))

    first = await service("old").start(request)
    assert await service("new", "old").start(request) == first
    assert await service("newest", "new", "old").start(request) == first
    with pytest.raises(IdempotencyConflictError):
        await service("new", "old").start(request.model_copy(update={"title": "y"}))
    other = await service("new").start(request)
    assert other != first
    await client.close()


async def test_an_outcome_of_a_stopped_request_is_of_this_start(world: CoreWorld) -> None:
    """A request asked anew and stopped again has its cards corrected again, and does not get the first outcome."""
    client = world.connection.client()
    operations = Operations(client, BoardOutcomes(world.board))

    async def stopped() -> str:
        request_id = await world.ask("deploy", idempotency_key="run-7")
        await operations.terminate(request_id, None)
        async with asyncio.timeout(PATIENCE_S):
            while not (
                (progress := await operations.with_reconciled(await world.service.status(request_id))).outcome
                and progress.outcome.receipt
            ):
                await asyncio.sleep(0.01)
        assert progress.nonce
        assert (progress.outcome.status, progress.outcome.nonce) == (Status.TERMINATED, progress.nonce)
        assert all(not card.open for card in world.board.cards.values())
        return request_id

    request_id = await stopped()
    assert await operations.purge(request_id, "U0OPS") >= 1
    assert await stopped() == request_id
    await client.close()


async def test_the_keys_of_what_follows_an_outcome_are_of_this_start(world: CoreWorld) -> None:
    """Otherwise the other system would take the second order for a repeat of the first."""
    client = world.connection.client()
    for _ in range(2):
        request_id = await world.ask(
            "budget", amount=Decimal(5), idempotency_key="desk", callback_url="https://ci.example/done"
        )
        await world.completed(request_id)
        await Operations(client, BoardOutcomes(world.board)).purge(request_id, "U0OPS")
    await client.close()
    assert len({key for _, key, _ in world.board.acted}) == 2


def test_without_the_secret_nobody_can_compute_an_id() -> None:
    request = ApprovalRequest(policy="deploy", title="x", requester="U0RITA")
    assert request_ids("a").of_key(request, "run-7") != request_ids("b").of_key(request, "run-7")
    assert request_ids("b", "a").of_key(request, "run-7") == [
        *request_ids("b").of_key(request, "run-7"),
        *request_ids("a").of_key(request, "run-7"),
    ]


def test_parts_of_a_key_cannot_be_moved_from_one_to_another() -> None:
    ids = request_ids("a")
    one = ApprovalRequest(policy="deploy", title="x", requester="U0RITA")
    other = ApprovalRequest(policy="deploy", title="x", requester="U0RIT")
    assert ids.of_key(one, "x") != ids.of_key(other, "Ax")

"""The outcome and its receipt: nothing goes out before it is signed, and its texts can be checked against it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from orchestration.approval.state import ApprovalInput
from orchestration.domain.cards import Notice, StepKind
from orchestration.domain.errors import DeliveryError
from orchestration.domain.policy import Level, Policy
from orchestration.domain.request import Choice, Status
from orchestration.domain.salts import text_digest
from tests.support.core_world import CoreWorld


async def approved(world: CoreWorld, **changes: object) -> str:
    """Asks, and has both levels approve."""
    request_id = await world.ask("budget", amount=Decimal(500), **changes)
    await world.decide(request_id, "U0ADA")
    await world.until(request_id, lambda progress: len(progress.cards) == 2)
    for actor in ("U0FIN", "U0FRANK"):
        await world.decide(request_id, actor, round=2)
    return request_id


async def test_an_outcome_waits_for_its_receipt_for_as_long_as_that_takes(world: CoreWorld) -> None:
    """The records cannot be written to for half an hour and more, as on a full disk."""
    full = OSError(28, "No space left on device")
    world.board.problems["sign_receipt"] = [full] * 18
    request_id = await approved(world)
    ended = await world.until(request_id, lambda progress: progress.status.ended)
    assert ended.outcome is not None
    assert (ended.status, ended.receipt_pending) == (Status.APPROVED, True)
    await world.hasten(lambda: len(world.board.problems["sign_receipt"]) <= 1)
    assert world.connection.now() - ended.outcome.processed_at > timedelta(minutes=30)
    assert (await world.service.status(request_id)).receipt_pending
    assert not world.board.acted
    await world.hasten(lambda: bool(world.board.acted))
    [(where, _, event)] = world.board.acted
    assert where == "https://erp.example/orders"
    assert event["data"]["outcome"]["receipt"] == f"stamped {request_id} approved"


async def test_an_outcome_that_is_not_to_be_signed_sets_nothing_going(world: CoreWorld) -> None:
    world.board.problems["sign_receipt"] = [DeliveryError("Another outcome is on record.")]
    request_id = await approved(world, callback_url="https://ci.example/done")
    ended = await world.until(
        request_id, lambda progress: progress.status.ended and not progress.receipt_pending
    )
    assert ended.outcome is not None
    assert (ended.status, ended.outcome.receipt, ended.actions) == (Status.APPROVED, None, [])
    await world.eventually(lambda: StepKind.UNSIGNED in world.board.steps())
    told = ("U0OLGA", Notice.UNSIGNED)
    await world.eventually(lambda: told in [(one.user, one.notice) for one in world.board.messages])
    said = [step.text for _, step in world.board.replies if step.kind is StepKind.UNSIGNED]
    assert said == ["Another outcome is on record."]
    assert not world.board.acted


async def test_each_text_has_a_salt_of_its_own_beside_it(world: CoreWorld) -> None:
    request_id = await world.ask()
    await world.decide(request_id, "U0ADA", Choice.REJECT, comment="No.")
    ended = await world.until(request_id, lambda progress: progress.status.ended)
    outcome = ended.outcome
    assert outcome is not None
    [vote] = outcome.levels[0].decisions
    salts = [vote.salt, outcome.comments_salt]
    assert all(len(salt) == 22 for salt in salts)
    assert len(set(salts)) == 2
    assert outcome.reason_salt == ""
    assert text_digest(vote.salt, "No.") != text_digest(outcome.comments_salt, "No.")
    # The start's own salt, from which they come, is where the texts are and nowhere else.
    client = world.connection.client()
    state = await client.get_orchestration_state(request_id)
    await client.close()
    assert state is not None
    given = state.get_input(ApprovalInput)
    assert given is not None
    assert len(given.salt) == 22
    assert given.salt not in ended.model_dump_json()


def test_a_policys_digest_is_of_what_was_written() -> None:
    """A new key with a default, as a later release may bring one, changes no digest; any other value does."""
    level = {"name": "On call", "approvers": ["U0ADA"], "timeout": "30m"}
    given = {"key": "deploy", "title": "Deploy", "channel": "C0DEPLOYS"}
    policy = Policy.model_validate({**given, "levels": [level]})
    assert policy.digest() == Policy.model_validate({**given, "levels": [{**level, "quorum": 1}]}).digest()
    assert policy.digest() != Policy.model_validate({**given, "levels": [{**level, "sms": True}]}).digest()
    assert Level.model_fields["quorum"].default == 1

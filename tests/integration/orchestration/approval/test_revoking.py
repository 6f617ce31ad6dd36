"""The operator takes the right to decide from somebody: what is open keeps its policy, and they decide it no more."""

from __future__ import annotations

from decimal import Decimal

from orchestration.domain.commands import Reason
from orchestration.domain.people import EnrolledPerson
from orchestration.domain.policy_book import PolicyBook
from orchestration.domain.request import Choice, Status
from orchestration.service.approvals import ApprovalService
from orchestration.service.challenges import ChallengeService
from tests.support.book import CORE
from tests.support.core_world import SLACK, CoreWorld, by, request_ids
from tests.support.people import NUMBERS


def without(person: str) -> PolicyBook:
    """The file once the operator has revoked somebody. It names them in policies, for the requests that are open."""
    entry = CORE.people.get(person, EnrolledPerson()).model_copy(update={"revoked": True})
    return CORE.model_copy(update={"people": {**CORE.people, person: entry}})


def service_without(world: CoreWorld, person: str) -> ApprovalService:
    return ApprovalService(world.connection.client(), lambda: without(person), SLACK, request_ids("core"))


async def verdict(
    service: ApprovalService, request_id: str, actor: str, choice: Choice = Choice.APPROVE
) -> Reason:
    shown = await service.identity(request_id)
    ticket = await service.decide(request_id, by(actor), choice, shown=shown, round=1, comment="No.")
    return (await service.verdict(ticket)).reason


async def test_who_is_revoked_decides_nothing_that_is_open(world: CoreWorld) -> None:
    request_id = await world.ask("deploy")
    service = service_without(world, "U0ADA")
    assert await verdict(service, request_id, "U0ADA") is Reason.REVOKED
    assert await verdict(service, request_id, "U0ADA", Choice.REJECT) is Reason.REVOKED
    assert (await world.service.status(request_id)).status is Status.PENDING
    assert await verdict(world.service, request_id, "U0ADA") is Reason.RECORDED


async def test_nobody_decides_for_them_or_hands_them_a_vote(world: CoreWorld) -> None:
    request_id = await world.ask("all")
    assert await world.delegate(request_id, "U0FIN", "U0ZED") is Reason.RECORDED
    assert await verdict(service_without(world, "U0FIN"), request_id, "U0ZED") is Reason.REVOKED
    other = await world.ask("all")
    service = service_without(world, "U0ZED")
    shown = await service.identity(other)
    handed = await service.delegate(other, by("U0FIN"), "U0ZED", shown=shown, round=1)
    assert (await service.verdict(handed)).reason is Reason.DELEGATE_UNFIT
    assert await verdict(world.service, request_id, "U0ZED") is Reason.RECORDED


async def test_a_code_that_is_on_its_way_to_them_confirms_nothing(world: CoreWorld) -> None:
    request_id = await world.ask("wire", amount=Decimal(12_400))
    assert (await world.decide(request_id, "U0ADA")).reason is Reason.CODE_SENT
    await world.eventually(lambda: world.phones.texts_to("U0ADA") == 1)
    code, challenge = world.phones.code("U0ADA"), world.phones.texts[-1][2]
    service = ChallengeService(
        world.connection.client(), world.challenges.codes, revoked=lambda: without("U0ADA").revoked()
    )
    assert (await service.hear(NUMBERS["U0ADA"], code, "SM1")).waiting == 0
    assert await service.answer(challenge, code, "c1") is None
    assert (await world.service.status(request_id)).status is Status.PENDING
    assert (await world.challenges.hear(NUMBERS["U0ADA"], code, "SM2")).answered is not None
    assert (await world.outcome(request_id)).status is Status.APPROVED

"""A code by SMS: on its own, and as the second factor of a decision. The phones are behind a port; the hub is real."""

from __future__ import annotations

import asyncio
import os
import random
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from orchestration.challenge.codes import Codes, mask
from orchestration.challenge.models import (
    EVENT_RESPONSE,
    OF_THE_ACCOUNT,
    ChallengeProgress,
    ChallengeStatus,
    Trouble,
)
from orchestration.challenge.phone import PER_HOUR
from orchestration.domain.commands import Reason
from orchestration.domain.errors import NumberDecryptionError, SmsRefusedError, UnknownRequestError
from orchestration.domain.request import Choice, Factor, Status, Via
from orchestration.service.approvals import Actor
from orchestration.service.challenges import ApiLimits, ChallengeService, Heard
from orchestration.service.sweep import ReconcileSweep
from tests.support import PATIENCE_S
from tests.support.board import refusal
from tests.support.challenges import SOMEBODY, asked, begun, code_in, other
from tests.support.core_world import CoreWorld, insisted
from tests.support.people import NUMBERS

ADA = NUMBERS["U0ADA"]
GUESSES = 10_000 if os.environ.get("COUNTERSIGN_PROOF") else 500


async def ended(world: CoreWorld, challenge: str) -> ChallengeProgress:
    async def look() -> ChallengeProgress:
        while (progress := await world.challenges.status(challenge)).status is ChallengeStatus.WAITING:
            await asyncio.sleep(0.01)
        return progress

    return await asyncio.wait_for(look(), PATIENCE_S)


async def refused(world: CoreWorld, service: ChallengeService, number: str = SOMEBODY) -> Trouble | None:
    """Why a challenge is refused, once all that was sent before is counted."""
    while True:
        progress = await ended(world, await service.start(number, "ci", "U0RITA"))
        if progress.trouble is not Trouble.BUSY:
            return progress.trouble


async def hear(world: CoreWorld, text: str, number: str = SOMEBODY, sid: str = "SM1") -> Heard:
    return await world.challenges.hear(number, text, sid)


# ---- on its own ------------------------------------------------------------------------------------------


async def test_the_right_code_verifies_by_id_and_by_reply(world: CoreWorld) -> None:
    first = await begun(world)
    answered = await world.challenges.answer(first, code_in(world, first), "c1")
    assert answered is not None
    assert answered.right
    assert (await ended(world, first)).status is ChallengeStatus.VERIFIED
    second = await begun(world)
    code = code_in(world, second)
    heard = await hear(world, f" {code[:3]} {code[3:]} ")
    assert heard.answered is not None
    assert heard.answered.right
    assert heard.challenge is not None
    assert heard.challenge.masked == "+1•••••0199"


async def test_three_wrong_codes_fail_it_and_what_is_no_code_costs_nothing(world: CoreWorld) -> None:
    challenge = await begun(world)
    wrong = other(code_in(world, challenge))
    assert (await hear(world, "what is this?")).not_a_code
    assert (await hear(world, wrong + "1")).not_a_code
    lefts = []
    for n in range(3):
        heard = await hear(world, wrong, sid=f"SM{n}")
        assert heard.answered is not None
        lefts.append(heard.answered.attempts_left)
        again = await hear(world, wrong, sid=f"SM{n}")  # the provider delivers it twice
        assert again.answered is None or again.answered.attempts_left == heard.answered.attempts_left
    assert lefts == [2, 1, 0]
    progress = await ended(world, challenge)
    assert (progress.status, progress.trouble) == (ChallengeStatus.FAILED, Trouble.WRONG)
    assert (await hear(world, code_in(world, challenge), sid="SM9")).waiting == 0


async def test_answers_that_come_at_once_are_each_judged(world: CoreWorld) -> None:
    """Those that come while the first is judged wait for their turn, and for nothing else."""
    challenge = await begun(world)
    code = code_in(world, challenge)
    answers = [other(code), other(other(code)), code]
    found = await asyncio.gather(
        *(world.challenges.answer(challenge, digits, f"c{n}") for n, digits in enumerate(answers))
    )
    assert [answer is not None and answer.right for answer in found] == [False, False, True]
    assert (await ended(world, challenge)).status is ChallengeStatus.VERIFIED


async def test_it_expires_after_two_minutes(world: CoreWorld) -> None:
    challenge = await begun(world)
    await world.skip(seconds=119)
    assert (await world.challenges.status(challenge)).status is ChallengeStatus.WAITING
    await world.skip(seconds=2)
    assert (await ended(world, challenge)).status is ChallengeStatus.EXPIRED
    assert (await hear(world, code_in(world, challenge))).waiting == 0


async def test_two_challenges_on_one_phone_are_told_apart_by_the_code(world: CoreWorld) -> None:
    first, second = await begun(world), await begun(world)
    heard = await hear(world, code_in(world, second))
    assert heard.challenge is not None
    assert heard.challenge.challenge_id == second
    assert (await ended(world, second)).status is ChallengeStatus.VERIFIED
    waiting = await world.challenges.status(first)
    assert (waiting.status, waiting.attempts_left) == (ChallengeStatus.WAITING, 3)


async def test_a_wrong_code_costs_every_open_challenge_an_attempt(world: CoreWorld) -> None:
    first, second = await begun(world), await begun(world)
    wrong = next(
        guess
        for n in range(10**6)
        if (guess := f"{n:06}") not in (code_in(world, first), code_in(world, second))
    )
    await hear(world, wrong)
    for challenge in (first, second):
        assert (await world.challenges.status(challenge)).attempts_left == 2


async def test_the_sixth_to_a_number_in_an_hour_is_refused_for_an_hour_and_said_once(
    world: CoreWorld,
) -> None:
    for n in range(5):
        await begun(world, token=f"ci-{n}")
    for _ in range(2):
        assert await refused(world, world.challenges) is Trouble.QUOTA
    assert len(world.phones.texts) == 5
    await world.eventually(lambda: world.phones.quotas == [("U0RITA", "ci", "one number or address")])
    await world.skip(minutes=61)
    await begun(world)


@pytest.mark.parametrize(
    ("limits", "tokens", "whose"),
    [
        (ApiLimits(per_token=2, in_all=9), ["ci", "ci"], "one token"),
        (ApiLimits(per_token=2, in_all=2), ["one", "two"], "all tokens together"),
        (ApiLimits(per_token=0), [], "one token"),
    ],
)
async def test_a_program_that_asks_for_too_many_is_refused_and_its_owner_told(
    world: CoreWorld, limits: ApiLimits, tokens: list[str], whose: str
) -> None:
    client = world.connection.client()
    service = ChallengeService(client, world.challenges.codes, limits)
    for n, token in enumerate(tokens):
        await service.start(f"+1202555015{n}", token, "U0RITA")
        await world.eventually(lambda n=n: len(world.phones.texts) == n + 1)
    number = "+12025550159"
    assert await refused(world, service, number) is Trouble.QUOTA
    assert world.phones.quotas == [("U0RITA", "ci", whose)]
    # What was refused is given back to the number's own budget.
    if whose == "one token":
        for n in range(5):
            await begun(world, number, token=f"other-{n}")
    await client.close()


async def test_what_was_not_sent_does_not_count_but_a_guess_does(world: CoreWorld) -> None:
    """Ten refusals lock nothing. Guesses at a code that is still being sent are not free."""
    for _ in range(10):
        world.phones.problems = [refusal(Trouble.ACCOUNT)]
        found = await ended(world, await asked(world))
        assert found.trouble is Trouble.ACCOUNT
    for _ in range(5):
        world.phones.problems = [ConnectionResetError()] * 4
        challenge = await asked(world)
        await world.due_within(seconds=2)
        heard = await hear(world, "000000", sid=f"SM{challenge}")
        assert heard.answered is not None
        world.phones.problems = []
        await world.skip(minutes=3)
        await ended(world, challenge)
    assert await refused(world, world.challenges) is Trouble.QUOTA


async def test_sends_under_way_are_waited_for_before_a_number_is_locked(world: CoreWorld) -> None:
    """Six at once while the provider does not answer: nobody can tell yet whether the sixth is one too many."""
    world.phones.problems = [ConnectionResetError()] * 20
    for _ in range(5):
        await asked(world)
    await world.eventually(lambda: len(world.phones.problems) == 15)
    busy = await ended(world, await asked(world))
    assert busy.trouble is Trouble.BUSY


@pytest.mark.parametrize(
    "trouble", [Trouble.OPTED_OUT, Trouble.NOT_MOBILE, Trouble.REGION, Trouble.NOT_A_NUMBER]
)
async def test_what_the_provider_refuses_ends_it_at_once(world: CoreWorld, trouble: Trouble) -> None:
    world.phones.problems = [refusal(trouble)]
    progress = await ended(world, await asked(world))
    assert (progress.status, progress.trouble) == (ChallengeStatus.FAILED, trouble)


async def reported(world: CoreWorld, challenge: str, trouble: Trouble) -> ChallengeProgress:
    """The provider reports that the message did not arrive; returns the challenge once it says so."""
    await world.challenges.undelivered(challenge, trouble, 30003)

    async def look() -> ChallengeProgress:
        while (progress := await world.challenges.status(challenge)).trouble is None:
            await asyncio.sleep(0.01)
        return progress

    return await asyncio.wait_for(look(), PATIENCE_S)


async def test_a_report_of_a_failed_delivery_is_said_at_once_and_ends_nothing(world: CoreWorld) -> None:
    late, lost = await begun(world), await begun(world)
    for challenge in (late, lost):
        progress = await reported(world, challenge, Trouble.UNREACHABLE)
        assert (progress.status, progress.trouble) == (ChallengeStatus.WAITING, Trouble.UNREACHABLE)
    heard = await hear(world, code_in(world, late))
    assert heard.answered is not None
    assert heard.answered.right
    progress = await ended(world, late)
    assert (progress.status, progress.trouble) == (ChallengeStatus.VERIFIED, None)
    await world.skip(minutes=3)
    progress = await ended(world, lost)
    assert (progress.status, progress.trouble) == (ChallengeStatus.EXPIRED, Trouble.UNREACHABLE)


async def test_a_report_of_a_failed_delivery_reaches_challenges_alone(world: CoreWorld) -> None:
    """Its address names the challenge; an instance of another kind under that ID is told nothing."""
    for elsewhere in (await world.ask("purchase"), "nobody", "@person@U0ADA"):
        with pytest.raises(UnknownRequestError):
            await world.challenges.undelivered(elsewhere, Trouble.UNDELIVERABLE)
    with pytest.raises(UnknownRequestError):
        await world.challenges.status_alone("nobody")


async def test_a_send_that_is_tried_again_sends_the_same_code(world: CoreWorld) -> None:
    world.phones.problems = [ConnectionResetError()]
    challenge = await asked(world)
    await world.due_within(seconds=2)
    await world.skip(seconds=2)
    await world.eventually(lambda: len(world.phones.texts) == 1)
    answered = await world.challenges.answer(challenge, code_in(world, challenge), "c1")
    assert answered is not None
    assert answered.right


async def test_a_country_that_is_not_allowed_is_not_sent_to(world: CoreWorld) -> None:
    progress = await ended(world, await asked(world, "+447700900123"))
    assert progress.trouble is Trouble.COUNTRY
    assert world.phones.texts == []


async def test_guesses_verify_nothing_and_send_nothing(world: CoreWorld) -> None:
    """However many replies come, three guesses are all that one challenge takes."""
    challenge = await begun(world)
    code = code_in(world, challenge)
    seeded = random.Random(7)
    guesses = [guess for _ in range(GUESSES) if (guess := f"{seeded.randrange(10**6):06}") != code]
    together = 10  # of more at once a busy hub would leave some unanswered
    for batch in range(0, len(guesses), together):
        await asyncio.gather(
            *(
                insisted(partial(hear, world, guess, sid=f"SM{batch + n}"))
                for n, guess in enumerate(guesses[batch : batch + together])
            )
        )
    assert (await ended(world, challenge)).status is ChallengeStatus.FAILED
    assert len(world.phones.texts) == 1


async def test_malformed_responses_cost_nothing(world: CoreWorld) -> None:
    challenge = await begun(world)
    client = world.connection.client()
    for payload in (None, 7, {}, {"command_id": "x", "answer": code_in(world, challenge)}):
        await client.raise_orchestration_event(challenge, EVENT_RESPONSE, data=payload)
    await client.close()
    answered = await world.challenges.answer(challenge, code_in(world, challenge), "c1")
    assert answered is not None
    assert answered.right


# ---- as the second factor of a decision ------------------------------------------------------------------


async def wire(world: CoreWorld, amount: int = 12_400) -> str:
    return await world.ask("wire", amount=Decimal(amount), title="Steel for hall 3")


async def pressed(world: CoreWorld, request_id: str, actor: str = "U0ADA", round: int = 1) -> None:
    """Presses Approve and waits for the text."""
    before = world.phones.texts_to(actor)
    assert (await world.decide(request_id, actor, round=round)).reason is Reason.CODE_SENT
    await world.eventually(lambda: world.phones.texts_to(actor) == before + 1)


async def test_a_text_shows_that_it_has_only_the_beginning_of_a_title(world: CoreWorld) -> None:
    title = "Steel for hall 3, and then twelve more deliveries that fit no text"
    request_id = await world.ask("wire", amount=Decimal(12400), title=title)
    await pressed(world, request_id)
    assert (
        '12,400.00 USD: "Steel for hall 3, and then twelve more deliveries that fi...". Ex'
        in (world.phones.texts[-1][1])
    )


@pytest.mark.every_hub
async def test_an_approval_above_the_amount_counts_when_the_code_comes(world: CoreWorld) -> None:
    request_id = await wire(world)
    await pressed(world, request_id)
    assert world.phones.texts[-1][1].endswith(
        f'to approve {request_id}, 12,400.00 USD: "Steel for hall 3". Expires in 2 min.'
    )
    await world.eventually(lambda: world.board.card("C0WIRES").confirming == ["U0ADA"])
    assert (await world.service.status(request_id)).outcome is None
    await hear(world, world.phones.code("U0ADA"), number=ADA)
    outcome = await world.outcome(request_id)
    assert (outcome.status, outcome.processed_by) == (Status.APPROVED, "U0ADA")
    assert outcome.levels[0].decisions[0].factor is Factor.SMS


async def test_at_or_below_the_amount_and_for_a_rejection_no_code_is_needed(world: CoreWorld) -> None:
    small, large = await wire(world, 10_000), await wire(world, 10_001)
    assert (await world.decide(small, "U0ADA")).accepted
    assert (await world.decide(large, "U0ADA", Choice.REJECT, comment="No.")).accepted
    assert world.phones.texts == []


async def test_a_second_press_sends_no_second_code_and_others_can_decide_meanwhile(world: CoreWorld) -> None:
    request_id = await wire(world)
    await pressed(world, request_id)
    assert (await world.decide(request_id, "U0ADA")).reason is Reason.CODE_ON_ITS_WAY
    await pressed(world, request_id, "U0FIN")
    await hear(world, world.phones.code("U0FIN"), number=NUMBERS["U0FIN"])
    assert (await world.outcome(request_id)).processed_by == "U0FIN"
    assert world.phones.texts_to("U0ADA") == 1
    await world.eventually(lambda: world.board.card("C0WIRES").confirming == [])
    late = await hear(world, world.phones.code("U0ADA"), number=ADA, sid="SM2")
    assert late.waiting == 0


async def test_without_the_code_nothing_counts_and_they_may_press_again(world: CoreWorld) -> None:
    request_id = await wire(world)
    await pressed(world, request_id)
    await world.skip(minutes=3)
    await world.eventually(lambda: any(m.notice == "code_failed" for m in world.board.messages))
    progress = await world.service.status(request_id)
    assert (progress.status, progress.levels[0].decisions) == (Status.PENDING, [])
    await pressed(world, request_id)
    await hear(world, world.phones.code("U0ADA"), number=ADA)
    assert (await world.outcome(request_id)).status is Status.APPROVED


async def test_presses_that_are_confirmed_are_no_attack_however_many(world: CoreWorld) -> None:
    for n in range(PER_HOUR + 1):
        request_id = await wire(world)
        await pressed(world, request_id)
        heard = await hear(world, world.phones.code("U0ADA"), ADA, sid=f"SM{n}")
        assert heard.answered is not None
        assert heard.answered.right
    assert world.phones.alerts == []


async def test_programs_cannot_use_up_the_codes_of_a_decision(world: CoreWorld) -> None:
    """They reach their own limit. A reply with the decision's code costs their challenges nothing."""
    theirs = [await begun(world, ADA) for _ in range(5)]
    assert await refused(world, world.challenges, ADA) is Trouble.QUOTA
    request_id = await wire(world)
    await pressed(world, request_id)
    heard = await hear(world, world.phones.code("U0ADA"), ADA)
    assert heard.waiting == 6
    assert heard.answered is not None
    assert heard.answered.right
    assert (await world.outcome(request_id)).status is Status.APPROVED
    for challenge in theirs:
        assert (await world.challenges.status(challenge)).attempts_left == 3


async def test_many_presses_in_vain_lock_the_number_and_the_escalation_channel_is_told(
    world: CoreWorld,
) -> None:
    request_id = await wire(world)
    for _ in range(PER_HOUR):
        await pressed(world, request_id)
        before = len([m for m in world.board.messages if m.notice == "code_failed"])
        await world.skip(minutes=3)
        await world.eventually(
            lambda before=before: len([m for m in world.board.messages if m.notice == "code_failed"]) > before
        )
    assert (await world.decide(request_id, "U0ADA")).reason is Reason.CODE_SENT
    await world.eventually(lambda: world.phones.alerts == [("C0ESCALATIONS", "+1•••••0142", "U0ADA")])
    assert world.phones.texts_to("U0ADA") == PER_HOUR
    assert (await world.service.status(request_id)).status is Status.PENDING


async def test_a_code_that_arrives_late_counts_and_a_press_sends_another_at_once(world: CoreWorld) -> None:
    first, second = await wire(world), await wire(world)
    for request_id in (first, second):
        await pressed(world, request_id)
        await world.challenges.undelivered(world.phones.texts[-1][2], Trouble.UNREACHABLE, 30003)
        await world.eventually(
            lambda request_id=request_id: (
                ("code_undelivered", request_id)
                in [(m.notice, m.card.request_id) for m in world.board.messages]
            )
        )
        if request_id == second:
            await pressed(world, request_id)
        await hear(world, world.phones.code("U0ADA"), number=ADA, sid=request_id)
        outcome = await world.outcome(request_id)
        assert (outcome.status, outcome.processed_by) == (Status.APPROVED, "U0ADA")
        assert "code_failed" not in {m.notice for m in world.board.messages}


async def test_a_code_that_never_arrives_is_told_once(world: CoreWorld) -> None:
    request_id = await wire(world)
    await pressed(world, request_id)
    for _ in range(2):
        await world.challenges.undelivered(world.phones.texts[-1][2], Trouble.UNREACHABLE, 30003)
    await world.skip(minutes=3)
    await world.eventually(lambda: world.board.card("C0WIRES").confirming == [])
    assert [m.notice for m in world.board.messages] == ["code_undelivered"]
    assert world.phones.undeliverable == []  # nobody but the person can switch their phone on


@pytest.mark.parametrize(
    ("trouble", "numbers"), [(Trouble.ACCOUNT, 1), (Trouble.FILTERED, 1), (Trouble.NOT_MOBILE, 2)]
)
async def test_an_operator_is_told_once_what_keeps_codes_from_arriving(
    world: CoreWorld, trouble: Trouble, numbers: int
) -> None:
    """A fault of the account is told once for everybody, one of a number once for each number; not at each press."""
    request_id = await wire(world)

    async def refused(actor: str) -> None:
        failed = sum(m.notice == "code_failed" for m in world.board.messages)
        world.phones.problems = [SmsRefusedError(trouble, 7)]
        assert (await world.decide(request_id, actor)).reason is Reason.CODE_SENT
        await world.eventually(
            lambda: sum(m.notice == "code_failed" for m in world.board.messages) == failed + 1
        )

    for _ in range(6):
        await refused("U0ADA")
    await refused("U0FIN")
    assert world.phones.alerts == []
    told = [
        ("C0ESCALATIONS", "+1•••••0142", "U0ADA", f"{trouble} 7"),
        ("C0ESCALATIONS", mask(NUMBERS["U0FIN"]), "U0FIN", f"{trouble} 7"),
    ]
    assert world.phones.undeliverable == told[:numbers]
    await pressed(world, request_id, "U0FIN")  # a text is sent again, so what was told of the account is over
    await refused("U0ADA")
    assert world.phones.undeliverable == [*told[:numbers], *(told[:1] if trouble in OF_THE_ACCOUNT else [])]


async def test_a_request_that_was_cut_short_waits_for_no_code(world: CoreWorld) -> None:
    """Otherwise its person would be told that they have confirmed a decision that no longer counts."""
    request_id = await wire(world)
    await pressed(world, request_id)
    client = world.connection.client()
    await client.terminate_orchestration(request_id, recursive=False)
    await world.until(request_id, lambda progress: progress.status is Status.TERMINATED)
    assert await ReconcileSweep(client).sweep() == 1
    await client.close()
    progress = await ended(world, world.phones.texts[-1][2])
    assert (progress.status, progress.trouble) == (ChallengeStatus.FAILED, Trouble.CANCELLED)
    assert (await hear(world, world.phones.code("U0ADA"), number=ADA)).waiting == 0


async def test_who_has_no_phone_is_told_so(world: CoreWorld) -> None:
    request_id = await wire(world)
    assert (await world.decide(request_id, "U0FAY")).reason is Reason.NOT_ENROLLED


async def test_the_factor_cannot_be_walked_around(world: CoreWorld) -> None:
    """Escalation, delegation and tokens are each tried."""
    request_id = await wire(world)
    ada = Actor(id="U0ADA", via=Via.API)
    shown = await world.service.identity(request_id)
    ticket = await world.service.decide(request_id, ada, Choice.APPROVE, shown=shown, round=1)
    assert (await world.service.verdict(ticket)).reason is Reason.CODE_SENT
    assert await world.delegate(request_id, "U0FIN", "U0BOB") is Reason.DELEGATE_NOT_ENROLLED
    assert await world.delegate(request_id, "U0FIN", "U0RITA") is Reason.DELEGATE_UNFIT
    assert await world.delegate(request_id, "U0FIN", "U0DIRK") is Reason.CODE_SENT
    await world.skip(days=2)
    await world.until(request_id, lambda progress: progress.round == 2)
    assert (await world.decide(request_id, "U0SAM", round=2)).reason is Reason.NOT_ENROLLED
    assert (await world.decide(request_id, "U0DIRK", round=2)).reason is Reason.CODE_SENT
    assert (await world.service.status(request_id)).outcome is None


async def test_no_number_and_no_code_is_in_the_hub_s_file(world: CoreWorld, tmp_path: Path) -> None:
    request_id = await wire(world)
    await pressed(world, request_id)
    code = world.phones.code("U0ADA")
    await hear(world, other(code), number=ADA)
    await hear(world, code, number=ADA, sid="SM2")
    await world.outcome(request_id)
    alone = await begun(world)
    written = b"".join(file.read_bytes() for file in tmp_path.glob("hub.db*") if file.is_file())
    assert request_id.encode() in written
    for secret in (ADA, ADA[1:], SOMEBODY, f" {code} ", f'"{code}"', code_in(world, alone)):
        assert secret.encode() not in written


# ---- codes -----------------------------------------------------------------------------------------------


def test_codes_are_bound_to_all_that_they_confirm_and_survive_rotation() -> None:
    old, new = b"o" * 32, b"n" * 32
    before, after = Codes([old]), Codes([new, old])
    code = before.code("c1", "bound")
    assert len(code) == 6
    assert code == before.code("c1", "bound")
    assert before.fits(before.answer("c1", code), "c1", "bound")
    assert not before.fits(before.answer("c1", code), "c1", "other")
    assert not before.fits(before.answer("c2", code), "c1", "bound")
    assert after.fits(after.answer("c1", code), "c1", "bound")
    assert not Codes([new]).fits(Codes([new]).answer("c1", code), "c1", "bound")
    assert after.decrypt(before.encrypt(ADA, "x"), "x") == ADA
    assert before.number_key(ADA) == after.number_key(ADA) != before.number_key(SOMEBODY)
    for encrypted, context in ((before.encrypt(ADA, "x"), "y"), ("nonsense", "x"), ("", "x")):
        with pytest.raises(NumberDecryptionError):
            after.decrypt(encrypted, context)


@pytest.mark.parametrize(
    ("number", "shown"), [("+12025550142", "+1•••••0142"), ("+4915112345678", "+49•••••5678")]
)
def test_a_number_is_shown_by_its_ends_only(number: str, shown: str) -> None:
    assert mask(number) == shown


def test_a_secret_that_is_too_short_and_digits_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Codes([b"short"])
    with pytest.raises(ValueError, match="4 to 8"):
        Codes([b"x" * 32], digits=3)

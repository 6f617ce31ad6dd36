"""A vote is handed over by one rule, to people alone, and whoever it is taken from hears of it. On the real hub."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.domain.commands import Reason
from orchestration.domain.errors import SmsRefusedError, ThrottledError
from orchestration.domain.people import PersonEntry
from orchestration.domain.policy_book import PolicyBook
from orchestration.domain.request import Choice, Status
from orchestration.people.activities import TEXT_NAMED, TEXT_TAKEN_BACK
from orchestration.people.person import TEXTS_PER_HOUR
from tests.support.book import parsed
from tests.support.core_world import CoreWorld
from tests.support.people import ALWAYS, NUMBERS, enrolled

MAL = PersonEntry(delegate="U0MAL", away=ALWAYS)

POLICIES = """
[people.U0SAM]
away = { from = 2020-01-01, until = 2099-12-31 }

[policies.coded]
title = "With a code"
channel = "C0CODED"
delegates = ["U0MAL", "U0APP", "U0SAM", "U0DIRK"]
[[policies.coded.levels]]
name = "Board"
approvers = ["U0ADA", "U0FIN"]
sms = true
timeout = "1d"

[policies.plain]
title = "Without"
channel = "C0PLAIN"
delegates = ["U0MAL", "U0APP", "U0SAM"]
[[policies.plain.levels]]
name = "Board"
approvers = ["U0ADA", "U0FIN"]
timeout = "1d"

[policies.alone]
title = "One person, with a code"
channel = "C0ALONE"
[[policies.alone.levels]]
name = "Director"
approvers = ["U0DIRK"]
sms = true
timeout = "1d"

[policies.both]
title = "A code first, and then in the escalation"
channel = "C0BOTH"
delegates = ["U0MAL"]
[[policies.both.levels]]
name = "First"
approvers = ["U0DIRK"]
sms = true
timeout = "1d"
[[policies.both.levels]]
name = "Second"
approvers = ["U0ADA", "U0CY"]
quorum = 2
timeout = "1d"
on_timeout = "escalate"
[policies.both.escalation]
channel = "C0MORE"
approvers = ["U0ADA"]
timeout = "1d"
"""
BOOK = parsed(POLICIES, enrolled("U0ADA", "U0MAL", U0FIN="U0DIRK", U0DIRK="U0LEE"))


@pytest.fixture
def book() -> PolicyBook:
    return BOOK


async def confirm(world: CoreWorld, person: str) -> None:
    """Waits for the one code that this person gets in a test, and replies with it."""
    number = world.phones.numbers[person]
    await world.eventually(
        lambda: any(to == number and "reply" in text for to, text, _ in world.phones.texts)
    )
    heard = await world.challenges.hear(number, world.phones.code(person), "SM1")
    assert heard.answered is not None
    assert heard.answered.right


# ---- one rule for handing over ---------------------------------------------------------------------------


async def test_a_delegate_of_one_s_own_does_not_count_where_a_code_is_needed(world: CoreWorld) -> None:
    await world.service.set_away("U0ADA", MAL)
    request_id = await world.ask("coded")
    assert (await world.service.status(request_id)).levels[0].delegates == {}
    assert (await world.decide(request_id, "U0MAL")).reason is Reason.NOT_AN_APPROVER
    assert (await world.decide(request_id, "U0ADA")).reason is Reason.CODE_SENT
    assert "away" not in world.board.steps()
    assert "U0MAL" not in [message.user for message in world.board.messages]
    plain = await world.ask("plain")
    assert (await world.service.status(plain)).levels[0].delegates == {"U0ADA": "U0MAL"}


async def test_where_a_code_is_needed_the_operator_s_delegate_goes_before_one_s_own(world: CoreWorld) -> None:
    await world.service.set_away("U0FIN", MAL)
    request_id = await world.ask("coded")
    assert (await world.service.status(request_id)).levels[0].delegates == {"U0FIN": "U0DIRK"}
    assert (await world.decide(request_id, "U0FIN")).reason is Reason.HANDED_OVER
    assert (await world.decide(request_id, "U0MAL")).reason is Reason.NOT_AN_APPROVER
    assert (await world.decide(request_id, "U0DIRK")).reason is Reason.CODE_SENT


async def test_an_operator_s_delegate_without_a_phone_is_not_asked_for_a_code(world: CoreWorld) -> None:
    await world.service.set_away("U0DIRK", MAL)
    request_id = await world.ask("alone")
    assert (await world.service.status(request_id)).levels[0].delegates == {}
    assert (await world.decide(request_id, "U0DIRK")).reason is Reason.CODE_SENT


async def test_a_vote_is_handed_over_on_the_card_with_a_code(world: CoreWorld) -> None:
    request_id = await world.ask("coded")
    assert await world.delegate(request_id, "U0ADA", "U0MAL") is Reason.CODE_SENT
    assert (await world.decide(request_id, "U0MAL")).reason is Reason.NOT_AN_APPROVER
    await confirm(world, "U0ADA")
    await world.eventually(lambda: "delegated" in world.board.steps())
    assert (await world.decide(request_id, "U0ADA")).reason is Reason.HANDED_OVER
    assert (await world.decide(request_id, "U0MAL")).reason is Reason.CODE_SENT


async def test_what_was_handed_over_without_a_code_does_not_reach_a_round_that_needs_one(
    world: CoreWorld,
) -> None:
    """The escalation inherits the code of the first level; the second level needed none."""
    await world.service.set_away("U0ADA", MAL)
    request_id = await world.ask("both")
    await world.decide(request_id, "U0DIRK")
    await confirm(world, "U0DIRK")
    await world.until(request_id, lambda progress: len(progress.cards) == 2)
    await world.skip(days=1)
    await world.until(request_id, lambda progress: len(progress.cards) == 3)
    assert (await world.decide(request_id, "U0MAL", round=3)).reason is Reason.NOT_AN_APPROVER
    assert (await world.decide(request_id, "U0ADA", round=2)).reason is Reason.HANDED_OVER
    assert (await world.decide(request_id, "U0MAL", round=2)).accepted
    assert (await world.decide(request_id, "U0ADA", round=3)).reason is Reason.CODE_SENT
    await confirm(world, "U0ADA")
    outcome = await world.outcome(request_id)
    assert (outcome.status, outcome.processed_by) == (Status.APPROVED, "U0ADA")


async def test_a_seat_has_one_vote_however_often_it_is_handed_over(world: CoreWorld) -> None:
    """Ada's own seat in the escalation lets her hand over once more: what Mal said from her seat goes with it."""
    await world.service.set_away("U0ADA", MAL)
    request_id = await world.ask("both")
    await world.decide(request_id, "U0DIRK")
    await confirm(world, "U0DIRK")
    await world.until(request_id, lambda progress: len(progress.cards) == 2)
    await world.skip(days=1)
    await world.until(request_id, lambda progress: len(progress.cards) == 3)
    assert (await world.decide(request_id, "U0MAL", round=2)).accepted
    assert await world.delegate(request_id, "U0ADA", "U0FIN", round=3) is Reason.DELEGATE_NOT_ALLOWED
    assert await world.delegate(request_id, "U0ADA", "U0MAL", round=3) is Reason.CODE_SENT
    await confirm(world, "U0ADA")
    await world.until(request_id, lambda progress: progress.levels[-1].confirmed == ["U0ADA"])
    assert (await world.service.status(request_id)).levels[-1].decisions == []


# ---- delegates are people --------------------------------------------------------------------------------


async def test_a_delegate_whom_the_directory_does_not_know_as_active_decides_for_nobody(
    world: CoreWorld,
) -> None:
    await world.service.set_away("U0ADA", PersonEntry(delegate="U0APP", away=ALWAYS))
    request_id = await world.ask("plain")
    assert (await world.service.status(request_id)).levels[0].delegates == {}
    assert await world.delegate(request_id, "U0FIN", "U0APP") is Reason.DELEGATE_UNFIT
    assert (await world.decide(request_id, "U0ADA")).accepted


async def test_while_the_directory_is_silent_nothing_is_handed_over(world: CoreWorld) -> None:
    await world.service.set_away("U0ADA", MAL)
    world.board.problems["is_active"] = [RuntimeError("down")] * 2
    request_id = await world.ask("plain")
    assert (await world.service.status(request_id)).levels[0].delegates == {}
    world.board.problems["is_active"] = [ThrottledError(1)] * 2
    assert await world.delegate(request_id, "U0FIN", "U0MAL") is Reason.DIRECTORY_UNAVAILABLE
    assert (await world.service.status(request_id)).levels[0].delegates == {}
    assert await world.delegate(request_id, "U0FIN", "U0MAL") is Reason.RECORDED
    assert (await world.decide(request_id, "U0ADA", Choice.REJECT, comment="No.")).accepted


async def test_a_delegate_whom_the_file_says_is_away_decides_for_nobody(world: CoreWorld) -> None:
    await world.service.set_away("U0ADA", PersonEntry(delegate="U0SAM", away=ALWAYS))
    request_id = await world.ask("plain")
    assert (await world.service.status(request_id)).levels[0].delegates == {}


async def test_nobody_who_is_away_is_handed_a_vote_on_a_card(world: CoreWorld) -> None:
    request_id = await world.ask("plain")
    assert await world.delegate(request_id, "U0ADA", "U0SAM") is Reason.DELEGATE_UNFIT
    await world.service.set_away("U0MAL", PersonEntry(delegate="U0CY", away=ALWAYS))
    assert await world.delegate(request_id, "U0ADA", "U0MAL") is Reason.DELEGATE_UNFIT
    await world.service.set_away("U0MAL", None)
    assert await world.delegate(request_id, "U0ADA", "U0MAL") is Reason.RECORDED


# ---- every change is told --------------------------------------------------------------------------------


async def test_each_change_is_told_once_by_message_and_by_sms(world: CoreWorld, tmp_path: Path) -> None:
    for entry in (MAL, MAL, PersonEntry(delegate="U0DIRK", away=ALWAYS), None, None):
        await world.service.set_away("U0ADA", entry)
    await world.eventually(lambda: (len(world.board.changes), world.phones.texts_to("U0ADA")) == (3, 3))
    told = [change.entry.delegate if change.entry else None for change in world.board.changes]
    assert sorted(told, key=str) == [None, "U0DIRK", "U0MAL"]
    assert sorted(text for _, text, _ in world.phones.texts) == sorted(
        [TEXT_NAMED, TEXT_NAMED, TEXT_TAKEN_BACK]
    )
    assert {len(text) <= 160 for text in (TEXT_NAMED, TEXT_TAKEN_BACK)} == {True}
    written = b"".join(file.read_bytes() for file in tmp_path.glob("hub.db*") if file.is_file())
    assert b"delegate_change" in written
    assert NUMBERS["U0ADA"].encode() not in written


async def test_somebody_without_a_phone_is_told_by_message_alone(world: CoreWorld) -> None:
    await world.service.set_away("U0CY", MAL)
    await world.eventually(lambda: [change.person for change in world.board.changes] == ["U0CY"])
    assert world.phones.texts == []


async def test_what_could_not_be_told_is_tried_again(world: CoreWorld) -> None:
    world.board.problems["tell_delegate_change"] = [RuntimeError("502"), ThrottledError(30)]
    world.phones.problems = [RuntimeError("503")]
    await world.service.set_away("U0ADA", MAL)
    await world.hasten(lambda: (len(world.board.changes), world.phones.texts_to("U0ADA")) == (1, 1))


async def test_a_text_that_the_provider_refuses_holds_up_no_message(world: CoreWorld) -> None:
    world.phones.problems = [SmsRefusedError("opted_out")]
    await world.service.set_away("U0ADA", MAL)
    await world.eventually(lambda: len(world.board.changes) == 1)
    await world.eventually(lambda: not world.phones.problems)
    assert world.phones.texts == []


async def test_a_person_is_texted_so_often_an_hour_and_told_of_each_change(world: CoreWorld) -> None:
    changes = TEXTS_PER_HOUR + 2
    for number in range(changes):
        await world.service.set_away("U0ADA", MAL if number % 2 == 0 else None)
        await world.eventually(lambda at=number: len(world.board.changes) == at + 1)
    await world.eventually(lambda: world.phones.texts_to("U0ADA") == TEXTS_PER_HOUR)
    await world.skip(hours=1)
    await world.service.set_away("U0ADA", None)
    await world.eventually(lambda: world.phones.texts_to("U0ADA") == TEXTS_PER_HOUR + 1)
    assert len(world.board.changes) == changes + 1

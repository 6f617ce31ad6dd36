"""An answer that is owed is told after its first turn, whatever it waits for, unless somebody else told it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from durabletask.client import OrchestrationState

from orchestration.domain.answers import AwaitedCode, AwaitedVerdict, OwedAnswer
from orchestration.domain.errors import DeliveryError, HubUnavailableError, ThrottledError, TryFailedError
from orchestration.domain.request import Choice
from orchestration.service.answers import HubAnswers, OwedAnswers
from orchestration.service.approvals import ApprovalService
from orchestration.service.tickets import Ticket
from tests.support.board import Board
from tests.support.book import CORE
from tests.support.challenges import begun, code_in, other
from tests.support.core_world import SLACK, CoreWorld, by, request_ids

SAM, PLACE = "U0SAM", "C0PURCHASES"
REFUSED = "You are not one of the approvers of this request, so nothing changed."


@pytest.fixture
async def owed(world: CoreWorld) -> AsyncIterator[OwedAnswers]:
    client = world.connection.client()
    yield OwedAnswers(client)
    await client.close()


async def test_words_are_told_once_the_first_turn_is_over(
    world: CoreWorld, board: Board, owed: OwedAnswers
) -> None:
    answer = OwedAnswer(person=SAM, place=PLACE, words="Nothing changed.")
    debt = await owed.owe(answer, "an act")
    assert await owed.owe(answer, "an act") == debt, "an act that is delivered twice is answered once"
    await world.due_within(seconds=10)
    assert board.said == []
    board.problems["tell_privately"] = [RuntimeError("502"), ThrottledError(30)]
    await world.skip(seconds=10)
    await world.hasten(lambda: bool(board.said))
    await world.completed(debt.batch)
    assert board.said == [(SAM, PLACE, "Nothing changed.")]


async def test_answers_that_come_together_are_one_batch_and_each_is_told_to_its_person(
    world: CoreWorld, board: Board, owed: OwedAnswers
) -> None:
    people = [f"U0P{number}" for number in range(9)]
    debts = await asyncio.gather(
        *(
            owed.owe(OwedAnswer(person=person, place=PLACE, words=f"For {person}."), person)
            for person in [*people, people[0], people[-1]]
        )
    )
    batch = debts[0].batch
    assert [debt.place for debt in debts] == [*range(len(people)), 0, len(people) - 1], "an act has one debt"
    assert {debt.batch for debt in debts} == {batch}
    await asyncio.gather(*(owed.settle(debt) for debt in debts[:4]))
    await world.due_within(seconds=10)
    board.problems["tell_privately"] = [RuntimeError("502"), DeliveryError("user_not_found")]
    await world.skip(seconds=10)
    await world.hasten(lambda: len(board.said) == len(people) - 5)
    await world.completed(batch)
    # One cannot be told, which keeps nothing from the others.
    assert {person for person, _, _ in board.said} < set(people[4:])
    assert all(words == f"For {person}." for person, _, words in board.said)


async def test_what_is_told_while_it_is_retried_is_not_told_again(
    world: CoreWorld, board: Board, owed: OwedAnswers
) -> None:
    board.problems["tell_privately"] = [ThrottledError(600), ThrottledError(600)]
    debts = await asyncio.gather(
        *(owed.owe(OwedAnswer(person=SAM, words=act), act) for act in ("a", "told", "untold"))
    )
    await owed.settle(debts[0])
    await world.due_within(seconds=10)
    await world.skip(seconds=10)
    await world.eventually(lambda: not board.problems["tell_privately"])
    await owed.settle(debts[1])
    await world.skip(minutes=10)
    await world.hasten(lambda: bool(board.said))
    await world.completed(debts[1].batch)
    assert [words for _, _, words in board.said] == ["untold"]


@pytest.mark.embedded_hub(
    "it skips time, up to the day for which it is tried, faster than a worker over TCP tries"
)
async def test_a_batch_that_is_tried_for_long_outgrows_no_history(
    world: CoreWorld, board: Board, owed: OwedAnswers
) -> None:
    """Each try is in the history, of which a hub sends a worker 4 MB at most."""
    down = TryFailedError("The chat system is down. " * 800, maybe_done=False)
    failing = board.problems["tell_privately"] = [down] * 10_000
    people = [f"U0P{number}" for number in range(20)]
    debts = await asyncio.gather(*(owed.owe(OwedAnswer(person=one, words="No."), one) for one in people))
    await world.due_within(seconds=10)
    await world.skip(seconds=10)
    await world.hasten(lambda: len(failing) < 10_000 - 240)
    await owed.settle(debts[7])
    # A try that was under way by then may still tell them; after three more of each it has heard of that.
    left = len(failing)
    await world.hasten(lambda: len(failing) < left - 3 * len(people))
    failing.clear()
    await world.hasten(lambda: len(board.said) >= len(people) - 1)
    await world.completed(debts[7].batch)
    assert sorted(person for person, _, _ in board.said) == sorted({*people} - {people[7]})


async def test_what_has_been_told_is_reported_also_when_the_process_ends_at_once(
    world: CoreWorld, board: Board, owed: OwedAnswers
) -> None:
    debts = await asyncio.gather(*(owed.owe(OwedAnswer(person=SAM, words=act), act) for act in "abc"))
    reporting = asyncio.create_task(owed.settle(debts[1]))
    await asyncio.sleep(0)
    await owed.aclose()
    await reporting
    await world.due_within(seconds=10)
    await world.skip(seconds=10)
    await world.hasten(lambda: len(board.said) == 2)
    assert sorted(words for _, _, words in board.said) == ["a", "c"]


async def test_what_the_hub_does_not_take_is_not_owed_and_may_be_tried_again(
    world: CoreWorld, owed: OwedAnswers
) -> None:
    answer = OwedAnswer(person=SAM, words="Nothing changed.")
    world.connection.held = "It is held."
    with pytest.raises(HubUnavailableError):
        await owed.owe(answer, "an act")
    world.connection.held = None
    debt = await owed.owe(answer, "an act")
    assert (await world.runtime(debt.batch)).name == "owed_answer"


async def test_an_answer_that_no_json_can_hold_keeps_nothing_from_the_others(
    owed: OwedAnswers,
) -> None:
    """JSON may bring half of a surrogate pair, and a Python string holds it."""
    with pytest.raises(ValueError, match="surrogates"):
        await owed.owe(OwedAnswer(person=SAM, words="Half an emoji: \ud83d"), "a bad act")
    async with asyncio.timeout(10):
        await owed.owe(OwedAnswer(person=SAM, words="Nothing changed."), "a good act")


async def test_what_was_told_meanwhile_is_not_told_again(
    world: CoreWorld, board: Board, owed: OwedAnswers
) -> None:
    debt = await owed.owe(OwedAnswer(person=SAM, words="Nothing changed."), "an act")
    await owed.settle(debt)
    await world.completed(debt.batch)
    await world.skip(hours=1)
    assert board.said == []


async def test_what_is_told_late_is_told_directly(world: CoreWorld, board: Board, owed: OwedAnswers) -> None:
    """In a channel nobody finds what only they see, unless they look at it just then."""
    board.problems["tell_privately"] = [ThrottledError(60)]
    debt = await owed.owe(OwedAnswer(person=SAM, place=PLACE, words="Nothing changed."), "an act")
    await world.due_within(seconds=10)
    await world.skip(seconds=10)
    await world.hasten(lambda: bool(board.said))
    await world.completed(debt.batch)
    assert board.said == [(SAM, None, "Nothing changed.")]


async def test_what_can_never_be_told_ends(world: CoreWorld, board: Board, owed: OwedAnswers) -> None:
    board.problems["tell_privately"] = [DeliveryError("user_not_found")]
    debt = await owed.owe(OwedAnswer(person=SAM, words="Nothing changed."), "an act")
    await world.due_within(seconds=10)
    await world.skip(seconds=10)
    await world.completed(debt.batch)
    assert board.said == []


async def test_a_verdict_is_told_once_there_is_one(world: CoreWorld, board: Board, owed: OwedAnswers) -> None:
    request_id = await world.ask()
    # The same act has the same fingerprint.
    first = await press(world, request_id, "first")
    awaited = AwaitedVerdict(request_id=request_id, command_id="second", fingerprint=first.fingerprint)
    debt = await owed.owe(OwedAnswer(person=SAM, place=PLACE, verdict=awaited), "an act")
    await world.due_within(seconds=10)
    await world.skip(seconds=10)
    await world.due_within(seconds=5)
    assert board.said == [], "it is not handled yet"
    await press(world, request_id, "second")
    await world.hasten(lambda: bool(board.said))
    await world.completed(debt.batch)
    assert board.said == [(SAM, PLACE, REFUSED)]


async def test_a_verdict_is_found_on_a_hub_that_is_slow_or_far_away(
    world: CoreWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = await world.ask()
    handled = await press(world, request_id, "first")
    client = world.connection.client()
    look = client.get_orchestration_state

    async def slowly(*given: Any, **named: Any) -> OrchestrationState | None:
        await asyncio.sleep(0.3)
        return await look(*given, **named)

    monkeypatch.setattr(client, "get_orchestration_state", slowly)
    answers = HubAnswers(ApprovalService(client, lambda: CORE, SLACK, request_ids("core")), None)
    awaited = AwaitedVerdict(request_id=request_id, command_id="first", fingerprint=handled.fingerprint)
    assert await asyncio.to_thread(answers.find, OwedAnswer(person=SAM, verdict=awaited)) == REFUSED
    await client.close()


async def test_a_command_that_came_in_while_the_request_ended_is_told_that(
    world: CoreWorld, board: Board, owed: OwedAnswers
) -> None:
    """The event is on the hub, and nobody handles it any more."""
    request_id = await world.ask()
    await world.decide(request_id, "U0ADA")
    await world.completed(request_id)
    awaited = AwaitedVerdict(request_id=request_id, command_id="lost", fingerprint="0" * 32)
    await owed.owe(OwedAnswer(person="U0FIN", verdict=awaited), "an act")
    await world.due_within(seconds=10)
    await world.skip(seconds=10)
    await world.eventually(lambda: bool(board.said))
    assert board.said == [("U0FIN", None, "This request was already approved, so nothing changed.")]


async def test_the_judgement_of_a_code_is_told_unless_the_card_says_it(
    world: CoreWorld, board: Board, owed: OwedAnswers
) -> None:
    challenge = await begun(world)
    digits = code_in(world, challenge)
    for command, typed in (("wrong", other(digits)), ("right", digits)):
        await world.challenges.answer(challenge, typed, command)
        awaited = AwaitedCode(challenge=challenge, command_id=command)
        debt = await owed.owe(OwedAnswer(person="U0ADA", place=PLACE, code=awaited), command)
        await world.due_within(seconds=10)
        await world.skip(seconds=10)
        await world.completed(debt.batch)
    assert board.said == [("U0ADA", PLACE, "That code isn't right, 2 tries left.")]


async def press(world: CoreWorld, request_id: str, command_id: str) -> Ticket:
    """Sam presses Approve, which is not his to press; returns once that is handled."""
    shown = await world.service.identity(request_id)
    ticket = await world.service.decide(
        request_id, by(SAM), Choice.APPROVE, shown=shown, round=1, command_id=command_id
    )
    await world.service.verdict(ticket)
    return ticket

"""The rules on seats, delegates and silence: each test tries to get an approval past them. On the real hub."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.slack.ids import SlackIds
from orchestration.domain import policy_file
from orchestration.domain.commands import Reason
from orchestration.domain.errors import InvalidRequestError, PolicyError
from orchestration.domain.people import PersonEntry
from orchestration.domain.policy_book import PolicyBook
from orchestration.domain.request import Choice, EscalationCause, RemarkKind, Status
from tests.support.board import Board
from tests.support.book import parsed
from tests.support.core_world import CoreWorld
from tests.support.people import ALWAYS, enrolled

POLICIES = """
[policies.three]
title = "Two of three"
channel = "C0THREE"
currency = "USD"
[[policies.three.levels]]
name = "Board"
approvers = ["U0ADA", "U0BOB", "U0CY"]
quorum = 2
reject_quorum = 2
timeout = "1d"
on_timeout = "escalate"
[policies.three.escalation]
channel = "C0MORE"
approvers = ["U0ADA", "U0MAX"]
timeout = "1d"

[policies.coded]
title = "Two of three, with a code"
channel = "C0CODED"
currency = "USD"
[[policies.coded.levels]]
name = "Board"
approvers = ["U0ADA", "U0BOB", "U0CY"]
quorum = 2
sms_above = 1000
timeout = "1d"

[policies.pair]
title = "Both"
channel = "C0PAIR"
[[policies.pair.levels]]
name = "Both"
approvers = ["U0ADA", "U0BOB"]
quorum = "all"
timeout = "1d"

[policies.mixed]
title = "A group and a person"
channel = "C0MIXED"
[[policies.mixed.levels]]
name = "All"
approvers = ["S0MANAGERS", "U0BOB"]
quorum = "all"
timeout = "1d"
on_timeout = "escalate"
[policies.mixed.escalation]
channel = "C0MORE"
approvers = ["U0MAX"]
timeout = "1d"

[policies.group]
title = "One of a group"
channel = "C0GROUP"
[[policies.group.levels]]
name = "Managers"
approvers = ["S0MANAGERS"]
timeout = "1d"

[policies.two]
title = "Two levels"
channel = "C0TWO"
delegates = ["U0SAM"]
[[policies.two.levels]]
name = "First"
approvers = ["U0ADA", "U0CY"]
timeout = "1d"
[[policies.two.levels]]
name = "Second"
approvers = ["U0ADA", "U0BOB"]
timeout = "1d"

[policies.pool]
title = "Delegates of a group"
channel = "C0POOL"
delegates = ["S0SUBSTITUTES"]
[[policies.pool.levels]]
name = "One"
approvers = ["U0ADA"]
timeout = "1d"

[policies.twice]
title = "Two, and the same again"
channel = "C0TWICE"
delegates = ["U0SAM"]
[[policies.twice.levels]]
name = "Two"
approvers = ["U0ADA", "U0BOB", "U0CY"]
quorum = 2
reject_quorum = 2
timeout = "1d"
on_timeout = "escalate"
[policies.twice.escalation]
channel = "C0MORE"
approvers = ["U0ADA", "U0MAX"]
timeout = "1d"

[policies.later]
title = "Needed later"
channel = "C0LATER"
[[policies.later.levels]]
name = "First"
approvers = ["U0ADA", "U0BOB"]
timeout = "1d"
[[policies.later.levels]]
name = "Second"
approvers = ["U0ADA"]
timeout = "1d"
"""
BOOK = parsed(POLICIES, enrolled("U0ADA", "U0BOB", "U0CY", "U0MAX"))


@pytest.fixture
def book() -> PolicyBook:
    return BOOK


async def escalated(world: CoreWorld, request_id: str) -> None:
    await world.skip(days=1)
    await world.until(request_id, lambda progress: len(progress.cards) == 2)


# ---- a vote has a seat -----------------------------------------------------------------------------------


@pytest.mark.parametrize("round_", [1, 2])
async def test_a_rejection_never_approves(world: CoreWorld, round_: int) -> None:
    """Ada's approval was one of two. After the escalation, where one is enough, Bob rejects."""
    request_id = await world.ask("three")
    assert (await world.decide(request_id, "U0ADA")).accepted
    await escalated(world, request_id)
    await world.decide(request_id, "U0BOB", Choice.REJECT, round=round_, comment="No.")
    assert (await world.service.status(request_id)).status is Status.ESCALATED
    assert (await world.decide(request_id, "U0MAX", round=2)).accepted
    assert (await world.outcome(request_id)).processed_by == "U0MAX"


@pytest.mark.parametrize("act", ["repeat", "comment", "delegate"])
async def test_no_other_act_settles_the_escalation(world: CoreWorld, act: str) -> None:
    request_id = await world.ask("three")
    await world.decide(request_id, "U0ADA")
    await escalated(world, request_id)
    if act == "repeat":
        assert (await world.decide(request_id, "U0ADA")).reason is Reason.UNCHANGED
    elif act == "comment":
        await world.say(request_id, "U0ADA", RemarkKind.COMMENT, "Still fine.")
    else:
        assert await world.delegate(request_id, "U0MAX", "U0CY", round=2) is Reason.RECORDED
    assert (await world.service.status(request_id)).outcome is None


async def test_one_who_sits_in_both_rounds_votes_in_each(world: CoreWorld) -> None:
    request_id = await world.ask("three")
    await world.decide(request_id, "U0ADA")
    await escalated(world, request_id)
    assert (await world.decide(request_id, "U0ADA", round=2)).accepted
    votes = (await world.outcome(request_id)).levels[0].decisions
    assert [(vote.round, vote.holder, vote.actor) for vote in votes] == [
        (1, "U0ADA", "U0ADA"),
        (2, "U0ADA", "U0ADA"),
    ]


# ---- what is unknown or chosen by the asker --------------------------------------------------------------


@pytest.mark.parametrize(("amount", "reason"), [(None, Reason.CODE_SENT), ("5", Reason.RECORDED)])
async def test_an_amount_left_out_asks_for_the_code(
    world: CoreWorld, amount: str | None, reason: Reason
) -> None:
    request_id = await world.ask("coded", amount=amount)
    assert (await world.decide(request_id, "U0ADA")).reason is reason


async def test_a_shorter_wait_never_escalates_sooner(world: CoreWorld) -> None:
    request_id = await world.ask("three", timeout=timedelta(seconds=2))
    await world.decide(request_id, "U0ADA")
    await world.skip(seconds=3)
    outcome = await world.outcome(request_id)
    assert (outcome.status, outcome.levels[0].escalated_to) == (Status.TIMED_OUT, None)


async def test_a_group_that_has_vanished_lowers_nothing(world: CoreWorld, board: Board) -> None:
    """The level asks all of a group and Bob, and only Bob is left. He does not decide alone; it escalates at once."""
    board.groups["S0MANAGERS"] = []
    request_id = await world.ask("mixed")
    progress = await world.until(request_id, lambda progress: len(progress.cards) == 2)
    assert progress.status is Status.ESCALATED
    assert progress.levels[0].escalated_because is EscalationCause.TOO_FEW_LEFT
    assert (await world.decide(request_id, "U0BOB")).accepted
    assert (await world.service.status(request_id)).outcome is None
    assert (await world.decide(request_id, "U0MAX", round=2)).accepted


async def test_neither_an_absence_nor_a_delegation_makes_one_of_two(world: CoreWorld) -> None:
    await world.service.set_away("U0ADA", PersonEntry(delegate="U0BOB", away=ALWAYS))
    request_id = await world.ask("pair")
    assert (await world.service.status(request_id)).levels[0].delegates == {}
    assert await world.delegate(request_id, "U0ADA", "U0BOB") is Reason.TOO_FEW_LEFT
    assert (await world.decide(request_id, "U0BOB")).accepted
    assert (await world.service.status(request_id)).outcome is None
    assert (await world.decide(request_id, "U0ADA")).accepted
    assert (await world.outcome(request_id)).status is Status.APPROVED


# ---- nobody waits for a level that nobody can decide -----------------------------------------------------


async def test_two_who_are_away_for_each_other_are_both_asked(world: CoreWorld) -> None:
    await world.service.set_away("U0ADA", PersonEntry(delegate="U0BOB", away=ALWAYS))
    await world.service.set_away("U0BOB", PersonEntry(delegate="U0ADA", away=ALWAYS))
    request_id = await world.ask("three")
    assert (await world.decide(request_id, "U0ADA")).accepted
    assert (await world.decide(request_id, "U0BOB")).accepted
    assert (await world.outcome(request_id)).status is Status.APPROVED


async def test_who_is_needed_to_decide_cannot_ask(world: CoreWorld) -> None:
    with pytest.raises(InvalidRequestError, match="too few people are left to decide the level Both"):
        await world.ask("pair", requester="U0ADA")


@pytest.mark.parametrize("members", [[], ["U0RITA"]])
async def test_a_group_of_nobody_who_may_ends_it_at_once_with_the_reason(
    world: CoreWorld, board: Board, members: list[str]
) -> None:
    board.groups["S0MANAGERS"] = members
    request_id = await world.ask("group")
    outcome = await world.outcome(request_id)
    assert outcome.status is Status.TIMED_OUT
    assert outcome.reason == "Too few people are left who may decide the level Managers."


async def test_a_directory_that_does_not_answer_ends_nothing(world: CoreWorld, board: Board) -> None:
    board.groups["S0MANAGERS"] = []
    board.problems["members"] = [RuntimeError("down")] * 2
    request_id = await world.ask("group")
    assert (await world.service.status(request_id)).outcome is None


async def test_who_is_needed_later_leaves_the_first_level_to_others(world: CoreWorld) -> None:
    request_id = await world.ask("later")
    assert (await world.decide(request_id, "U0ADA")).reason is Reason.NEEDED_LATER
    assert (await world.decide(request_id, "U0BOB")).accepted
    await world.until(request_id, lambda progress: len(progress.cards) == 2)
    assert (await world.decide(request_id, "U0ADA", round=2)).accepted
    assert (await world.outcome(request_id)).status is Status.APPROVED


LEVEL = '[[policies.p.levels]]\nname = "{name}"\napprovers = {approvers}\ntimeout = "1d"\n{more}\n'


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        ([("A", ["U0ADA"], ""), ("B", ["U0ADA"], "")], "level B cannot be decided"),
        ([("A", ["U0ADA", "U0BOB"], "quorum = 2"), ("B", ["U0BOB"], "")], "level B cannot be decided"),
        ([("A", ["U0ADA"], 'quorum = "all"\nat_least = 2')], "needs 2 different people and names 1"),
        ([("A", ["U0ADA"], "sms_above = 5")], "sms_above needs a currency"),
        ([("A", ["U0ADA", "U0ADA"], "quorum = 2")], "needs 2 approvals of 1 people"),
        (
            [("A", ["U0ADA", "U0BOB"], ""), ("B", ["U0ADA", "U0BOB"], 'quorum = "all"')],
            "level B cannot be decided",
        ),
    ],
)
def test_a_policy_that_nobody_can_ever_decide_is_refused(
    levels: list[tuple[str, list[str], str]], words: str
) -> None:
    text = '[policies.p]\ntitle = "P"\nchannel = "C0P"\n' + "".join(
        LEVEL.format(name=name, approvers=str(approvers).replace("'", '"'), more=more)
        for name, approvers, more in levels
    )
    with pytest.raises(PolicyError, match=words):
        policy_file.parse(text, "p.toml", SlackIds())


# ---- separation of duties --------------------------------------------------------------------------------


async def test_whoever_let_another_decide_has_decided(world: CoreWorld) -> None:
    """Ada hands the first level to somebody of her own choice, and is then asked at the second."""
    request_id = await world.ask("two")
    assert await world.delegate(request_id, "U0ADA", "U0RITA") is Reason.DELEGATE_UNFIT
    assert await world.delegate(request_id, "U0ADA", "U0ZED") is Reason.DELEGATE_NOT_ALLOWED
    assert await world.delegate(request_id, "U0ADA", "U0SAM") is Reason.RECORDED
    assert (await world.decide(request_id, "U0SAM")).accepted
    await world.until(request_id, lambda progress: len(progress.cards) == 2)
    assert (await world.decide(request_id, "U0ADA", round=2)).reason is Reason.COUNTED_BEFORE
    assert await world.delegate(request_id, "U0BOB", "U0SAM", round=2) is Reason.DELEGATE_UNFIT
    assert (await world.decide(request_id, "U0BOB", round=2)).accepted
    assert (await world.outcome(request_id)).status is Status.APPROVED


async def test_a_delegate_may_be_a_member_of_a_group_that_the_policy_allows(
    world: CoreWorld, board: Board
) -> None:
    board.groups["S0SUBSTITUTES"] = ["U0SUE"]
    request_id = await world.ask("pool")
    assert await world.delegate(request_id, "U0ADA", "U0BOB") is Reason.DELEGATE_NOT_ALLOWED
    assert await world.delegate(request_id, "U0ADA", "U0SUE") is Reason.RECORDED
    assert (await world.decide(request_id, "U0SUE")).accepted
    assert (await world.outcome(request_id)).processed_by == "U0SUE"


@pytest.mark.parametrize("choice", [Choice.APPROVE, Choice.REJECT])
async def test_one_seat_has_one_vote_though_its_holder_goes_away(world: CoreWorld, choice: Choice) -> None:
    """Ada votes, and is away by the time it escalates to her: nobody of her choosing votes from her seat as well."""
    request_id = await world.ask("twice")
    await world.decide(request_id, "U0ADA", choice, comment="So.")
    await world.service.set_away("U0ADA", PersonEntry(delegate="U0SAM", away=ALWAYS))
    await escalated(world, request_id)
    assert (await world.decide(request_id, "U0SAM", choice, comment="So.")).reason is Reason.NOT_AN_APPROVER
    assert (await world.service.status(request_id)).outcome is None

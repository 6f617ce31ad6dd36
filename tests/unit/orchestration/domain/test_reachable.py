"""Whether a round can still be approved, against every way that there is; and that no vote makes it impossible."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.approval.record import Record
from orchestration.approval.state import ApprovalInput
from orchestration.domain import rounds, rules
from orchestration.domain.commands import Decision, Reason
from orchestration.domain.policy import Level, Policy
from orchestration.domain.request import ApprovalRequest, Choice, Via
from tests.support.identity import SHOWN
from tests.support.possible import Terms, in_turn

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
PEOPLE = ["U0A", "U0B", "U0C", "U0D", "U0E", "U0F", "U0G"]
GROUP = "S0G"
ASKER = "U0RITA"

some = st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=5, unique=True)
quorums = st.sampled_from([1, 2, 2, 3, "all"])
later_levels = st.lists(st.tuples(some, quorums), max_size=3)


def record_of(named: list[str], quorum: Any, later: list[tuple[list[str], Any]], groups: bool) -> Record:
    first = Level(
        name="L", approvers=[*named, GROUP] if groups else named, quorum=quorum, timeout=timedelta(days=1)
    )
    others = [
        Level(name=f"L{n}", approvers=who, quorum=number, timeout=timedelta(days=1))
        for n, (who, number) in enumerate(later)
    ]
    policy = Policy(key="p", title="P", channel="C0P", levels=[first, *others], groups=[GROUP])
    request = ApprovalRequest(policy="p", title="T", requester=ASKER)
    record = Record("p-1", ApprovalInput(request=request, policy=policy, nonce=SHOWN.nonce), NOW)
    record.open_level(0, NOW)
    return record


def hand_over(record: Record, wanted: dict[str, str]) -> None:
    """Delegates as the rules allow them: one hop, and nobody who has handed over."""
    for holder, to in wanted.items():
        handed = record.state.delegates
        if holder != to and to not in handed and holder not in handed.values():
            record.voting.absent(holder, to)


def ways(record: Record, members: rounds.Members) -> Iterator[set[str]]:
    """Who has had a word, in each way of approving the round with those who voted and others."""
    [round_] = record.voting.rounds()
    given_votes = [(vote.actor, vote.holder) for vote in record.state.votes if vote.choice is Choice.APPROVE]
    actors = {actor for actor, _ in given_votes}
    seats = [
        (record.state.delegates.get(holder, holder), holder)
        for holder in round_.holders(members)
        if holder != ASKER and record.state.delegates.get(holder, holder) != ASKER
    ]
    free = [seat for seat in seats if seat[0] not in actors and seat[1] not in {h for _, h in given_votes}]
    for size in range(len(free) + 1):
        for chosen in combinations(free, size):
            used = [*given_votes, *chosen]
            if len({one for one, _ in used}) < len(used):
                continue
            if round_.quorum == "all":
                asked = round_.asked
                if asked is None:
                    asked = [one for one in round_.holders(members) if one != ASKER]
                enough = bool(asked) and {holder for _, holder in used} >= set(asked)
            else:
                enough = len(used) >= round_.quorum
            if enough and len(used) >= round_.at_least:
                yield {name for seat in used for name in seat}


def later_of(record: Record) -> list[Terms]:
    found = []
    for level in record.policy.levels[1:]:
        everybody = level.quorum == "all"
        least = min(2, len(level.approvers)) if level.quorum == "all" else level.quorum
        found.append(Terms(tuple(level.approvers), least, everybody=everybody))
    return found


def can_be_approved(record: Record, members: rounds.Members) -> bool:
    return any(in_turn(later_of(record), (), used | {ASKER}) for used in ways(record, members))


def decision(actor: str) -> Decision:
    return Decision(
        command_id="1",
        actor=actor,
        via=Via.CHAT,
        nonce=SHOWN.nonce,
        digest=SHOWN.digest,
        round=1,
        choice=Choice.APPROVE,
    )


@settings(max_examples=400)
@given(
    some,
    quorums,
    later_levels,
    st.dictionaries(st.sampled_from(PEOPLE), st.sampled_from(PEOPLE), max_size=3),
    st.none() | st.tuples(some, some),
    st.permutations([*PEOPLE, *PEOPLE]),
)
def test_a_round_that_can_be_approved_stays_so_whoever_votes(
    named: list[str],
    quorum: Any,
    later: list[tuple[list[str], Any]],
    delegates: dict[str, str],
    group: tuple[list[str], list[str]] | None,
    voters: list[str],
) -> None:
    """The group may have changed since it was known who was asked. Whoever may vote in the end approves the round."""
    record = record_of(named, quorum, later, group is not None)
    voting, members = record.voting, {GROUP: group[0]} if group else {}
    if not in_turn(later_of(record), (), {ASKER}):
        return  # such a policy, or request, is refused
    voting.ask(voting.rounds()[0].holders(members))
    hand_over(record, delegates)
    members = {GROUP: group[1]} if group else {}
    possible = can_be_approved(record, members)
    assert voting.approvable(members) == possible
    for person in voters if possible else ():
        act = decision(person)
        if (
            rules.may_decide(act, policy=record.policy, voters=voting.voters(), members=members)
            is not Reason.RECORDED
        ):
            continue
        holder = voting.seat_for(act, members)
        if holder is None:
            continue
        voting.vote(act, holder, NOW)
        assert can_be_approved(record, members), f"{person} made it impossible"
        assert voting.approvable(members)
        if voting.deciding_vote(1, Choice.APPROVE):
            return
    assert not possible, "nobody may vote any more, and it is open"


def test_nobody_votes_from_a_seat_that_leaves_a_later_level_to_those_who_are_left() -> None:
    """Were Dan to vote for Hal, the later levels would need both Bob and Cy, and this one takes a second person."""
    record = record_of(["U0H", "U0B", "U0C"], 2, [(["U0D", "U0B"], 1), (["U0H", "U0C"], 1)], groups=False)
    record.voting.absent("U0H", "U0D")
    assert record.voting.approvable({})
    assert record.voting.seat_for(decision("U0D"), {}) is None
    for person in ("U0B", "U0C"):
        assert record.voting.seat_for(decision(person), {}) == person
        record.voting.vote(decision(person), person, NOW)
    assert record.voting.deciding_vote(1, Choice.APPROVE)


def test_who_joined_a_group_later_leaves_their_vote_to_the_level_that_needs_them() -> None:
    """They were not asked, so of "all" their vote helps nothing; and Ada, who has to vote here, cannot decide both."""
    record = record_of(["U0A"], "all", [(["U0A", "U0B"], 1)], groups=True)
    record.voting.ask(["U0A", "U0C"])
    members = {GROUP: ["U0C", "U0B"]}
    assert record.voting.approvable(members)
    assert record.voting.seat_for(decision("U0B"), members) is None
    assert record.voting.seat_for(decision("U0A"), members) == "U0A"

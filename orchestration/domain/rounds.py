"""Counts the votes of a round: who has a seat, what settles it, and whether it can still be approved. Pure.

A round is one posted stage of a request: a level's own, or the one of its escalation. A vote belongs to a seat: its
round, the seat's holder, who cast it, with which factor, on which digest. It counts in that round and in no other. What
it means does not change when delegates or groups change later.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final, Literal

from orchestration.domain.commands import Decision
from orchestration.domain.matching import Demand, Matching, without
from orchestration.domain.request import Choice, Vote

# Each group with the people in it at this moment. A group that is missing has nobody in it.
Members = Mapping[str, Collection[str]]
# A seat that may be used: who votes from it, and whose it is.
Seat = tuple[str, str]
# Each one doubles the ways to try; past so many, a round may be taken for lost a little early.
DEAR_TRIED: Final = 8


@dataclass(frozen=True)
class Round:
    """The terms of one open round.

    `named` have the seats: people, and the `groups` among them. `at_least` different people must have approved in any
    case. With a quorum of "all", `asked` are the holders who were asked when the round opened: None while nobody
    could tell who they are, and empty where there was nobody, which is for good. `code` says that an approval needs a
    code.
    """

    number: int
    named: Sequence[str]
    groups: Collection[str] = ()
    quorum: int | Literal["all"] = 1
    reject_quorum: int = 1
    at_least: int = 1
    code: bool = False
    asked: Sequence[str] | None = None

    def seats(self, person: str, members: Members) -> bool:
        """Whether the person has a seat of their own here, by name or through a group."""
        by_name = person in self.named and person not in self.groups
        return by_name or any(person in members.get(group, ()) for group in self.groups)

    def holders(self, members: Members) -> list[str]:
        """Everybody with a seat of their own, each once, in order."""
        found: dict[str, None] = {}
        for name in self.named:
            found |= dict.fromkeys(members.get(name, ()) if name in self.groups else [name])
        return list(found)


@dataclass(frozen=True)
class EligibleVoters:
    """Who may decide a level at this moment.

    `rounds` are the open ones. `delegates` maps a seat's holder to who votes instead of them; `confirmed` are the
    holders whose delegate counts also in a round that needs a code. `counted` have decided an earlier level, and
    `requester` has asked for it; neither may vote here (both are empty where the policy allows it). `asked_by` has
    asked for it too, whatever the policy allows: they are nobody's delegate. `later` has for each later level the
    people who could still decide it, and how many of them it takes; it is empty where one person may decide at
    several levels. `enrolled` have a phone for codes; None where that is not known.
    """

    rounds: Sequence[Round] = ()
    delegates: Mapping[str, str] = field(default_factory=dict)
    confirmed: Collection[str] = ()
    counted: Collection[str] = ()
    requester: str | None = None
    asked_by: str | None = None
    later: Sequence[Demand] = ()
    enrolled: Collection[str] | None = None

    def round(self, number: int) -> Round | None:
        """The open round of that number."""
        return next((round_ for round_ in self.rounds if round_.number == number), None)

    def delegates_in(self, round_: Round) -> Mapping[str, str]:
        """Who votes instead of whom in this round.

        The one rule for handing over: where a round needs a code, a delegate counts whom the operator entered, or to
        whom the vote was handed with a code. Whoever holds a chat session alone hands over nothing there, so the holder
        votes themselves.
        """
        if not round_.code:
            return self.delegates
        return {holder: to for holder, to in self.delegates.items() if holder in self.confirmed}

    def placed(self, decision: Decision, members: Members) -> Decision:
        """The decision, in the open round where its person has a seat if it named no round itself."""
        if decision.round_named or self.round(decision.round) is None:
            return decision
        seats = [round_.number for round_ in self.rounds if self.seat(decision.actor, round_, members)]
        return decision.model_copy(update={"round": max(seats, default=decision.round)})

    def barred(self, person: str) -> bool:
        """Whether they may not vote here, neither from a seat of their own nor from anybody else's."""
        return person == self.requester or person in self.counted

    def needed_later(self, *people: str) -> bool:
        """Whether a later level could not be decided any more, were these people counted here."""
        return Matching(self.later).complete and not Matching(without(self.later, people)).complete

    def seat(self, person: str, round_: Round, members: Members) -> str | None:
        """Whose seat the person votes from: their own, or else one they are the delegate for; None: from none.

        Somebody who has handed their vote over has no seat. A seat is empty where its holder is barred. Of several it
        is one whose holder no later level needs, and with a quorum of "all" one that was asked.
        """
        delegates = self.delegates_in(round_)
        own = [person] if person not in delegates else []
        others = [holder for holder, delegate in delegates.items() if delegate == person]
        seats = [
            holder
            for holder in [*own, *others]
            if not self.barred(person) and not self.barred(holder) and round_.seats(holder, members)
        ]

        def costs(holder: str) -> tuple[bool, bool]:
            not_asked = round_.quorum == "all" and holder not in (round_.asked or ())
            return self.needed_later(person, holder), not_asked

        return min(seats, key=costs, default=None)


def settling_vote(round_: Round, votes: Iterable[Vote], choice: Choice, digest: str) -> Vote | None:
    """The last vote of those that settle the round for the side of `choice`; None where they do not.

    Only that side is looked at, so a rejection never approves. Approvals count on this very digest, and with a code
    where the round needs one.
    """
    cast = [vote for vote in votes if vote.round == round_.number and vote.choice is choice]
    if choice is Choice.REJECT:
        return cast[-1] if _different(cast) >= round_.reject_quorum else None
    counted = [vote for vote in cast if _counts(vote, round_, digest)]
    if round_.quorum == "all":
        asked = round_.asked or ()
        enough = bool(asked) and {vote.holder for vote in counted}.issuperset(asked)
    else:
        enough = _different(counted) >= round_.quorum
    return counted[-1] if counted and enough and _different(counted) >= round_.at_least else None


def _different(votes: Sequence[Vote]) -> int:
    """How many votes of different people, from different seats, there are among these."""
    return min(len({vote.actor for vote in votes}), len({vote.holder for vote in votes}))


def reachable(
    round_: Round, votes: Iterable[Vote], voters: EligibleVoters, members: Members, digest: str
) -> bool:
    """Whether the round can still be approved, by those who have approved and those who may.

    With a quorum of "all" those who were asked must all still have their seat; before that is known (`asked` is None),
    those who have one now.
    """
    approvals = [
        vote
        for vote in votes
        if vote.round == round_.number and vote.choice is Choice.APPROVE and _counts(vote, round_, digest)
    ]
    approved, filled = {vote.actor for vote in approvals}, {vote.holder for vote in approvals}
    later = voters.later if Matching(voters.later).complete else ()
    holders = round_.holders(members)
    delegates = voters.delegates_in(round_)

    def user(holder: str) -> str | None:
        """Who would vote from that seat; None where nobody may."""
        person = delegates.get(holder, holder)
        out = voters.barred(person) or voters.barred(holder)
        no_code = round_.code and voters.enrolled is not None and person not in voters.enrolled
        return None if out or no_code else person

    free = [(person, holder) for holder in holders if holder not in filled and (person := user(holder))]
    free = [(person, holder) for person, holder in free if person not in approved]
    if round_.quorum != "all":
        return _can_fill(max(round_.quorum, round_.at_least) - len(approved), free, later)
    asked = round_.asked
    if asked is None:
        asked = [holder for holder in holders if not voters.barred(holder)]
    taken = [(person, holder) for person, holder in free if holder in asked]
    people = {person for person, _ in taken}
    # A person has one vote in a round, so each seat that is left takes a person of its own.
    if not asked or len(people) < len(set(asked) - filled):
        return False
    others = [(person, holder) for person, holder in free if person not in people]
    names = {name for seat in taken for name in seat}
    return _can_fill(round_.at_least - len(people | approved), others, without(later, names))


def _can_fill(number: int, seats: Sequence[Seat], later: Sequence[Demand]) -> bool:
    """Whether so many different people can vote from these seats, and the later levels still be decided by others."""
    wanted = {person for people, _ in later for person in people}
    # Such a seat costs the later levels two people: who votes, and whose seat it is.
    dear = [(person, holder) for person, holder in seats if person != holder and holder in wanted][
        :DEAR_TRIED
    ]
    cheap = {person for person, holder in seats if person == holder or holder not in wanted}
    for size in range(min(max(number, 0), len(dear)) + 1):
        for taken in combinations(dear, size):
            names = {name for seat in taken for name in seat}
            different = len({person for person, _ in taken}) == size
            if (
                different
                and Matching([(sorted(cheap - names), number - size), *without(later, names)]).complete
            ):
                return True
    return False


def _counts(vote: Vote, round_: Round, digest: str) -> bool:
    return vote.digest == digest and (vote.factor is not None or not round_.code)

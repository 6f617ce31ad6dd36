"""Counts the votes of a round: who has a seat, what settles it, and whether it can still be approved. Pure.

A round is one posted stage of a request: a level's own, or the one of its escalation. A vote belongs to a seat: its
round, the seat's holder, who cast it, with which factor, on which digest. It counts in that round and in no other.
Later changes of delegates or groups do not change it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal

from orchestration.domain.commands import Decision
from orchestration.domain.matching import Demand, Matching, without
from orchestration.domain.request import Choice, Vote

# Each group's members at this moment. A missing group has none.
Members = Mapping[str, Collection[str]]
# A seat that may be used: who votes from it, and its holder.
Seat = tuple[str, str]
# The most combinations to try of seats that each cost a later level two people.
WAYS_TRIED: Final = 200


@dataclass(frozen=True)
class Round:
    """The terms of one open round.

    `named` have the seats: people, and the `groups` among them. `at_least` different people must have approved in any
    case. With a quorum of "all", `asked` are the holders who were asked when the round opened: None while they are not
    known, and empty, for good, if there was nobody. `code` says that an approval needs a code.
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
        """Maps each seat's holder to the delegate who votes instead of them in this round.

        All handing over follows this rule: if the round needs a code, a delegate counts only if the operator entered
        them, or the vote was handed to them with a code. A chat session alone is not enough: then the holder votes
        themselves.
        """
        if not round_.code:
            return self.delegates
        return {holder: to for holder, to in self.delegates.items() if holder in self.confirmed}

    def placed(self, decision: Decision, members: Members) -> Decision:
        """The decision. If it named no round, it is put in the newest open round in which its person has a seat."""
        if decision.round_named or self.round(decision.round) is None:
            return decision
        seats = [round_.number for round_ in self.rounds if self.seat(decision.actor, round_, members)]
        return decision.model_copy(update={"round": max(seats, default=decision.round)})

    def barred(self, person: str) -> bool:
        """Whether the person may not vote here from any seat, their own or another's."""
        return person == self.requester or person in self.counted

    @cached_property
    def following(self) -> Matching:
        """A matching of people to later levels; each person serves at one."""
        return Matching(self.later)

    def needed_later(self, *people: str) -> bool:
        """Whether a later level could no longer be decided if these people counted here."""
        return self.following.complete and not self.following.spares(people)

    def seat(self, person: str, round_: Round, members: Members) -> str | None:
        """The holder of the seat from which the person votes: the first of `seats`, or None."""
        return next(iter(self.seats(person, round_, members)), None)

    def seats(self, person: str, round_: Round, members: Members) -> list[str]:
        """The holders of those seats from which the person may vote: their own, or of those they are the delegate for.

        Somebody who has handed their vote over has no seat. A seat is empty where its holder is barred. Seats whose
        holder no later level needs come first, and with a quorum of "all" those that were asked.
        """
        delegates = self.delegates_in(round_)
        own = [person] if person not in delegates else []
        others = [holder for holder, delegate in delegates.items() if delegate == person]
        found = [
            holder
            for holder in [*own, *others]
            if not self.barred(person) and not self.barred(holder) and round_.seats(holder, members)
        ]

        def costs(holder: str) -> tuple[bool, bool]:
            not_asked = round_.quorum == "all" and holder not in (round_.asked or ())
            return self.needed_later(person, holder), not_asked

        return sorted(found, key=costs) if len(found) > 1 else found


def settling_vote(round_: Round, votes: Iterable[Vote], choice: Choice, digest: str) -> Vote | None:
    """The last of the votes that settle the round for `choice`; None if they do not settle it.

    Only votes for `choice` are counted, so a rejection never approves. See `counting` for the approvals that count.
    """
    cast = list(votes)
    if choice is Choice.REJECT:
        rejections = [vote for vote in cast if vote.round == round_.number and vote.choice is Choice.REJECT]
        return rejections[-1] if _different(rejections) >= round_.reject_quorum else None
    settled = approvals(round_, cast, digest) >= needed(round_)
    return counting(round_, cast, digest)[-1] if settled else None


def counting(round_: Round, votes: Iterable[Vote], digest: str) -> list[Vote]:
    """The approvals that count in this round: for this digest, and with a code if the round needs one."""
    return [
        vote
        for vote in votes
        if vote.round == round_.number
        and vote.choice is Choice.APPROVE
        and vote.digest == digest
        and (vote.factor is not None or not round_.code)
    ]


def needed(round_: Round) -> int:
    """How many approvals the round takes: at least one, and with "all" one from each seat that was asked."""
    quorum = len(round_.asked or ()) if round_.quorum == "all" else round_.quorum
    return max(quorum, round_.at_least, 1)


def approvals(round_: Round, votes: Iterable[Vote], digest: str) -> int:
    """How many of the `needed` approvals the round has. It is approved once it has as many as are `needed`.

    Each is from a different person and a different seat. With a quorum of "all" nobody else takes the place of a seat
    that was asked, and nobody decides before it is known who was asked.
    """
    counted = counting(round_, votes, digest)
    number = _different(counted)
    if round_.quorum != "all":
        return number
    if not round_.asked:
        return 0
    missing = set(round_.asked) - {vote.holder for vote in counted}
    return min(number, needed(round_) - len(missing))


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
    given = counting(round_, votes, digest)
    approved, filled = {vote.actor for vote in given}, {vote.holder for vote in given}
    later = voters.later if voters.following.complete else ()
    holders = round_.holders(members)
    delegates = voters.delegates_in(round_)

    def user(holder: str) -> str | None:
        """The person who would vote from that seat; None if nobody may."""
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
    """Whether so many different people can vote from these seats, and the later levels still be decided by others.

    A seat from which a delegate votes costs the later levels two people, if they want its holder. Tries the
    combinations of such seats in turn. True if there are too many to try: then the round waits.
    """
    wanted = {person for people, _ in later for person in people}
    dear = [(person, holder) for person, holder in seats if person != holder and holder in wanted]
    cheap = [person for person, holder in seats if person == holder or holder not in wanted]

    def fits(taken: Sequence[Seat], rest: Sequence[Seat] = ()) -> bool:
        """Whether it can be done with these of the `dear` seats (which cost two people) and with cheap ones.

        With `rest`: whether it may be possible when more `dear` seats, from `rest`, are taken.
        """
        names = {name for seat in taken for name in seat}
        left = max(number - len(taken), 0)
        able = [person for person in cheap if person not in names]
        spent = max(left - len(set(able)), 0)
        casters, holders = [person for person, _ in rest], [holder for _, holder in rest]
        # As many of the holders are spent as there are cheap seats missing, whichever they are.
        here = [([*able, *casters], left), (holders, spent)] if rest else [(able, left)]
        return Matching([*here, *without(later, names)]).complete

    ways: list[tuple[Seat, ...]] = [()]
    for _ in range(WAYS_TRIED):
        if not ways:
            return False
        taken = ways.pop()
        if fits(taken):
            return True
        names = {name for seat in taken for name in seat}
        start = dear.index(taken[-1]) + 1 if taken else 0
        rest = [seat for seat in dear[start:] if names.isdisjoint(seat)]
        if rest and len(taken) < number and fits(taken, rest):
            ways += [(*taken, seat) for seat in reversed(rest)]
    return True

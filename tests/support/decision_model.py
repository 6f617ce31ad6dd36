"""Who may decide and what counts, once more: written from docs/reference/deciding.md, and from no code.

Small and slow on purpose. Where the page leaves a choice open the model takes what the caller saw, if the page allows
it: from which of several seats a person voted, which of two absent people was replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

from tests.support import possible
from tests.support.possible import Terms

Members = Mapping[str, list[str]]
# Where the page says one thing and the orchestration does another, which nobody has decided yet: somebody may be a
# delegate who asked for it, where the policy allows self-approval; and so may the operator's entry, although the policy
# lists its delegates.
UNDECIDED = True
Seat = tuple[str, str]  # who casts, and whose seat it is


@dataclass(frozen=True)
class Rules:
    """One round as the policy writes it: a level's own, or the escalation's."""

    approvers: tuple[str, ...]
    quorum: int | Literal["all"]
    reject_quorum: int = 1
    at_least: int | None = None
    code: bool = False
    escalates: bool = False

    def people(self, asked: int) -> int:
        """How many different people must approve."""
        if self.at_least is not None:
            return self.at_least if self.quorum == "all" else max(self.at_least, self.quorum)
        return max(asked, min(2, len(self.approvers)), 1) if self.quorum == "all" else self.quorum


@dataclass(frozen=True)
class Case:
    """The policy and the request."""

    levels: tuple[Rules, ...]
    escalation: Rules | None
    groups: frozenset[str]
    requester: str
    enrolled: frozenset[str]
    allow_self: bool = False
    allow_repeat: bool = False
    delegates: tuple[str, ...] = ()
    operator: Mapping[str, str] = field(default_factory=dict)

    def terms(self) -> list[tuple[Terms, Terms | None]]:
        """Of each level, what its own round takes and what its escalation's does."""
        found: list[tuple[Terms, Terms | None]] = []
        for level in self.levels:
            own = Terms(
                level.approvers, level.people(0), level.reject_quorum, everybody=level.quorum == "all"
            )
            other = self.escalation if level.escalates else None
            found.append(
                (own, Terms(other.approvers, other.people(0), other.reject_quorum) if other else None)
            )
        return found

    def named(self) -> set[str]:
        """Everybody and every group that the policy names as approvers."""
        stages = [*self.levels, *([self.escalation] if self.escalation else [])]
        return {name for stage in stages for name in stage.approvers}


@dataclass(frozen=True)
class CastVote:
    round: int
    holder: str
    actor: str
    approves: bool
    code: bool


@dataclass
class DecisionModel:
    """A request that is being decided."""

    case: Case
    index: int = -1
    rounds: dict[int, Rules] = field(default_factory=dict)
    asked: list[str] | None = None
    votes: list[CastVote] = field(default_factory=list)
    handed: dict[str, str] = field(default_factory=dict)
    counted: set[str] = field(default_factory=set)
    last_round: int = 0

    # ---- stages ------------------------------------------------------------------------------------------

    def open_level(self) -> None:
        """The next level begins, with nothing of the one before but who has had their word."""
        self.index += 1
        self.last_round += 1
        self.rounds = {self.last_round: self.case.levels[self.index]}
        self.asked, self.votes, self.handed = None, [], {}

    def open_escalation(self) -> None:
        """A second round, beside the level's own; with a code, if any level up to now needed one."""
        rules = self.case.escalation
        assert rules is not None
        self.last_round += 1
        code = any(level.code for level in self.case.levels[: self.index + 1])
        self.rounds[self.last_round] = Rules(rules.approvers, rules.quorum, rules.reject_quorum, code=code)

    def close_level(self) -> None:
        """It is passed: whoever approved, and whoever let them, has had their word."""
        self.counted |= {name for vote in self.votes if vote.approves for name in (vote.actor, vote.holder)}
        self.rounds = {}

    @property
    def escalated(self) -> bool:
        return len(self.rounds) == 2

    def look(self, members: Members) -> None:
        """The groups are known: with "all", those who hold a seat now are those who are asked."""
        first = next(iter(self.rounds), None)
        if first is not None and self.asked is None:
            self.asked = [who for who in self.holders(self.rounds[first], members) if not self.barred(who)]

    # ---- who ---------------------------------------------------------------------------------------------

    def holders(self, rules: Rules, members: Members) -> list[str]:
        """The people who hold a seat."""
        found: dict[str, None] = {}
        for name in rules.approvers:
            found |= dict.fromkeys(members.get(name, ()) if name in self.case.groups else [name])
        return list(found)

    def barred(self, person: str) -> set[str]:
        """Why this person has no vote at this level, whatever seat they hold."""
        why = set()
        if person == self.case.requester and not self.case.allow_self:
            why.add("self_approval")
        if person in self.counted and not self.case.allow_repeat:
            why.add("counted_before")
        return why

    def seats(self, person: str, number: int, members: Members) -> list[str]:
        """The seats of that round from which the person may vote."""
        held = self.holders(self.rounds[number], members)
        return [who for who in held if self.handed.get(who, who) == person and not self.barred(who)]

    def why_no_vote(self, person: str, number: int, members: Members) -> set[str]:
        """Each reason of the page's table that applies; empty where they may vote, but for `needed_later`."""
        if number not in self.rounds:
            return {"round_over"}
        why = self.barred(person)
        if person in self.handed:
            why.add("handed_over")
        if not self.seats(person, number, members):
            why.add("not_an_approver")
            for holder, caster in self.handed.items():
                why |= self.barred(holder) if caster == person else set()
        return why

    def needed_later(self, seat: Seat) -> bool | None:
        """Whether a later level could not be decided once this seat has approved. None where the page does not say."""
        used = self.used() | set(seat)
        if self.follows(used, strict=True):
            return False
        return True if not self.follows(used, strict=False) else None

    def used(self) -> set[str]:
        """Who counts at this level as it stands."""
        return {name for vote in self.votes if vote.approves for name in (vote.actor, vote.holder)}

    def follows(self, used: set[str], *, strict: bool) -> bool:
        """Whether the later levels that name people alone can be decided, in their own rounds, without those."""
        if self.case.allow_repeat:
            return True
        barred = {who for level in self.case.levels for who in level.approvers if self.barred(who)}
        later = [own for own, _ in self.case.terms()[self.index + 1 :]]
        return possible.in_turn(later, self.case.groups, used | barred)

    # ---- what settles ------------------------------------------------------------------------------------

    def counting(self, number: int) -> list[CastVote]:
        """The approvals of that round that count."""
        code = self.rounds[number].code
        return [v for v in self.votes if v.round == number and v.approves and (v.code or not code)]

    def _enough(self, number: int, seats: list[Seat], members: Members) -> bool:
        """Whether approvals from these seats approve the round."""
        rules, people = self.rounds[number], {caster for caster, _ in seats}
        if rules.quorum != "all":
            return len(people) >= rules.people(0)
        asked = self.asked
        if asked is None:
            asked = [who for who in self.holders(rules, members) if not self.barred(who)]
        filled = {holder for _, holder in seats}
        return bool(asked) and set(asked) <= filled and len(people) >= rules.people(len(asked))

    def approved(self, members: Members) -> bool:
        """Whether an open round is approved."""
        return any(
            self._enough(number, [(v.actor, v.holder) for v in self.counting(number)], members)
            for number in self.rounds
        )

    def rejected(self) -> bool:
        """Whether an open round is rejected."""
        return any(
            len({v.actor for v in self.votes if v.round == number and not v.approves}) >= rules.reject_quorum
            for number, rules in self.rounds.items()
        )

    def ways(self, number: int, members: Members, *, strict: bool = False) -> Iterator[list[Seat]]:
        """The sets of seats whose approvals would approve the round: the fewest people first.

        An approval that was given stands. Whoever has no phone cannot approve where a code is needed.
        """
        rules = self.rounds[number]
        given = {v.actor: v.holder for v in self.counting(number)}
        free = [
            (caster, holder)
            for holder in self.holders(rules, members)
            for caster in [self.handed.get(holder, holder)]
            if not self.barred(holder) and not self.barred(caster) and caster not in self.handed
            if caster not in given and (caster in self.case.enrolled or not rules.code)
        ]
        elsewhere = self.used()
        for size in range(len(free) + 1):
            for chosen in combinations(free, size):
                seats = [*given.items(), *chosen]
                if len({caster for caster, _ in seats}) < len(seats) or len({h for _, h in seats}) < len(
                    seats
                ):
                    continue
                names = {name for seat in seats for name in seat} | elsewhere
                if self._enough(number, seats, members) and self.follows(names, strict=strict):
                    yield seats

    def reachable(self, number: int, members: Members, *, strict: bool = False) -> bool:
        """Whether that open round can still be approved."""
        return next(self.ways(number, members, strict=strict), None) is not None

    def decidable(self, members: Members, *, strict: bool = False) -> bool:
        """Whether any open round can."""
        return any(self.reachable(number, members, strict=strict) for number in self.rounds)

    # ---- delegates ---------------------------------------------------------------------------------------

    def why_no_delegate(self, holder: str, to: str, members: Members) -> set[str]:
        """Why `to` may not decide for `holder` at this level, but for what is left after it."""
        why = set()
        if (
            to == holder
            or to in self.handed
            or (to == self.case.requester and not (UNDECIDED and self.case.allow_self))
        ):
            why.add("delegate_unfit")
        if to in self.counted and not self.case.allow_repeat:
            why.add("delegate_unfit")
        allowed = set(self.case.delegates or self.case.named())
        allowed |= {who for group in allowed & self.case.groups for who in members.get(group, ())}
        if (UNDECIDED or not self.case.delegates) and self.case.operator.get(holder):
            allowed.add(self.case.operator[holder])
        if to not in allowed:
            why.add("delegate_not_allowed")
        if any(rules.code for rules in self.rounds.values()) and to not in self.case.enrolled:
            why |= {"delegate_not_enrolled", "not_enrolled"}
        return why

    def hand_over(self, holder: str, to: str) -> None:
        """`to` votes instead of `holder`; a vote that `holder` had cast is given up."""
        self.handed[holder] = to
        self.votes = [vote for vote in self.votes if vote.actor != holder]

    def vote(self, vote: CastVote) -> None:
        """One vote a person in a round."""
        self.votes = [v for v in self.votes if (v.round, v.actor) != (vote.round, vote.actor)] + [vote]

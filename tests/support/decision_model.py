"""A model of who may decide and what counts, written from docs/reference/deciding.md and not from the code.

Small and slow on purpose: where the code counts, the model tries every combination. Where the page leaves a choice
open, the model follows the code, if the page allows what it did: from which of several seats a person voted, and which
of two absent people was replaced where only one of them can be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import combinations
from typing import Literal

from tests.support import possible
from tests.support.possible import Terms

Members = Mapping[str, list[str]]
SeatUse = tuple[str, str]  # who votes, and the holder of the seat they vote from


@dataclass(frozen=True)
class PolicyStage:
    """A level, or the escalation, as the policy writes it."""

    approvers: tuple[str, ...]
    quorum: int | Literal["all"]
    reject_quorum: int = 1
    at_least: int | None = None
    sms: bool = False
    sms_above: Decimal | None = None
    on_timeout: str = "expire"

    def people(self, asked: int) -> int:
        """How many different people must approve."""
        if self.at_least is not None:
            return self.at_least if self.quorum == "all" else max(self.at_least, self.quorum)
        return max(asked, min(2, len(self.approvers)), 1) if self.quorum == "all" else self.quorum

    def needs_code(self, amount: Decimal | None) -> bool:
        """Whether approvals need a code. An unknown amount may be any amount."""
        return self.sms or (self.sms_above is not None and (amount is None or amount > self.sms_above))


@dataclass(frozen=True)
class AwayEntry:
    """What somebody said of being away, or what the operator entered for them."""

    delegate: str | None = None
    away: bool = False


@dataclass(frozen=True)
class Case:
    """The policy, the request, and what the operator knows of people."""

    levels: tuple[PolicyStage, ...]
    escalation: PolicyStage | None
    groups: frozenset[str]
    requester: str
    enrolled: frozenset[str]
    amount: Decimal | None = None
    allow_self: bool = False
    allow_repeat: bool = False
    delegates: tuple[str, ...] = ()
    entered: Mapping[str, AwayEntry] = field(default_factory=dict)

    def stages(self) -> list[PolicyStage]:
        """The levels, and the escalation if there is one."""
        return [*self.levels, *([self.escalation] if self.escalation else [])]

    def terms(self) -> list[tuple[Terms, Terms | None]]:
        """For each level the terms of its own round, and of its escalation's round where it can escalate."""
        return [
            (
                _terms(level),
                _terms(self.escalation) if self.escalation and level.on_timeout == "escalate" else None,
            )
            for level in self.levels
        ]

    def named(self) -> set[str]:
        """Everybody and every group that the policy names as approvers."""
        return {name for stage in self.stages() for name in stage.approvers}


@dataclass
class ModelWorld:
    """What can change while a request is open."""

    groups: dict[str, list[str]] = field(default_factory=dict)
    own: dict[str, AwayEntry] = field(default_factory=dict)
    inactive: set[str] = field(default_factory=set)
    failing: bool = False


@dataclass(frozen=True)
class CastVote:
    round: int
    holder: str
    actor: str
    approves: bool
    code: bool
    comment: str = ""


@dataclass(frozen=True)
class OpenRound:
    stage: PolicyStage
    code: bool


@dataclass
class DecisionModel:
    """A request that is being decided."""

    case: Case
    world: ModelWorld
    index: int = -1
    rounds: dict[int, OpenRound] = field(default_factory=dict)
    asked: list[str] | None = None
    votes: list[CastVote] = field(default_factory=list)
    handed: dict[str, str] = field(default_factory=dict)
    confirmed: set[str] = field(default_factory=set)
    counted: set[str] = field(default_factory=set)
    past: list[list[CastVote]] = field(default_factory=list)
    last_round: int = 0

    def copy(self) -> DecisionModel:
        """A copy of the state, to try something out on."""
        return replace(
            self,
            rounds=dict(self.rounds),
            votes=list(self.votes),
            handed=dict(self.handed),
            confirmed=set(self.confirmed),
            counted=set(self.counted),
            past=list(self.past),
        )

    # ---- stages ------------------------------------------------------------------------------------------

    @property
    def level(self) -> PolicyStage:
        """The level that is open."""
        return self.case.levels[self.index]

    @property
    def own_round(self) -> int:
        """The number of the level's own round."""
        return min(self.rounds)

    def open_level(self) -> None:
        """Opens the next level. Of the one before it keeps only whose votes were counted."""
        self.index += 1
        self.last_round += 1
        self.rounds = {self.last_round: OpenRound(self.level, self.level.needs_code(self.case.amount))}
        self.asked, self.votes, self.handed, self.confirmed = None, [], {}, set()

    def open_escalation(self) -> None:
        """Opens a second round beside the level's own. It needs a code if any level up to now needed one."""
        assert self.case.escalation is not None
        self.last_round += 1
        code = any(level.needs_code(self.case.amount) for level in self.case.levels[: self.index + 1])
        self.rounds[self.last_round] = OpenRound(self.case.escalation, code)

    def close_level(self) -> None:
        """Closes the level as approved; those who approved, and the holders of their seats, have been counted."""
        self.counted |= self.used()
        self.past.append(self.votes)
        self.rounds, self.votes = {}, []

    @property
    def escalated(self) -> bool:
        return len(self.rounds) == 2

    def knows(self, *, delegates: bool = False) -> bool:
        """Whether the needed groups can be looked up; with `delegates`, also those of possible delegates."""
        named = {name for one in self.rounds.values() for name in one.stage.approvers}
        if delegates:
            named |= set(self.case.delegates) or self.case.named()
            named |= {name for one in self.in_reach().rounds.values() for name in one.stage.approvers}
        return not self.world.failing or not named & self.case.groups

    def look(self, *, delegates: bool = False) -> bool:
        """Whether the groups are known. The first time, notes who holds a seat: with "all" they are those asked."""
        if not self.knows(delegates=delegates):
            return False
        if self.rounds and self.asked is None:
            held = self.holders(self.own_round)
            self.asked = [who for who in held if not self.barred(who)]
        return True

    # ---- who ---------------------------------------------------------------------------------------------

    def members(self) -> Members:
        """Who is in which group, as far as anybody can tell."""
        return {} if self.world.failing else self.world.groups

    def holders(self, number: int) -> list[str]:
        """The people who hold a seat."""
        found: dict[str, None] = {}
        for name in self.rounds[number].stage.approvers:
            found |= dict.fromkeys(self.members().get(name, ()) if name in self.case.groups else [name])
        return list(found)

    def delegates_in(self, number: int) -> dict[str, str]:
        """The delegate of each holder; where a code is needed, only those confirmed by a code or the operator."""
        if not self.rounds[number].code:
            return self.handed
        return {holder: to for holder, to in self.handed.items() if holder in self.confirmed}

    def barred(self, person: str) -> set[str]:
        """Why this person has no vote at this level, whatever seat they hold."""
        why = set()
        if person == self.case.requester and not self.case.allow_self:
            why.add("self_approval")
        if person in self.counted and not self.case.allow_repeat:
            why.add("counted_before")
        return why

    def seats(self, person: str, number: int) -> list[str]:
        """The seats of that round from which the person may vote."""
        if self.barred(person):
            return []
        instead = self.delegates_in(number)
        return [w for w in self.holders(number) if instead.get(w, w) == person and not self.barred(w)]

    def casters(self, holder: str, number: int) -> list[str]:
        """The one person who may vote from this holder's seat in that round, or nobody."""
        caster = self.delegates_in(number).get(holder, holder)
        return [caster] if holder in self.seats(caster, number) else []

    def why_no_vote(self, person: str, number: int) -> set[str]:
        """Each reason of the page's table that applies, except `needed_later`; empty where they may vote."""
        if number not in self.rounds:
            return {"round_over"}
        if self.seats(person, number):
            return set()
        instead = self.delegates_in(number)
        why = self.barred(person) | {"not_an_approver"}
        if person in instead:
            why.add("handed_over")
        for holder, caster in instead.items():
            why |= self.barred(holder) if caster == person else set()
        return why

    def place(self, person: str, number: int) -> int:
        """The round that a decision without one is for: the newest open round where the person has a seat."""
        if number not in self.rounds:
            return number
        return max((one for one in self.rounds if self.seats(person, one)), default=number)

    def used(self) -> set[str]:
        """The people whose approvals, or whose seats, count at this level so far."""
        return {name for vote in self.votes if vote.approves for name in (vote.actor, vote.holder)}

    def follows(self, used: set[str]) -> bool:
        """Whether people other than `used` can decide the later levels that name only people, in their own rounds."""
        barred = used | self.counted | (set() if self.case.allow_self else {self.case.requester})
        later = [own for own, _ in self.case.terms()[self.index + 1 :]]
        return self.case.allow_repeat or possible.in_turn(later, self.case.groups, barred)

    def needed_later(self, use: SeatUse) -> bool:
        """Whether an approval from this seat would make a later level impossible to approve."""
        return not self.follows(self.used() | set(use))

    def taken_from_a_later_level(self, use: SeatUse, number: int) -> bool:
        """Whether an approval from this seat would make a later level, or else this round, impossible to approve."""
        caster, holder = use
        after = self.copy()
        after.vote(CastVote(number, holder, caster, approves=True, code=self.rounds[number].code))
        return self.needed_later(use) or (self.reachable(number) and not after.reachable(number))

    # ---- what settles ------------------------------------------------------------------------------------

    def counting(self, number: int) -> list[CastVote]:
        """The approvals of that round that count."""
        code = self.rounds[number].code
        return [v for v in self.votes if v.round == number and v.approves and (v.code or not code)]

    def needed(self) -> int:
        """How many approvals the level's own round takes."""
        if self.level.quorum == "all":
            return max(len(self.asked or ()), self.level.people(len(self.asked or ())))
        return self.level.people(0)

    def has(self) -> int:
        """How many of the needed approvals the level's own round has. With "all", only those who were asked count."""
        counting = self.counting(self.own_round)
        missing = set(self.asked or ()) - {vote.holder for vote in counting}
        if self.level.quorum != "all":
            return len(counting)
        return min(len(counting), self.needed() - len(missing)) if self.asked else 0

    def _enough(self, number: int, uses: list[SeatUse]) -> bool:
        """Whether approvals from these seats approve the round."""
        stage, people = self.rounds[number].stage, {caster for caster, _ in uses}
        if stage.quorum != "all":
            return len(people) >= stage.people(0)
        asked = self.asked
        if asked is None:
            asked = [who for who in self.holders(number) if not self.barred(who)]
        filled = {holder for _, holder in uses}
        return bool(asked) and set(asked) <= filled and len(people) >= stage.people(len(asked))

    def approved(self, number: int) -> bool:
        """Whether that open round is approved."""
        return self._enough(number, [(v.actor, v.holder) for v in self.counting(number)])

    def rejected(self, number: int) -> bool:
        """Whether that open round is rejected."""
        against = {v.actor for v in self.votes if v.round == number and not v.approves}
        return len(against) >= self.rounds[number].stage.reject_quorum

    def ways(self, number: int) -> Iterator[list[SeatUse]]:
        """The sets of seats whose approvals would approve the round, the smallest sets first.

        Approvals already given stay in each set. Whoever has no phone cannot approve where a code is needed.
        """
        given = {v.actor: v.holder for v in self.counting(number)}
        instead, code = self.delegates_in(number), self.rounds[number].code
        free = [
            (caster, holder)
            for holder in self.holders(number)
            for caster in [instead.get(holder, holder)]
            if not self.barred(holder) and not self.barred(caster)
            if caster not in given and holder not in given.values()
            if caster in self.case.enrolled or not code
        ]
        for size in range(len(free) + 1):
            for chosen in combinations(free, size):
                casters = {caster for caster, _ in chosen}
                if len(casters) < size:
                    continue
                uses = [*given.items(), *chosen]
                names = {name for use in uses for name in use} | self.used()
                if self._enough(number, uses) and self.follows(names):
                    yield uses

    def reachable(self, number: int) -> bool:
        """Whether that open round can still be approved."""
        return next(self.ways(number), None) is not None

    def decidable(self) -> bool:
        """Whether any open round can still be approved."""
        return any(map(self.reachable, self.rounds))

    # ---- delegates ---------------------------------------------------------------------------------------

    def away(self, person: str) -> bool:
        """Whether the person is away. Their own entry goes before the operator's."""
        entry = self.world.own.get(person) or self.case.entered.get(person) or AwayEntry()
        return entry.away

    def operators(self, holder: str) -> str | None:
        """The delegate that the operator entered for this person."""
        return self.case.entered.get(holder, AwayEntry()).delegate

    def delegate_faults(self, holder: str, to: str, *, code: bool) -> set[str]:
        """Why `to` may not decide for `holder` at this level, except for the rule on how many people are left."""
        why = set()
        unfit = (
            to in {holder, self.case.requester}
            or (to in self.counted and not self.case.allow_repeat)
            or to in self.handed
            or self.away(to)
            or to in self.world.inactive
        )
        if unfit:
            why.add("delegate_unfit")
        if code and to not in self.case.enrolled:
            why.add("delegate_not_enrolled")
        if to not in self.allowed_for(holder):
            why.add("delegate_not_allowed")
        return why

    def allowed_for(self, holder: str) -> set[str]:
        """The people whom the policy allows as delegates of this person."""
        named = set(self.case.delegates)
        if not named:
            named = self.case.named() | {self.operators(holder) or holder}
        groups = named & self.case.groups
        return (named - groups) | {who for group in groups for who in self.members().get(group, ())}

    def hand_over(self, holder: str, to: str, *, confirmed: bool) -> None:
        """Lets `to` vote instead of `holder`; drops the votes by `holder` and from their seat."""
        self.handed[holder] = to
        self.confirmed = (self.confirmed - {holder}) | ({holder} if confirmed else set())
        self.votes = [vote for vote in self.votes if holder not in {vote.actor, vote.holder}]

    def in_reach(self) -> DecisionModel:
        """The level with every round that a new delegate may vote in, including an escalation that may still open."""
        found = self.copy()
        if self.rounds and self.level.on_timeout == "escalate" and not self.escalated:
            found.open_escalation()
        return found

    def code_to_delegate(self, holder: str) -> bool:
        """Whether a round of `in_reach` in which the holder has a seat needs a code."""
        found = self.in_reach()
        return any(one.code and holder in found.holders(number) for number, one in found.rounds.items())

    def made_impossible(self, holder: str, to: str, *, confirmed: bool) -> set[int]:
        """The rounds of `in_reach` that can be approved now, but not once `to` votes for `holder`."""
        before, after = self.in_reach(), self.in_reach()
        after.hand_over(holder, to, confirmed=confirmed)
        return {one for one in before.rounds if before.reachable(one) and not after.reachable(one)}

    def replaced_by(self, holder: str) -> tuple[str, bool] | None:
        """The delegate to ask instead of somebody who is away, and whether they may also vote with a code."""
        entered = self.case.entered.get(holder) or AwayEntry()
        entry = self.world.own.get(holder) or entered
        if not entry.away:
            return None
        with_code = all(one.code for one in self.rounds.values() if holder in one.stage.approvers)
        to = entered.delegate if with_code else entry.delegate
        if to is None:
            return None
        confirmed = to == entered.delegate and to in self.case.enrolled
        return None if with_code and not confirmed else (to, confirmed)

    def why_not_replaced(self, holder: str) -> set[str]:
        """Why a person is not replaced by their delegate when a round opens; empty where the delegate is asked."""
        found = self.replaced_by(holder)
        if found is None:
            return {"nobody"}
        to, confirmed = found
        why = self.barred(holder) | self.delegate_faults(holder, to, code=False)
        if holder in self.handed or holder in self.handed.values():
            why.add("one_hop")
        if any(holder in {vote.actor, vote.holder} for vote in self.votes):
            why.add("has_voted")
        if self.world.failing:
            why.add("directory_unavailable")
        if self.made_impossible(holder, to, confirmed=confirmed):
            why.add("too_few_left")
        return why

    def vote(self, vote: CastVote) -> None:
        """Records a vote; replaces the person's earlier vote in that round."""
        self.votes = [v for v in self.votes if (v.round, v.actor) != (vote.round, vote.actor)] + [vote]


def _terms(stage: PolicyStage) -> Terms:
    everybody = stage.quorum == "all"
    return Terms(stage.approvers, stage.people(0), stage.reject_quorum, everybody=everybody)

"""Who may decide and what counts, once more: written from docs/reference/deciding.md, and from no code.

Small and slow on purpose: where the code counts, this tries every way. Where the page leaves a choice open, the model
takes what was seen, if the page allows it: from which of several seats a person voted, and which of two absent people
was replaced where only one of them can be.
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
SeatUse = tuple[str, str]  # who casts, and whose seat it is


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
        """An amount that is not known may be any amount."""
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
        """Of each level, what its own round takes and what its escalation's does."""
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
        """The same state once more, to try something out on."""
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
        """The next level begins, with nothing of the one before but who has had their word."""
        self.index += 1
        self.last_round += 1
        self.rounds = {self.last_round: OpenRound(self.level, self.level.needs_code(self.case.amount))}
        self.asked, self.votes, self.handed, self.confirmed = None, [], {}, set()

    def open_escalation(self) -> None:
        """A second round, beside the level's own; with a code, if any level up to now needed one."""
        assert self.case.escalation is not None
        self.last_round += 1
        code = any(level.needs_code(self.case.amount) for level in self.case.levels[: self.index + 1])
        self.rounds[self.last_round] = OpenRound(self.case.escalation, code)

    def close_level(self) -> None:
        """It is passed: whoever approved, and whoever let them, has had their word."""
        self.counted |= self.used()
        self.past.append(self.votes)
        self.rounds, self.votes = {}, []

    @property
    def escalated(self) -> bool:
        return len(self.rounds) == 2

    def knows(self, *, delegates: bool = False) -> bool:
        """Whether the groups that matter can be looked up; where somebody is to be a delegate, also who may be one."""
        named = {name for one in self.rounds.values() for name in one.stage.approvers}
        if delegates:
            named |= set(self.case.delegates) or self.case.named()
            named |= {name for one in self.in_reach().rounds.values() for name in one.stage.approvers}
        return not self.world.failing or not named & self.case.groups

    def look(self, *, delegates: bool = False) -> bool:
        """Whether the groups are known; with "all", those who hold a seat at the first look are those who are asked."""
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
        """Who votes instead of whom: where a code is needed, only whom a code or the operator has put there."""
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
        """Who may vote from this person's seat in that round, if they have one: nobody or one."""
        caster = self.delegates_in(number).get(holder, holder)
        return [caster] if holder in self.seats(caster, number) else []

    def why_no_vote(self, person: str, number: int) -> set[str]:
        """Each reason of the page's table that applies; empty where they may vote, but for `needed_later`."""
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
        """The round of a decision that named none: the newest open one where they have a seat."""
        if number not in self.rounds:
            return number
        return max((one for one in self.rounds if self.seats(person, one)), default=number)

    def used(self) -> set[str]:
        """Who has had their word at this level as it stands."""
        return {name for vote in self.votes if vote.approves for name in (vote.actor, vote.holder)}

    def follows(self, used: set[str]) -> bool:
        """Whether the later levels that name people alone can be decided in their own rounds by others than those."""
        barred = used | self.counted | (set() if self.case.allow_self else {self.case.requester})
        later = [own for own, _ in self.case.terms()[self.index + 1 :]]
        return self.case.allow_repeat or possible.in_turn(later, self.case.groups, barred)

    def needed_later(self, use: SeatUse) -> bool:
        """Whether a later level could not be approved any more, once this seat has approved."""
        return not self.follows(self.used() | set(use))

    def taken_from_a_later_level(self, use: SeatUse, number: int) -> bool:
        """Whether a later level could not be approved once this seat has approved, or else this round could not."""
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
        """How many of the approvals that it takes the level's own round has. Of "all", nobody else's counts."""
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
        """The sets of seats whose approvals would approve the round: the fewest people first.

        An approval that was given stands. Whoever has no phone cannot approve where a code is needed.
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
        """Whether any open round can."""
        return any(map(self.reachable, self.rounds))

    # ---- delegates ---------------------------------------------------------------------------------------

    def away(self, person: str) -> bool:
        """What they said themselves goes before what the operator entered."""
        entry = self.world.own.get(person) or self.case.entered.get(person) or AwayEntry()
        return entry.away

    def operators(self, holder: str) -> str | None:
        """Whom the operator entered as the delegate of this person."""
        return self.case.entered.get(holder, AwayEntry()).delegate

    def delegate_faults(self, holder: str, to: str, *, code: bool) -> set[str]:
        """Why `to` may not decide for `holder` at this level, but for how many people are left after it."""
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
        """Whom the policy lets be the delegate of this person."""
        named = set(self.case.delegates)
        if not named:
            named = self.case.named() | {self.operators(holder) or holder}
        groups = named & self.case.groups
        return (named - groups) | {who for group in groups for who in self.members().get(group, ())}

    def hand_over(self, holder: str, to: str, *, confirmed: bool) -> None:
        """`to` votes instead of `holder`; what `holder` voted, and what was voted from their seat, is given up."""
        self.handed[holder] = to
        self.confirmed = (self.confirmed - {holder}) | ({holder} if confirmed else set())
        self.votes = [vote for vote in self.votes if holder not in {vote.actor, vote.holder}]

    def in_reach(self) -> DecisionModel:
        """The level with the rounds that a delegate of now reaches: its escalation's too, if that can still open."""
        found = self.copy()
        if self.rounds and self.level.on_timeout == "escalate" and not self.escalated:
            found.open_escalation()
        return found

    def code_to_delegate(self, holder: str) -> bool:
        """Whether a round that it reaches, where the holder has a seat, needs a code."""
        found = self.in_reach()
        return any(one.code and holder in found.holders(number) for number, one in found.rounds.items())

    def made_impossible(self, holder: str, to: str, *, confirmed: bool) -> set[int]:
        """The rounds it reaches that could be approved, and could not be any more once `to` votes for `holder`."""
        before, after = self.in_reach(), self.in_reach()
        after.hand_over(holder, to, confirmed=confirmed)
        return {one for one in before.rounds if before.reachable(one) and not after.reachable(one)}

    def replaced_by(self, holder: str) -> tuple[str, bool] | None:
        """Who would be asked instead of somebody who is away, and whether also where a code is needed."""
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
        """Why somebody who is away is asked all the same, when a round opens. Empty where their delegate is asked."""
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
        """One vote a person in a round."""
        self.votes = [v for v in self.votes if (v.round, v.actor) != (vote.round, vote.actor)] + [vote]


def _terms(stage: PolicyStage) -> Terms:
    everybody = stage.quorum == "all"
    return Terms(stage.approvers, stage.people(0), stage.reject_quorum, everybody=everybody)

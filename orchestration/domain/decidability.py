"""Checks that enough people can decide each round of a policy, for a policy file and for a new request. Pure.

Each round is checked in one possible course of a request: the other levels are decided in their own rounds, and this
round is approved, or rejected. The round passes the check if enough different people are left for it. Nobody decides
two levels, unless the policy allows it. Everybody whom a level with a quorum of "all" names has decided by the end of
that level.

The check leaves out what is not known when a policy is loaded:

- Groups. Who is in one is looked up when somebody acts. A round with a group among its approvers is taken to
  have enough people. `needs_of_groups` says how many of them have to come from the group.
- Delegates. A delegate votes in the place of somebody whom the round names, and then both count as having decided. So
  delegates never make an impossible round possible.

Where a round needs a code, only people with a phone can approve it. Everybody whom it names has one, else the policy
file is refused. Of its groups' members only those count whom the operator enrolled, if that is known (`eligible`).

The running request has a check of its own, with what is known by then: `orchestration.domain.rounds.reachable`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Final

from orchestration.domain.matching import Demand, Matching

NAMES: Final = 6  # people named in a sentence; the others are counted


@dataclass(frozen=True)
class PolicyRound:
    """A round as the policy describes it: a level's own, or that of its escalation.

    `approvals` and `rejections` say how many different people each takes. With `everybody` all who are asked must
    approve, and `approvals` is the least number. With a group, `eligible` are all who could be in it and approve, where
    that is known.
    """

    level: str
    people: tuple[str, ...]
    groups: tuple[str, ...]
    approvals: int
    rejections: int
    everybody: bool = False
    escalation: bool = False
    eligible: tuple[str, ...] | None = None

    @property
    def candidates(self) -> tuple[str, ...] | None:
        """Everybody who could approve it; None where that is not known."""
        return self.eligible if self.groups else self.people

    @property
    def label(self) -> str:
        """What a sentence calls it."""
        return f"the escalation of level {self.level}" if self.escalation else f"level {self.level}"


# A level: its own round, and that of its escalation if it has one.
PolicyLevel = tuple[PolicyRound, PolicyRound | None]


@dataclass(frozen=True)
class Impossible:
    """A round that can never be approved, or with `rejecting` never be rejected, and who is missing.

    `rounds` together take `needed` different people, and only `people` can decide them. `spent` are the earlier levels
    in which everybody decides, as their quorum is "all".
    """

    round: PolicyRound
    rejecting: bool
    rounds: Sequence[PolicyRound]
    needed: int
    people: Sequence[str]
    spent: Sequence[PolicyRound] = ()

    def sentence(self) -> str:
        """What is wrong, and the remedy, for the author of the policy. A sentence without a full stop."""
        alone = [self.round] == list(self.rounds) and not self.spent
        return self._too_few_named() if alone else self._used_up()

    def _too_few_named(self) -> str:
        what, named = self.round, len(self.people)
        label = "the escalation" if what.escalation else what.label
        if what.groups:
            have = f"only {_listed(self.people)} can have one sent" if named else "nobody has a phone"
            approvals = "an approval" if self.needed == 1 else f"{self.needed} approvals"
            return f"{label} needs {approvals} confirmed by a code, but {have}; add phones under [people.ID]"
        if self.rejecting:
            return (
                f"{label} needs {self.needed} rejections of {named} people; name more people, or lower its "
                "reject_quorum"
            )
        needs = f"{self.needed} different people and names {named}"
        if not what.everybody:
            needs = f"{self.needed} approvals of {named} people"
        return f"{label} needs {needs}; name more people, or lower its quorum or at_least"

    def _used_up(self) -> str:
        ending = "rejected" if self.rejecting else "decided"
        there = "in the escalation" if self.round.escalation else "there"
        return (
            f"{self.round.label} cannot be {ending}: nobody may decide two levels, and {self.missing()}; name other "
            f"people {there}, or set allow_repeat_approver = true"
        )

    def missing(self) -> str:
        """Who is missing, as a part of a sentence."""
        rounds = _listed([one.label for one in self.rounds])
        need = "together need" if len(self.rounds) > 1 else "needs"
        people = "1 person" if self.needed == 1 else f"{self.needed} different people"
        left = f"only {_listed(self.people)} can decide there" if self.people else "nobody is left for it"
        because = ""
        if self.spent:
            by_all = _listed([one.label for one in self.spent])
            because = f' (everybody whom {by_all} names decides there first, as its quorum is "all")'
        return f"{rounds} {need} {people}, but {left}{because}"


@dataclass(frozen=True)
class GroupNeed:
    """Rounds that can be decided only with `members` people or more who come from `groups`.

    `spent` are the levels before them that take everybody of these groups, so that only people who join later are left.
    """

    rounds: Sequence[PolicyRound]
    groups: Sequence[str]
    members: int
    spent: Sequence[PolicyRound] = ()

    def sentence(self) -> str:
        """The need, for the author of the policy: a sentence without a full stop."""
        labels, groups = _listed([one.label for one in self.rounds]), _listed(self.groups)
        if self.spent:
            return (
                f"{labels} can be decided only by people who join {groups} later: nobody may decide two levels, and "
                f'everybody in there decides {_listed([one.label for one in self.spent])}, as its quorum is "all"'
            )
        members = "1 member" if self.members == 1 else f"{self.members} members"
        phone = " with a phone" if self.rounds[0].eligible is not None else ""
        need = "need" if len(self.rounds) > 1 else "needs"
        return f"{labels} {need} at least {members}{phone} of {groups}"


def find_impossible(
    levels: Sequence[PolicyLevel],
    *,
    repeat: bool,
    barred: Collection[str] = (),
    escalations: bool = True,
) -> list[Impossible]:
    """The rounds that can never be decided once nobody of `barred` may, and why. Empty if all can.

    With `repeat` one person may decide several levels. Without `escalations` only the levels' own rounds are looked at.
    Levels that name too few people by themselves come alone: what they lack would show at other levels as well.
    """
    course = _Course([own for own, _ in levels], barred, repeat=repeat)
    by_itself = replace(course, repeat=True)
    found = [fault for own, _ in levels for fault in by_itself.faults(own)]
    other = next((one for _, one in levels if one is not None), None) if escalations else None
    found += list(by_itself.faults(other)) if other else []
    if found or repeat:
        return found
    if (fault := course.fault(course.levels[0])) is not None:
        return [fault]
    for at, (own, escalation) in enumerate(levels):
        found += filter(None, [course.fault(own, at, rejecting=True)])
        if escalation is not None and escalations:
            found += list(course.faults(escalation, at))[:1]
    return found


@dataclass(frozen=True)
class _Course:
    """One possible course of a request: all levels but the one being checked are decided in their own rounds."""

    levels: Sequence[PolicyRound]
    barred: Collection[str]
    repeat: bool

    def faults(self, looked_at: PolicyRound, at: int = 0) -> Iterator[Impossible]:
        """Why that round in the place of level `at` cannot be approved, and why it cannot be rejected."""
        for rejecting in (False, True):
            if (fault := self.fault(looked_at, at, rejecting=rejecting)) is not None:
                yield fault

    def fault(self, looked_at: PolicyRound, at: int = 0, *, rejecting: bool = False) -> Impossible | None:
        """Why that round in the place of level `at` cannot be approved (or rejected), or None."""
        if rejecting:
            # A rejection needs no code.
            looked_at = replace(looked_at, approvals=looked_at.rejections, everybody=False, eligible=None)
        if self.repeat:
            rounds, place = [looked_at], 0
        else:
            # A rejection ends the request, so no later level needs anybody.
            after = [] if rejecting else self.levels[at + 1 :]
            rounds, place = [*self.levels[:at], looked_at, *after], at
        short = Matching(demands(rounds, self.barred)).shortage
        if short is None:
            return None
        known = [index for index, one in enumerate(rounds) if one.candidates is not None]
        involved = [known[index] for index in short.places]
        failing = place if place in involved and (rejecting or looked_at.escalation) else involved[-1]
        named = {person for index in involved for person in rounds[index].people}
        spent = [
            one
            for index, one in enumerate(rounds[: involved[-1]])
            if one.everybody and index not in involved and not named.isdisjoint(one.people)
        ]
        lacking = [rounds[index] for index in involved]
        return Impossible(rounds[failing], rejecting, lacking, short.needed, short.people, spent)


def demands(rounds: Sequence[PolicyRound], barred: Collection[str]) -> list[Demand]:
    """For each round: the people who can still be left for it, none of `barred`, and how many of them it takes.

    The rounds are in order of time. A round is left out if nobody can tell who could approve it. Everybody whom a round
    of "all" names has decided by its end, in it or before, so no later round can count on them.
    """
    spent = set(barred)
    found: list[Demand] = []
    for one in rounds:
        if one.candidates is not None:
            found.append(([person for person in one.candidates if person not in spent], one.approvals))
        if one.everybody:
            spent |= set(one.people)
    return found


def needs_of_groups(levels: Sequence[PolicyLevel], *, repeat: bool) -> list[GroupNeed]:
    """The rounds that cannot be decided by the people they name, and how many members of their groups it takes."""
    own = [first for first, _ in levels]
    alike: dict[tuple[Any, ...], list[PolicyRound]] = {}
    needs: list[GroupNeed] = []
    for at, looked_at in _each_round(levels):
        if not looked_at.groups:
            continue
        course = [looked_at] if repeat else [*own[:at], looked_at, *own[at + 1 :]]
        missing = _missing(course, looked_at)
        # Everybody in a group that a level of "all" names has decided by the end of that level.
        before = [] if repeat else [one for one in own[:at] if one.everybody]
        takes = tuple(one for one in before if not set(looked_at.groups).isdisjoint(one.groups))
        if not set(looked_at.groups) <= {group for one in takes for group in one.groups}:
            takes = ()
        if not missing:
            continue
        same = (looked_at.groups, missing, takes, looked_at.eligible is None)
        if same not in alike:
            alike[same] = []
            needs.append(GroupNeed(alike[same], looked_at.groups, missing, takes))
        alike[same].append(looked_at)
    return needs


def crowded_escalations(levels: Sequence[PolicyLevel], *, repeat: bool) -> Impossible | None:
    """A round that has too few people left once several levels escalate; None if there is none.

    It tries first that every level escalates that can, then that fewer do: an escalation may take fewer people than its
    level. That is no fault of the policy: each of its levels can escalate, and a level's own people can still decide
    it.
    """
    if repeat:
        return None
    can = [place for place, (_, escalation) in enumerate(levels) if escalation is not None]
    for number in range(len(can), 0, -1):
        for which in combinations(can, number):
            rounds = [
                escalation if escalation is not None and place in which else own
                for place, (own, escalation) in enumerate(levels)
            ]
            if (crowded := _crowded(rounds)) is not None:
                return crowded
    return None


def _crowded(rounds: Sequence[PolicyRound]) -> Impossible | None:
    """The last of the rounds for which too few people are left, if all of them are decided; None if none is."""
    known = [one for one in rounds if one.candidates is not None]
    short = Matching(demands(rounds, ())).shortage
    if short is None:
        return None
    lacking = [known[place] for place in short.places]
    return Impossible(lacking[-1], rejecting=False, rounds=lacking, needed=short.needed, people=short.people)


def _each_round(levels: Sequence[PolicyLevel]) -> Iterator[tuple[int, PolicyRound]]:
    for at, rounds in enumerate(levels):
        yield from ((at, one) for one in rounds if one is not None)


def _missing(course: Sequence[PolicyRound], looked_at: PolicyRound) -> int:
    """How many people a round lacks if all groups are empty. The rounds without a group get people first."""
    named = [replace(one, groups=()) for one in course]
    found = dict(zip(map(id, course), demands(named, ()), strict=True))
    order = sorted(course, key=lambda one: (one is looked_at, bool(one.groups)))
    matching = Matching([found[id(one)] for one in order])
    lacks = [number for place, number in matching.short.items() if order[place] is looked_at]
    return sum(lacks)


def _listed(words: Iterable[str]) -> str:
    """`A`, `A and B`, `A, B and C`; past a few the others are counted."""
    every = list(words)
    if len(every) > NAMES:
        every = [*every[:NAMES], f"{len(every) - NAMES} more"]
    return " and ".join(filter(None, [", ".join(every[:-1]), *every[-1:]]))

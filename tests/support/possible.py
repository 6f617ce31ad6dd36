"""Whether a policy can be decided at all, by trying every way. Written from docs/reference/deciding.md alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True)
class Terms:
    """One round as a policy writes it. It takes `least` different people, or at least those with `everybody`.

    Where it needs a code, only the `enrolled` members of its groups count.
    """

    approvers: tuple[str, ...]
    least: int = 1
    rejections: int = 1
    everybody: bool = False
    enrolled: tuple[str, ...] | None = None


# Each level's own round, and its escalation's if it escalates.
Levels = Sequence[tuple[Terms, Terms | None]]


def possible(levels: Levels, groups: Collection[str], barred: Collection[str] = (), *, repeat: bool) -> bool:
    """Whether each round can be approved in some course of a request, and rejected, without the `barred`."""
    return not list(impossible(levels, groups, barred, repeat=repeat))


def impossible(
    levels: Levels, groups: Collection[str], barred: Collection[str] = (), *, repeat: bool
) -> Iterator[tuple[int, Terms, bool]]:
    """The impossible rounds: the level's index, the round, and True where it cannot be rejected, else approved.

    The other levels are decided in their own rounds. Groups are assumed to have enough people.
    """
    own = [] if repeat else [first for first, _ in levels]
    for at, rounds in enumerate(levels):
        for one in filter(None, rounds):
            if not in_turn([*own[:at], one, *own[at + 1 :]], groups, barred):
                yield at, one, False
            if not in_turn([*own[:at], Terms(one.approvers, one.rejections)], groups, barred):
                yield at, one, True


def in_turn(rounds: Sequence[Terms], groups: Collection[str], used: Collection[str]) -> bool:
    """Whether these rounds can be approved one after the other, without the `used` people."""
    if not rounds:
        return True
    one, *rest = rounds
    named = {who for who in one.approvers if who not in groups}
    known, free = len(named) == len(set(one.approvers)), named - set(used)
    if not known and one.enrolled is not None:
        known, free = True, set(one.enrolled) - set(used)
    if one.everybody:  # afterwards all people named by the round have decided, here or before
        used = {*used, *named}
        # Where they are too few, enrolled members decide as well, and then decide nothing later.
        free, least = free - named, max(one.least - len(free & named), 0)
    else:
        least = one.least
    if not known:
        return in_turn(rest, groups, used)
    return any(in_turn(rest, groups, {*used, *way}) for way in combinations(sorted(free), least))

"""Assigns people to places so that nobody serves at two, and says what is missing if that is impossible. Pure.

The search is Kuhn's (augmenting paths) with room for several people at a place. Placing one more person looks at each
entry of the lists at most once. So its time is at most the number of people placed, times the length of all lists
together. It uses no recursion.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

# A place's possible people, and how many of them it takes.
Demand = tuple[Collection[str], int]


@dataclass(frozen=True)
class Shortage:
    """Why there are too few people: `places` together take `needed` different ones, and only `people` can serve there.

    `places` are indices of the demands, in order.
    """

    places: Sequence[int]
    needed: int
    people: Sequence[str]


class Matching:
    """As many people at each place as it takes, if there are enough; each person serves at one place."""

    def __init__(self, demands: Sequence[Demand]) -> None:
        self._able = [tuple(dict.fromkeys(people)) for people, _ in demands]
        self._numbers = [number for _, number in demands]
        self._place: dict[str, int] = {}
        self.short: dict[int, int] = {}
        self.shortage: Shortage | None = None
        for index, number in enumerate(self._numbers):
            for placed in range(number):
                if (crowded := self._add(index, self._place)) is None:
                    continue
                self.short[index] = number - placed
                self.shortage = self.shortage or self._shortage(crowded)
                break

    @property
    def complete(self) -> bool:
        """Whether every place has as many people as it takes. If not, `short` says how many each one lacks."""
        return self.shortage is None

    def serving(self, index: int) -> list[str]:
        """The people assigned to that place."""
        return [person for person in self._able[index] if self._place.get(person) == index]

    def spares(self, people: Collection[str]) -> bool:
        """Whether every place could have enough people without these. False if it already lacks people with them."""
        if not self.complete:
            return False
        place = dict(self._place)
        vacant = [place.pop(person) for person in set(people) if person in place]
        return all(self._add(index, place, without=people) is None for index in vacant)

    def _add(self, index: int, place: dict[str, int], without: Collection[str] = ()) -> set[int] | None:
        """Gives that place one more person; others move on where they can.

        Returns the places it looked at if nobody is free, and None once the person is placed.
        """
        came: dict[
            int, tuple[int, str]
        ] = {}  # a place, from which one it was reached, and who would move there
        queue, seen = [index], {index}
        for at in queue:
            for person in self._able[at]:
                if person in without:
                    continue
                held = place.get(person)
                if held is None:
                    place[person] = at
                    while at != index:
                        at, moved = came[at]  # noqa: PLW2901 - goes back along the path
                        place[moved] = at
                    return None
                if held not in seen:
                    seen.add(held)
                    came[held] = (at, person)
                    queue.append(held)
        return seen

    def _shortage(self, crowded: Collection[int]) -> Shortage:
        """By Hall's theorem: these places take more people than can serve at any of them."""
        places = sorted(crowded)
        people = dict.fromkeys(person for index in places for person in self._able[index])
        return Shortage(places, sum(self._numbers[index] for index in places), list(people))


def without(demands: Sequence[Demand], people: Collection[str]) -> list[Demand]:
    """The demands, without these people."""
    return [([person for person in able if person not in people], number) for able, number in demands]

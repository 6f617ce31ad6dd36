"""Ends the absence of people whom a scenario needs, by the button that they would press themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final

from bot.simulator import Person, SimulatorError
from bot.slack.views.home import BACK

HOME_TIMEOUT: Final = 5.0  # seconds for a Home to be drawn
RETURNED: Final = "{name} was away, so that somebody else was asked; for this, {name} is back."
STILL_AWAY: Final = (
    "{name} is away, so somebody else is asked. End that at the foot of {name}'s Home, and start over."
)

Json = dict[str, Any]


async def bring_back(people: Iterable[Person]) -> list[str]:
    """Ends each person's present or planned absence, by the button in their Home.

    Returns a sentence for each who was away. Says nothing where the app does not run or draws no Home in time; the
    steps then fail by themselves.
    """
    found = await asyncio.gather(*(_bring_back(person) for person in people))
    return [sentence for sentence in found if sentence]


async def _bring_back(person: Person) -> str | None:
    state = await person.state()
    if not (state["app"] or {}).get("running"):
        return None
    home = await _opened(person)
    if home is None or not _away(home):
        return None
    name = next(one["real_name"] for one in state["people"] if one["id"] == person.user_id).split(" ")[0]
    try:
        await person.click_in_view(home, BACK)
        await person.wait_for(_there, HOME_TIMEOUT)
    except (SimulatorError, TimeoutError):
        return STILL_AWAY.format(name=name)
    return RETURNED.format(name=name)


async def _opened(person: Person) -> Json | None:
    """Their Home, drawn anew on opening, because the one that was there may be old."""
    before = await person.home()

    async def fresh(person: Person) -> Json | None:
        home = await person.home()
        return home if home and (before is None or home["hash"] != before["hash"]) else None

    try:
        await person.open_home()
        home: Json = await person.wait_for(fresh, HOME_TIMEOUT)
    except (SimulatorError, TimeoutError):
        return None
    return home


async def _there(person: Person) -> bool:
    home = await person.home()
    return home is not None and not _away(home)


def _away(home: Json) -> bool:
    blocks: Sequence[Json] = home["blocks"]
    return any(element.get("action_id") == BACK for block in blocks for element in block.get("elements", ()))

"""Gatherings on App Home: what waits for whoever is asked, what came in for whoever asked, and what has ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bot.simulator.control.person import Person
from bot.slack.views import home_gatherings
from tests.support.gathering import GENERAL, WITHDRAW, GatheringWorld, open_card
from tests.support.receiver import Receiver
from tests.support.replicas import one_home


def rows(view: dict[str, Any] | None) -> list[str]:
    """What the rows with something to press say."""
    blocks = view["blocks"] if view else []
    return [block["text"]["text"] for block in blocks if "accessory" in block]


def shows(*words: str) -> Callable[[Person], Awaitable[Any]]:
    """The Home, once a row says all of that."""

    async def look(person: Person) -> Any:
        view = await person.home()
        return view if any(all(one in row for one in words) for row in rows(view)) else None

    return look


async def is_empty(person: Person) -> Any:
    view = await person.home()
    return view and not rows(view)


@one_home
async def test_an_answer_is_given_from_home(world: GatheringWorld) -> None:
    """Each list changes while its person looks, up to the end."""
    async with world.person("U0RITA") as rita, world.person("U0ADA") as ada, world.person("U0FAY") as fay:
        for person in (rita, ada, fay):
            await person.open_home()
            await person.wait_for(is_empty)
        await rita.command(GENERAL, "/request-approval poll Pizza?")
        await rita.wait_for(
            shows("*“Pizza?”*", "0 of 2 answered · waiting for <@U0ADA> (Ada), <@U0FAY> (Fay) · until")
        )
        view = await ada.wait_for(shows("*“Pizza?”*", "<@U0RITA> asks you for *Ada* · until"))
        await ada.click_in_view(view, home_gatherings.ANSWER)
        await ada.submit(await ada.wait_for_view(), {"field.answer": "With olives"})
        await ada.wait_for(is_empty)
        view = await rita.wait_for(shows("1 of 2 answered: Ada · waiting for <@U0FAY> (Fay)"))
        await rita.click_in_view(view, home_gatherings.OPENED)
        details = await rita.wait_for_view()
        assert "With olives" in str(details["blocks"])
        await rita.close_view(details)

        await fay.wait_for(shows("<@U0RITA> asks you"))
        card = await rita.wait_for_message(GENERAL, open_card)
        await rita.click(GENERAL, card["ts"], WITHDRAW)
        await rita.submit(await rita.wait_for_view(), {"reason": "No oven."})
        for person in (rita, ada):
            await person.wait_for(shows("Withdrawn · 1 of 2 answered", "asked for by <@U0RITA>"))
        await fay.wait_for(is_empty)


@one_home
async def test_who_is_asked_twice_sees_both(tmp_path: Path, scanner: Receiver) -> None:
    """Each source has its row, and the row goes with its answer."""
    world = GatheringWorld(tmp_path / "data", scanner)
    world.write(TWICE)
    async with world, world.person("U0ADA") as ada:
        await ada.open_home()
        started = await world.gather(world.token("ci"), policy="twice", title="Both?")
        view = await ada.wait_for(shows("*First*"))
        assert [row.split(" asks you for ")[1].split(" · ")[0] for row in rows(view)] == [
            "*First*",
            "*Second*",
        ]
        await ada.click_in_view(view, home_gatherings.ANSWER)
        await ada.submit(await ada.wait_for_view(), {"field.answer": "One"})
        view = await ada.wait_for(lambda one: _only(one, "*Second*"))
        await ada.click_in_view(view, home_gatherings.ANSWER)
        await ada.submit(await ada.wait_for_view(), {"field.answer": "Two"})
        await ada.wait_for(shows("✓ Complete · 2 of 2 answered"))
        await world.gathering(started["id"], lambda progress: progress.status.ended)


async def _only(person: Person, words: str) -> Any:
    view = await person.home()
    return view if len(rows(view)) == 1 and words in rows(view)[0] else None


TWICE = """
[policies.twice]
kind = "gathering"
title = "Twice"
channel = "C0GENERAL"
timeout = "1d"
fields = [{ name = "answer", required = true }]
[policies.twice.sources.first]
person = "U0ADA"
[policies.twice.sources.second]
person = "U0ADA"
"""

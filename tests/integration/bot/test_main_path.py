"""The main job, end to end: the real bot and hub, and people who act in the workspace, over HTTP and Socket Mode."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.simulator.control.person import Person
from tests.support.messages import actions_of, text_of
from tests.support.slack import ESCALATIONS, PURCHASES, ask, decided, ephemeral, is_card, undecided
from tests.support.world import World

DOCS = "C0DOCS"


@pytest.fixture
def world(any_world: World) -> World:
    """Each test, in each way that Slack and the hub can be reached."""
    return any_world


async def test_command_card_click_edited_card(world: World) -> None:
    async with world.person("U0RITA") as rita, world.person("U0ADA") as ada:
        card = await ask(rita)
        assert "4,200.00 USD" in text_of(card)
        assert card["metadata"]["event_payload"]["round"] == 1
        request_id = card["metadata"]["event_payload"]["instance_id"]

        await ada.click(PURCHASES, card["ts"], "approve")

        ended = await rita.wait_for_message(PURCHASES, decided)
        assert ended["ts"] == card["ts"]
        assert "Approved" in text_of(ended)
        assert "<@U0ADA>" in text_of(ended)
        assert ended["metadata"] == card["metadata"]
        assert ended["metadata"]["event_payload"].keys() == {"instance_id", "round", "nonce", "digest"}
        assert ended["metadata"]["event_payload"]["instance_id"] == request_id
        await rita.wait_for_message("D0RITA", lambda message: "approved" in message["text"])


async def test_the_modal_asks_and_shows_what_is_missing(world: World) -> None:
    async with world.person("U0RITA") as rita:
        await rita.command(PURCHASES, "/request-approval document")
        form = await rita.wait_for_view()
        assert form["title"]["text"]
        await rita.close_view(form)
        await rita.command(DOCS, "/request-approval document The travel policy")
        form = await rita.wait_for_view()
        await rita.submit(form, {"field.link": "https://docs.example/travel"})
        card = await rita.wait_for_message(DOCS, undecided)
        assert "https://docs.example/travel" in text_of(card)
        assert "The travel policy" in text_of(card)


async def test_a_rejection_asks_for_the_reason_and_shows_it(world: World) -> None:
    async with world.person("U0RITA") as rita, world.person("U0FAY") as fay:
        card = await ask(rita)
        await fay.click(PURCHASES, card["ts"], "reject")
        form = await fay.wait_for_view()
        await fay.submit(form, {"reason": "The old ones are a year old."})
        ended = await rita.wait_for_message(PURCHASES, decided)
        assert "Rejected" in text_of(ended)
        assert "The old ones are a year old." in text_of(ended)


async def test_the_wrong_person_and_the_requester_get_a_sentence_that_only_they_see(world: World) -> None:
    async with world.person("U0RITA") as rita, world.person("U0SAM") as sam, world.person("U0ADA") as ada:
        card = await ask(rita)
        await sam.click(PURCHASES, card["ts"], "approve")
        await ephemeral(sam, PURCHASES, "not one of the approvers")
        await rita.click(PURCHASES, card["ts"], "approve")
        await ephemeral(rita, PURCHASES, "cannot decide your own request")
        seen = await ada.messages(PURCHASES)
        assert not any(message["ephemeral"] for message in seen)
        assert any(undecided(message) and message["ts"] == card["ts"] for message in seen)


async def test_two_people_press_at_once_and_the_late_one_is_told(world: World) -> None:
    async with world.person("U0RITA") as rita, world.person("U0ADA") as ada, world.person("U0FIN") as fin:
        card = await ask(rita)
        await asyncio.gather(
            ada.click(PURCHASES, card["ts"], "approve"), fin.click(PURCHASES, card["ts"], "approve")
        )
        ended = await rita.wait_for_message(PURCHASES, decided)
        late = fin if "<@U0ADA>" in text_of(ended) else ada
        await ephemeral(late, PURCHASES, "already approved")


async def test_silence_escalates_and_the_director_decides_on_both_cards(world: World) -> None:
    async with world.person("U0RITA") as rita, world.person("U0DIRK") as dirk:
        first = await ask(rita)
        await world.skip(days=2)
        second = await dirk.wait_for_message(ESCALATIONS, undecided)
        assert second["metadata"]["event_payload"]["round"] == 2
        escalated = await rita.wait_for_message(PURCHASES, lambda m: is_card(m) and "Escalated" in text_of(m))
        assert escalated["ts"] == first["ts"]
        assert "approve" in actions_of(escalated)
        await dirk.click(ESCALATIONS, second["ts"], "approve")
        for channel in (PURCHASES, ESCALATIONS):
            assert "<@U0DIRK>" in text_of(await rita.wait_for_message(channel, decided))


async def test_nobody_ever_answers_and_every_card_says_so(world: World) -> None:
    async with world.person("U0RITA") as rita:
        await ask(rita)
        await world.skip(days=2)
        await rita.wait_for_message(ESCALATIONS, undecided)
        await world.skip(days=1)
        for channel in (PURCHASES, ESCALATIONS):
            assert "timed out" in text_of(await rita.wait_for_message(channel, decided)).lower()


async def test_what_waits_survives_a_restart_and_its_buttons_work(world: World) -> None:
    async with world.person("U0RITA") as rita, world.person("U0ADA") as ada:
        card = await ask(rita)
        await world.stop()
        await world.start()
        await ada.click(PURCHASES, card["ts"], "approve")
        assert "Approved" in text_of(await rita.wait_for_message(PURCHASES, decided))


async def test_a_card_that_somebody_deleted_is_no_error(world: World) -> None:
    async with world.person("U0RITA") as rita, world.person("U0DIRK") as dirk:
        card = await ask(rita)
        await rita.delete(PURCHASES, card["ts"])
        await world.skip(days=2)
        second = await dirk.wait_for_message(ESCALATIONS, undecided)
        await dirk.click(ESCALATIONS, second["ts"], "approve")
        assert "Approved" in text_of(await dirk.wait_for_message(ESCALATIONS, decided))


@pytest.mark.parametrize(
    ("any_world", "count"), [("http", 50), ("socket mode", 15), ("scheduler", 15)], indirect=["any_world"]
)
async def test_many_requests_decided_at_once_by_different_people(world: World, count: int) -> None:
    """Each ends with the right decision on the right card."""
    people = ["U0ADA", "U0FAY", "U0FIN"]
    async with world.person("U0RITA") as rita:
        asked = [f"/request-approval purchase {n + 1} Chair number {n}" for n in range(count)]
        for start in range(0, count, 25):
            await asyncio.gather(*(rita.command(PURCHASES, words) for words in asked[start : start + 25]))
        cards = await asyncio.wait_for(_cards(rita, undecided, count), 60)
        approvers = [world.person(user) for user in people]
        await asyncio.gather(
            *(approvers[n % 3].click(PURCHASES, card["ts"], "approve") for n, card in enumerate(cards))
        )
        ended = await asyncio.wait_for(_cards(rita, decided, count), 60)
    by_ts = {message["ts"]: text_of(message) for message in ended}
    for n, card in enumerate(cards):
        assert f"*Approved* by <@{people[n % 3]}>" in by_ts[card["ts"]]
        title = next(line for line in text_of(card).splitlines() if line.startswith("Chair number"))
        assert title in by_ts[card["ts"]]


async def _cards(person: Person, kind: Any, count: int) -> list[dict[str, Any]]:
    """Waits for so many cards of that kind. It polls, as a look at each change would be most of the work."""
    while True:
        found = [message for message in await person.messages(PURCHASES) if kind(message)]
        if len(found) == count:
            return found
        await asyncio.sleep(0.1)

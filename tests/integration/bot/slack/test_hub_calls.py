"""How often the hub is asked for one act in Slack: somebody waits, and every call is a round trip."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from durabletask.client import AsyncTaskHubGrpcClient

from bot.simulator.control.person import Person
from bot.slack.messages import cards
from bot.slack.views import details
from orchestration.hub import Hub, SkippableClock
from orchestration.service.worklists import Worklists
from tests.support import PATIENCE_S
from tests.support.counting import CountingClient
from tests.support.hub_proxy import HubProxy
from tests.support.messages import actions_of, menu_entry, text_of
from tests.support.slack import PURCHASES, ask, decided, ephemeral
from tests.support.world import World, policies

LOOK, RAISE, START = "GetInstance", "RaiseEvent", "StartInstance"


class Counted:
    """The calls for one request that reached the hub, in order; not those by which the bot works and looks around."""

    def __init__(self, proxy: HubProxy) -> None:
        self._proxy = proxy
        self._since = 0

    def anew(self) -> None:
        """Counts from here on."""
        self._since = len(self._proxy.calls)

    @property
    def calls(self) -> list[str]:
        return [call for call in self._proxy.calls[self._since :] if call in {LOOK, RAISE, START}]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(
        tmp_path / "elsewhere.db", listen="127.0.0.1:0", authenticate=False, clock=SkippableClock()
    ) as found:
        yield found


@pytest.fixture
def proxy(hub: Hub) -> Iterator[HubProxy]:
    with HubProxy(hub.address) as found:
        yield found


@pytest.fixture
def counted(proxy: HubProxy) -> Counted:
    return Counted(proxy)


@pytest.fixture
async def world(hub: Hub, proxy: HubProxy, tmp_path: Path) -> AsyncIterator[World]:
    """A workspace with phones. The bot reaches its hub through a proxy that counts."""
    settings = {"COUNTERSIGN_HUB": f"grpc://{proxy.address}"}
    async with World(tmp_path, policies("sms"), sms=True, hub=hub, settings=settings) as found:
        yield found


async def test_a_form_reads_the_request_once(world: World, counted: Counted) -> None:
    card = await ask(world.person("U0RITA"))
    ada = world.person("U0ADA")
    counted.anew()
    await ada.click(PURCHASES, card["ts"], "reject")
    await ada.wait_for_view("reject_reason")
    assert counted.calls == [LOOK]


async def test_details_reads_the_request_once(world: World, counted: Counted) -> None:
    card = await ask(world.person("U0RITA"))
    ada = world.person("U0ADA")
    request_id = card["metadata"]["event_payload"]["instance_id"]
    counted.anew()
    await ada.command(PURCHASES, f"/request-approval status {request_id}")
    await ada.wait_for_view(details.ID)
    assert counted.calls == [LOOK]


@pytest.mark.parametrize(
    ("who", "choice"),
    [
        ("U0ADA", cards.COMMENTED),
        ("U0ADA", cards.TALK),
        ("U0ADA", cards.DELEGATE),
        ("U0RITA", cards.CANCEL),
        ("U0ADA", cards.DETAILS),
    ],
)
async def test_an_entry_of_the_menu_reads_the_request_once(
    world: World, counted: Counted, who: str, choice: str
) -> None:
    person = world.person(who)
    card = await ask(world.person("U0RITA"))
    counted.anew()
    await person.click(PURCHASES, card["ts"], cards.MORE, selected_option=menu_entry(card, choice))
    await person.wait_for_view()
    assert counted.calls == [LOOK]


async def test_a_refusal_reads_the_request_once(world: World, counted: Counted) -> None:
    sam = world.person("U0SAM")
    card = await ask(world.person("U0RITA"))
    counted.anew()
    await sam.click(PURCHASES, card["ts"], cards.REJECT)
    await ephemeral(sam, PURCHASES, "You are not one of the approvers")
    assert counted.calls == [LOOK]


async def test_asking_is_one_call(world: World, counted: Counted) -> None:
    counted.anew()
    await ask(world.person("U0RITA"))
    assert counted.calls == [START]


async def test_home_reads_each_entity_and_each_request_once(world: World) -> None:
    """The asker's own two entities, the list of one group, and the two requests that she asked for."""
    rita = world.person("U0RITA")
    for title in ("purchase 4200 New laptops", "purchase 90 Cables"):
        await ask(rita, title)
    client = world.connection.client()
    async with asyncio.timeout(PATIENCE_S):
        while len((await Worklists(client).of("U0RITA", [])).asked) < 2:
            await asyncio.sleep(0.01)
    counting = CountingClient(client)
    await Worklists(cast(AsyncTaskHubGrpcClient, counting)).of("U0RITA", ["S0MANAGERS"])
    await client.close()
    assert sorted(counting.calls) == ["get_entity"] * 3 + ["get_orchestration_state"] * 2


async def test_a_press_reads_once_before_it_is_recorded(world: World, counted: Counted) -> None:
    card = await ask(world.person("U0RITA"))
    ada = world.person("U0ADA")
    counted.anew()
    await ada.click(PURCHASES, card["ts"], "approve")
    await ada.wait_for_message(PURCHASES, decided)
    assert counted.calls[:2] == [LOOK, RAISE]
    # Then it is looked at until the verdict is there.
    assert set(counted.calls[2:]) <= {LOOK}


async def test_a_typed_code_reads_its_challenge_once_before_it_is_answered(
    world: World, counted: Counted
) -> None:
    card = await ask(world.person("U0RITA"), "purchase 12400 Steel for hall 3")
    ada = world.person("U0ADA")
    await ada.click(PURCHASES, card["ts"], "approve")
    found = re.search(r"reply (\d{6}) to approve", (await ada.wait_for_text(is_code))["body"])
    assert found
    await ada.wait_for_message(PURCHASES, lambda message: "enter_code" in actions_of(message))
    form = await opened(ada, card["ts"], counted)
    assert counted.calls == [LOOK, LOOK], "the request, and its challenge"
    counted.anew()
    await ada.submit(form, {"code": found[1]})
    assert counted.calls[:2] == [LOOK, RAISE]
    # Then it is looked at until the answer is judged.
    assert set(counted.calls[2:]) == {LOOK}
    assert "Approved" in text_of(await ada.wait_for_message(PURCHASES, decided))


def is_code(text: dict[str, Any]) -> bool:
    return "reply" in text["body"]


async def opened(person: Person, card: str, counted: Counted) -> dict[str, Any]:
    """The form behind "Enter code", once the press before it has been told its verdict."""
    await person.wait_for_message(
        PURCHASES, lambda message: message["ephemeral"] and "texted you a code" in text_of(message)
    )
    counted.anew()
    await person.click(PURCHASES, card, "enter_code")
    view: dict[str, Any] = await person.wait_for_view("enter_code_form")
    return view

"""A request's whole life as people see it: the real bot over HTTP, a workspace, and a system that takes orders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiohttp import web

from bot.simulator.control.person import Person
from tests.support import PATIENCE_S
from tests.support.messages import Message, menu_entry, text_of
from tests.support.world import World, policies

PURCHASES, DEPLOYS, ACCESS = "C0PURCHASES", "C0DEPLOYS", "C0ACCESS"
ESCALATIONS, GENERAL = "C0ESCALATIONS", "C0GENERAL"

T = TypeVar("T")


class Erp:
    """Takes orders, each key once, unless it is `down`; `asked` has every request it got."""

    def __init__(self) -> None:
        self.down = False
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.orders: dict[str, str] = {}
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        key = request.headers["Idempotency-Key"]
        self.asked.append((key, await request.json()))
        if self.down:
            return web.json_response({"message": "closed for stocktaking"}, status=503)
        number = self.orders.setdefault(key, f"PO-{len(self.orders) + 1}")
        return web.json_response({"message": f"Order {number} placed"})


@pytest.fixture
async def erp() -> AsyncIterator[Erp]:
    found = Erp()
    application = web.Application()
    application.router.add_post("/orders", found.take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


@pytest.fixture
async def world(tmp_path: Path, erp: Erp) -> AsyncIterator[World]:
    async with World(tmp_path, policies("life").replace("https://erp.example", erp.url)) as found:
        yield found


class Cast:
    """Everybody of the workspace, each as themselves."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._known: dict[str, Person] = {}

    def __getattr__(self, name: str) -> Person:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._known:
            self._known[name] = self._world.person(f"U0{name.upper()}")
        return self._known[name]

    async def leave(self) -> None:
        for person in self._known.values():
            await person.close()


@pytest.fixture
async def people(world: World) -> AsyncIterator[Cast]:
    found = Cast(world)
    yield found
    await found.leave()


# ---- looking: by polling, as each of many changes at once would cause a look ------------------------------------


async def until(
    look: Callable[[], Awaitable[T | None]], patience: float = PATIENCE_S, every: float = 0.03
) -> T:
    """Await `look()` again and again; return its first truthy result."""
    try:
        async with asyncio.timeout(patience):
            while not (found := await look()):
                await asyncio.sleep(every)
            return found
    except TimeoutError:
        raise AssertionError("it did not come about in time") from None


async def sees(person: Person, channel: str, *words: str, thread: str | None = None) -> Message:
    """The newest message in which all of `words` stand, once there is one; in a channel, or in a thread."""
    seen: list[Message] = []

    async def look() -> Message | None:
        seen[:] = await (person.thread(channel, thread) if thread else person.messages(channel))
        found = [message for message in seen if all(word in text_of(message) for word in words)]
        return found[-1] if found else None

    try:
        return await until(look)
    except AssertionError:
        shown = "\n---\n".join(text_of(message) for message in seen)
        raise AssertionError(f"{words} is not in {channel}:\n{shown}") from None


async def card_of(person: Person, channel: str, title: str, round_: int = 1) -> Message:
    """The card with that title, posted for that round, as it is now."""

    async def look() -> Message | None:
        for message in await person.messages(channel):
            payload = (message["metadata"] or {}).get("event_payload", {})
            if payload.get("round") == round_ and title in text_of(message):
                return message
        return None

    return await until(look)


def request_id(card: Message) -> str:
    found: str = card["metadata"]["event_payload"]["instance_id"]
    return found


async def ask(
    person: Person, text: str, channel: str = PURCHASES, *, title: str | None = None, round_: int = 1
) -> Message:
    """Asks by command, and gives the card."""
    await person.command(channel, f"/request-approval {text}")
    return await card_of(person, channel, title or text.rpartition(" ")[2], round_)


async def choose(person: Person, card: Message, choice: str) -> Message:
    """Opens what an entry of the card's menu leads to."""
    value = menu_entry(card, choice)
    await person.click(card["channel"], card["ts"], "more", selected_option=value)
    return card


async def approve(person: Person, card: Message) -> None:
    await person.click(card["channel"], card["ts"], "approve")


async def press(person: Person, message: Message, action_id: str) -> None:
    """A button of a direct message."""
    await person.click(message["channel"], message["ts"], action_id)

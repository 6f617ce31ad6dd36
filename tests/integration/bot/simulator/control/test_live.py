"""Server-sent events: the page hears of what concerns its person, and only of that."""

import asyncio
import contextlib
import json
from typing import Any

import aiohttp

from bot.simulator import Simulator, Timeouts
from bot.simulator.workspace.messages import Message
from tests.support import PATIENCE_S


async def next_event(response: aiohttp.ClientResponse) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            line = await response.content.readline()
            if line.startswith(b"data: "):
                event: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
                return event


async def test_changes_reach_those_who_see_them(sim: Simulator) -> None:
    post = sim.workspace.messages.post
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{sim.url}/sim/events?as=U0ADA") as ada,
        session.get(f"{sim.url}/sim/events?as=U0RITA") as rita,
    ):
        assert ada.content_type == "text/event-stream"
        assert await ada.content.readline() == b"retry: 500\n"
        whisper = post(Message("C0GENERAL", "U0BOT", text="only you", ephemeral_to="U0ADA"))
        private = post(Message("D0ADA", "U0BOT", text="psst"))
        public = post(Message("C0GENERAL", "U0RITA", text="hello"))
        assert await next_event(ada) == {"kind": "ephemeral", "channel": "C0GENERAL", "ts": whisper.ts}
        assert await next_event(ada) == {"kind": "message", "channel": "D0ADA", "ts": private.ts}
        assert await next_event(ada) == {"kind": "message", "channel": "C0GENERAL", "ts": public.ts}
        # Of messages that she does not see she learns only that there is one, for the dots on the people.
        assert [await next_event(rita) for _ in range(3)] == [
            {"kind": "people"},
            {"kind": "people"},
            {"kind": "message", "channel": "C0GENERAL", "ts": public.ts},
        ]


async def test_a_silent_stream_says_that_it_lives(start: Any) -> None:
    async with (
        start(timeouts=Timeouts(heartbeat=0.05)) as sim,
        aiohttp.ClientSession() as session,
        session.get(f"{sim.url}/sim/events?as=U0ADA") as stream,
        asyncio.timeout(PATIENCE_S),
    ):
        while (await stream.content.readline()) != b": still here\n":
            pass


async def test_a_watcher_that_fell_behind_is_told_to_look_at_everything(sim: Simulator) -> None:
    with sim.workspace.changes.watch() as queue:
        for _ in range(sim.workspace.changes.BACKLOG + 1):
            sim.workspace.messages.post(Message("C0GENERAL", "U0RITA", text="x"))
        assert queue.get_nowait() is None


async def test_nobody_hears_of_a_change_that_was_undone(sim: Simulator) -> None:
    with sim.workspace.changes.watch() as queue:
        with contextlib.suppress(ZeroDivisionError), sim.workspace.store.transaction():
            sim.workspace.messages.post(Message("C0GENERAL", "U0RITA", text="x"))
            _ = 1 / 0
        assert queue.empty()
    assert sim.workspace.messages.in_channel("C0GENERAL") == []


async def test_stopping_does_not_wait_for_watchers(start: Any) -> None:
    async with (
        start() as sim,
        aiohttp.ClientSession() as session,
        session.get(f"{sim.url}/sim/events?as=U0ADA") as stream,
        asyncio.timeout(1),
    ):
        await stream.content.readline()
        await sim.stop()

"""A stop: readiness fails first, what people did is answered, and nothing that hangs holds the process or is lost."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from bot.simulator.control.person import ActionRefusedError
from bot.stopping import Stopping
from orchestration.hub import Hub, SkippableClock
from tests.support.api_world import ApiWorld
from tests.support.process_world import Wire
from tests.support.slack import PURCHASES, ask, decided, id_on, undecided
from tests.support.tcp_relay import TcpRelay
from tests.support.world import World, policies, read

PATIENCE_S = 60.0


class Announced(Stopping):
    """Stops once `go` is set. Until then it has only been announced."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def begin(self) -> None:
        self.begun = True
        await self.go.wait()
        await super().begin()


async def stopped(world: World) -> Stopping:
    """Stop the bot; return how that went."""
    stopping = world.app.stopping
    async with asyncio.timeout(PATIENCE_S):
        await world.stop()
    return stopping


async def test_readiness_fails_first_and_a_press_is_answered_until_the_port_is_closed(tmp_path: Path) -> None:
    async with World(tmp_path, policies("bot")) as world, aiohttp.ClientSession() as http:
        await world.stop()
        announced = world.stopping = Announced()
        await world.start()
        card = await ask(world.person("U0RITA"))
        rita = world.person("U0RITA")
        await rita.command(PURCHASES, "/request-approval purchase 4200 Chairs")
        other = await rita.wait_for_message(
            PURCHASES, lambda message: undecided(message) and id_on(message) != id_on(card)
        )
        ending = asyncio.create_task(world.stop())
        await world.eventually(lambda: announced.begun)
        async with http.get(f"{world.url}/readyz") as answer:
            assert (answer.status, "is stopping" in (await answer.json())["problem"]) == (503, True)
        ada = world.person("U0ADA")
        await ada.click(PURCHASES, card["ts"], "approve")
        announced.go.set()
        await ending
        assert announced.left_behind == []
        with pytest.raises(ActionRefusedError):  # Slack tells her that it failed
            await ada.click(PURCHASES, other["ts"], "approve")
        world.stopping = None
        await world.start()
        await ada.wait_for_message(
            PURCHASES, lambda message: decided(message) and id_on(message) == id_on(card)
        )
        assert (await world.service.status(id_on(other))).outcome is None
        await ada.click(PURCHASES, other["ts"], "approve")


async def test_nothing_that_is_held_open_holds_up_a_stop(tmp_path: Path) -> None:
    """A long poll, a tool call of an agent that waits on its stream, and a connection that a browser keeps."""
    async with ApiWorld(tmp_path) as world:
        agent = world.token("agent")
        request_id = await world.ask(agent)
        look = world.call("GET", f"/api/approvals/{request_id}", agent, params={"wait": "60s"})
        call = {"name": "wait_for_approval", "arguments": {"id": request_id}}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
        accepted = {"Accept": "application/json, text/event-stream"}
        waiting = world.call("POST", "/mcp", agent, json=message, headers=accepted)
        held = [asyncio.create_task(look), asyncio.create_task(waiting)]
        await world.eventually(lambda: world.app.api.polls == 2)
        kept = await asyncio.open_connection("127.0.0.1", _port(world.url))
        kept[1].write(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
        assert await kept[0].readuntil(b"}")
        assert (await stopped(world)).left_behind == []
        assert (await held[0]).body["status"] == "pending"
        assert "pending" in (await held[1]).body
        assert await kept[0].read() == b""
        kept[1].close()


@asynccontextmanager
async def silent_slack(world: World) -> AsyncIterator[TcpRelay]:
    """A relay to the workspace that can lose answers. Starts the bot behind it, with two seconds for a stop."""
    async with TcpRelay(int(world.simulator.url.rpartition(":")[2])) as relay:
        await world.stop()
        world.set(COUNTERSIGN_SLACK_API_URL=f"http://127.0.0.1:{relay.port}/api/")
        world.stopping = Stopping(within=2.0)
        await world.start()
        yield relay


async def test_a_slack_that_does_not_answer_holds_up_no_stop_and_nothing_is_posted_twice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with World(tmp_path, policies("bot")) as world, silent_slack(world) as relay:
        card = await ask(world.person("U0RITA"))
        relay.losing = True
        await world.person("U0ADA").click(PURCHASES, card["ts"], "approve")
        [posted] = world.cards()
        await world.eventually(
            lambda: "Approved" in read(world.cards()[0])
        )  # it was edited, and nobody was told
        assert "the worker" in (await stopped(world)).left_behind
        assert "stopping: the worker did not end within" in caplog.text
        relay.losing = False
        world.stopping = None
        await world.start()
        await world.client.wait_for_orchestration_completion(id_on(card), timeout=PATIENCE_S)
        assert [posted.ts for posted in world.cards()] == [card["ts"]]
        assert "".join(world.thread(posted)).count("*Approved* by <@U0ADA>") == 1


async def test_what_was_read_from_the_socket_is_acknowledged_before_it_is_closed(tmp_path: Path) -> None:
    """The press is one that has to be answered, and Slack takes the answer, but does not say so."""
    async with World(tmp_path, policies("bot"), socket_mode=True) as world, Wire() as slack:
        await world.stop()
        slack.target = world.simulator.url
        world.set(COUNTERSIGN_SLACK_API_URL=f"{slack.url}/api/")
        world.stopping = Stopping(within=2.0)
        await world.start()
        card = await ask(world.person("U0RITA"))
        slack.hold("chat.postEphemeral", "U0SAM")
        pressing = asyncio.create_task(world.person("U0SAM").click(PURCHASES, card["ts"], "approve"))
        await asyncio.wait_for(slack.held.wait(), PATIENCE_S)
        await stopped(world)
        await pressing  # it was acknowledged: else Slack would have said that it failed


async def test_a_hub_that_does_not_answer_holds_up_no_stop(tmp_path: Path) -> None:
    clock = SkippableClock()
    with Hub(tmp_path / "there.db", listen="127.0.0.1:0", authenticate=False, clock=clock) as hub:
        async with World(tmp_path, policies("bot"), hub=hub) as world, TcpRelay(_port(hub.address)) as relay:
            await world.stop()
            world.set(COUNTERSIGN_HUB=f"grpc://127.0.0.1:{relay.port}", COUNTERSIGN_HUB_TOKEN="t" * 32)
            world.stopping = Stopping(within=2.0)
            await world.start()
            card = await ask(world.person("U0RITA"))
            relay.losing = True
            await stopped(world)
            relay.losing = False
            world.stopping = None
            await world.start()
            await world.person("U0ADA").click(PURCHASES, card["ts"], "approve")


@pytest.mark.parametrize("hung", ["a thread", "the event loop"])
def test_a_process_ends_whatever_holds_it(hung: str) -> None:
    code = {
        "a thread": "threading.Thread(target=threading.Event().wait).start()",
        "the event loop": "asyncio.run(asyncio.to_thread(threading.Event().wait))",
    }[hung]
    program = f"import asyncio, threading; from bot.stopping import *; end_by_itself(0, 0.1); {code}"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert "the process ends now" in ended.stderr


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])

"""An ask that Slack had given up on before it was read: answered and not started, by Slack's clock."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import pytest
from slack_bolt.async_app import AsyncAck, AsyncRespond

from bot.slack.api.health import SlackHealth, WatchedAsyncWebClient
from bot.slack.api.pulse import Pulse
from bot.slack.api.slack_time import SlackTime
from bot.slack.input.draft import Draft
from bot.slack.listeners.asking import AskStarter
from bot.slack.listeners.failures import LATE, LateAskError
from bot.slack.listeners.interaction import Interaction
from orchestration.service.answers import OwedAnswers
from tests.support.machine import FakeMachine
from tests.support.simulated import BOT_TOKEN, calls
from tests.support.slack import PURCHASES, deliver, deliver_late
from tests.support.world import World

COMMAND = {
    "command": "/request-approval",
    "text": "purchase 4200 New laptops",
    "user_id": "U0RITA",
    "channel_id": PURCHASES,
    "team_id": "T0ACME",
    "trigger_id": "1.2.3",
}


def told(world: World) -> list[str]:
    found = [
        *world.workspace.messages.in_channel(PURCHASES, "U0RITA"),
        *world.workspace.messages.in_channel("D0RITA"),
    ]
    return [message.text for message in found if message.ephemeral_to or message.channel == "D0RITA"]


async def started(world: World) -> int:
    return len([one for one in await world.client.get_all_orchestration_states() if one.name == "approval"])


@pytest.mark.parametrize("age", [4, 5, 30, 250])
async def test_a_command_that_slack_has_given_up_on_is_answered_and_not_started(
    world: World, age: int
) -> None:
    assert await deliver_late(world, age, **COMMAND) == (200, "")
    assert told(world) == [LATE]
    assert await started(world) == 0
    # Slack sends it once more, in time by its new date: the person has been told to ask again, and may have.
    assert await deliver(world, **COMMAND) == (200, "")
    assert told(world) == [LATE, LATE]
    assert await started(world) == 0
    assert "Request sent" in (await deliver(world, **COMMAND | {"trigger_id": "4.5.6"}))[1]
    assert await started(world) == 1


@pytest.mark.parametrize("age", [0, 2])
async def test_one_that_slack_waits_for_is_started(world: World, age: int) -> None:
    status, said = await deliver_late(world, age, **COMMAND)
    assert (status, "Request sent" in said) == (200, True)


async def test_one_that_was_started_in_time_is_found_when_it_comes_again_late(world: World) -> None:
    first = await deliver(world, **COMMAND)
    assert await deliver_late(world, 60, **COMMAND) == first
    assert "Request sent" in first[1]
    assert await started(world) == 1


async def test_a_form_that_comes_late_stays_open_and_can_be_sent_again(world: World) -> None:
    rita = world.person("U0RITA")
    await rita.command(PURCHASES, "/request-approval purchase")
    view = await rita.wait_for_view("ask")
    filled = {"title": {"value": {"type": "plain_text_input", "value": "New laptops"}}}
    payload = {
        "type": "view_submission",
        "user": {"id": "U0RITA"},
        "team": {"id": "T0ACME"},
        "trigger_id": "1.2.3",
        "view": {**view, "state": {"values": view["state"]["values"] | filled}},
    }
    status, body = await deliver_late(world, 30, payload=json.dumps(payload))
    assert (status, json.loads(body)["response_action"]) == (200, "errors")
    assert LATE in json.loads(body)["errors"].values()
    assert LATE in told(world)
    assert await started(world) == 0
    await rita.submit(view, {"title": "New laptops", "amount": "4200"})
    assert await started(world) == 1


@pytest.mark.parametrize(
    ("what", "said"),
    [("status purchase-00000000", "I don't know this request."), ("help", "opens a form"), ("back", "")],
)
async def test_what_asks_for_nothing_is_done_however_late(world: World, what: str, said: str) -> None:
    status, body = await deliver_late(world, 60, **COMMAND | {"text": what})
    assert status == 200
    assert said in body


# ---- a machine whose clock is wrong ----------------------------------------------------------------------


class AskedOn:
    """AskStarter on a machine whose clock is `ahead`, which has heard Slack's time or has not."""

    def __init__(self, world: World, ahead: float, *, heard: bool) -> None:
        self._world = world
        self.machine = machine = FakeMachine()
        machine.set_wall(seconds=time.time() + ahead - machine.wall() / 1e6)
        health = SlackHealth()
        health.time = SlackTime(machine)
        if heard:
            health.time.heard({"Date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())}, 432_000)
        self._client = WatchedAsyncWebClient(health, token=BOT_TOKEN, base_url=world.simulator.api_url)
        self._asking = AskStarter(world.service, world.gatherings, self._client, health.time, Pulse(machine))

    async def ask(self, age: float | None) -> bool:
        """Whether it was started. Without an `age` it comes by a socket."""
        body: dict[str, Any] = COMMAND | {"trigger_id": str(uuid.uuid4())}
        ack, respond = AsyncAck(), AsyncRespond(response_url=None)
        owed = OwedAnswers(self._world.client)
        sent_at = None if age is None else int(time.time() - age)
        came = Interaction(body, ack, self._client, respond, owed, sent_at)
        draft = Draft(policy="purchase", title="New laptops", amount="4200")
        try:
            await self._asking.ask(came, draft, came.id)
        except LateAskError:
            return False
        return True


@pytest.mark.parametrize("ahead", [-200, -10, 10, 200])
@pytest.mark.parametrize("heard", [True, False])
async def test_a_clock_that_is_wrong_neither_refuses_everything_nor_starts_what_is_late(
    world: World, ahead: float, heard: bool
) -> None:
    before = len(await calls(world.simulator, "auth.test"))
    wrong = AskedOn(world, ahead, heard=heard)
    assert await wrong.ask(age=0)
    if heard or ahead > 0:  # else nothing looks late, and so Slack is not asked
        assert not await wrong.ask(age=30)
    asked = len(await calls(world.simulator, "auth.test")) - before
    assert asked == (1 if not heard and ahead > 0 else 0), "Slack is asked for its time once"


async def test_what_lay_in_a_socket_while_the_process_stood_still_is_not_started(world: World) -> None:
    """Nothing there says when it was sent."""
    process = AskedOn(world, 0, heard=False)
    assert await process.ask(age=None)
    process.machine.goes_on(seconds=30)
    assert not await process.ask(age=None)

"""The page's API: state, unread marks, refusals in sentences, and the controls of a supervisor."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from bot.simulator import (
    ActionRefusedError,
    AppConfig,
    CommandHint,
    Person,
    Simulator,
    SimulatorError,
    Workspace,
)
from bot.simulator.control.story import Story, StoryStep
from bot.simulator.workspace.messages import Message
from tests.support import PATIENCE_S


class Supervisor:
    """Controls with a clock of its own, over a process that is not there."""

    def __init__(self) -> None:
        self.now = datetime(2030, 1, 1, tzinfo=UTC)
        self.deadline: datetime | None = None
        self.running = True

    def epoch(self) -> float:
        return self.now.timestamp()

    async def advance(self, delta: timedelta) -> datetime:
        self.now += delta
        return self.now

    async def next_deadline(self) -> datetime | None:
        return self.deadline

    async def kill(self) -> None:
        self.running = False

    async def start(self) -> None:
        self.running = True


async def request(sim: Simulator, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{sim.url}{path}", json=body) as response,
    ):
        return response.status, await response.json()


async def test_state_is_what_one_person_sees(sim: Simulator, rita: Person) -> None:
    state = await rita.state()
    assert state["me"] == {
        "id": "U0RITA",
        "name": "rita",
        "real_name": "Rita Moreno",
        "title": "Office manager",
        "tz": "Europe/Berlin",
        "color": "2f7d6b",
        "is_bot": False,
    }
    channels = {channel["id"]: channel for channel in state["channels"]}
    assert channels.keys() >= {"C0PURCHASES", "C0DEPLOYS", "C0ACCESS", "C0DOCS", "C0ESCALATIONS", "C0GENERAL"}
    assert {key for key in channels if key.startswith("D")} == {"D0RITA"}
    assert (channels["D0RITA"]["with"], channels["C0ESCALATIONS"]["is_member"]) == ("U0BOT", False)
    assert (state["controls"], state["clock"]["skippable"], state["app"]["running"]) == ([], False, None)
    assert state["workspace"] == {"name": "Acme"}
    assert state["app"] == {
        "id": "U0BOT",
        "name": "Countersign",
        "connected": None,
        "running": None,
        "commands": [],
        "takes_messages": True,
        "tries": [],
    }
    assert sim.url.startswith("http://127.0.0.1:")


async def test_reading_clears_the_mark_and_speaking_joins(rita: Person, sim: Simulator) -> None:
    async with Person(sim.url, "U0DIRK") as dirk:
        await dirk.say("C0ESCALATIONS", "who is <@U0RITA>?")
        assert await mark(rita, "C0ESCALATIONS") == (0, False), "she is not in there"
        await rita.say("C0ESCALATIONS", "me")
        await dirk.say("C0ESCALATIONS", "ah, <@U0RITA>!")
        assert await mark(rita, "C0ESCALATIONS") == (1, True)
        await rita.read("C0ESCALATIONS")
        assert await mark(rita, "C0ESCALATIONS") == (0, False)


async def mark(person: Person, channel_id: str) -> tuple[int, bool]:
    [channel] = [found for found in (await person.state())["channels"] if found["id"] == channel_id]
    return channel["unread"], channel["mention"]


@pytest.mark.parametrize(
    ("method", "path", "body", "sentence"),
    [
        ("GET", "/sim/state?as=U0NOBODY", None, "nobody called 'U0NOBODY'"),
        ("GET", "/sim/state?as=U0BOT", None, "nobody called 'U0BOT'"),
        ("GET", "/sim/messages?as=U0RITA&channel=D0ADA", None, "sees no channel 'D0ADA'"),
        ("POST", "/sim/message", {"as": "U0RITA", "channel": "C0GENERAL", "text": " "}, "nothing to send"),
        (
            "POST",
            "/sim/message",
            {"as": "U0RITA", "channel": "C0GENERAL", "text": "x", "thread_ts": "1.0"},
            "thread is gone",
        ),
        (
            "POST",
            "/sim/action",
            {"as": "U0RITA", "channel": "C0GENERAL", "ts": "1.0", "action_id": "x"},
            "is gone",
        ),
        ("POST", "/sim/view/submit", {"as": "U0RITA", "view_id": "V0"}, "no longer open"),
        ("POST", "/sim/message", [], "not a JSON object"),
        ("DELETE", "/sim/messages/C0GENERAL/1.0", None, "is gone"),
        ("GET", "/sim/nothing", None, "Not Found"),
    ],
)
async def test_refusals_are_sentences(
    sim: Simulator, method: str, path: str, body: Any, sentence: str
) -> None:
    status, answer = await request(sim, method, path, body)
    assert 400 <= status < 500
    assert answer["ok"] is False
    assert sentence in answer["error"]


async def test_a_body_that_is_no_json(sim: Simulator) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{sim.url}/sim/message", data="{") as response,
    ):
        assert (response.status, (await response.json())["error"]) == (400, "The body is not JSON.")


@pytest.mark.parametrize(
    "path", ["/sim/clock/advance", "/sim/app/kill", "/sim/app/start", "/sim/scenarios/begin"]
)
async def test_without_a_supervisor_nothing_is_controlled(sim: Simulator, path: str) -> None:
    status, answer = await request(sim, "POST", path, {"seconds": 1})
    assert (status, answer["ok"]) == (501, False)


async def test_a_supervisor_moves_time_and_the_app(start: Any) -> None:
    supervisor = Supervisor()
    workspace = Workspace.open(None, now=supervisor.epoch)
    async with start(workspace, controls=supervisor) as sim, Person(sim.url, "U0RITA") as rita:
        state = await rita.state()
        assert state["controls"] == ["advance", "next_deadline", "kill", "start"]
        assert (state["clock"]["skippable"], state["app"]["running"]) == (True, True)

        _, moved = await request(sim, "POST", "/sim/clock/advance", {"seconds": 3600})
        assert moved["now"] == datetime(2030, 1, 1, 1, tzinfo=UTC).timestamp()
        assert (await rita.say("C0GENERAL", "later"))["ts"] == f"{int(moved['now'])}.000000"

        status, answer = await request(sim, "POST", "/sim/clock/advance", {"to": "next_deadline"})
        assert (status, answer["error"]) == (400, "Nothing waits for a deadline.")
        supervisor.deadline = datetime(2030, 1, 3, tzinfo=UTC)
        _, moved = await request(sim, "POST", "/sim/clock/advance", {"to": "next_deadline"})
        assert moved["now"] == supervisor.deadline.timestamp()
        assert (await request(sim, "POST", "/sim/clock/advance", {}))[0] == 400

        await request(sim, "POST", "/sim/app/kill", {})
        assert (await rita.state())["app"]["running"] is False
        await request(sim, "POST", "/sim/app/start", {})
        assert (await rita.state())["app"]["running"] is True


async def test_a_message_can_be_deleted_by_hand(sim: Simulator, rita: Person) -> None:
    said = await rita.say("C0GENERAL", "oops")
    await request(sim, "DELETE", f"/sim/messages/C0GENERAL/{said['ts']}")
    assert await rita.messages("C0GENERAL") == []


async def test_waiting_says_what_was_seen_last(rita: Person) -> None:
    with pytest.raises(TimeoutError, match="last seen: None"):
        await rita.wait_for_view(timeout=0.05)


async def test_whoever_waits_reads_once_after_a_burst_of_changes(sim: Simulator, rita: Person) -> None:
    """A change that only others see causes no read at all."""
    looks, enough = 0, False

    async def look(_: Person) -> bool:
        nonlocal looks
        looks += 1
        return enough

    async def settled(expected: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while looks < expected:
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)
        assert looks == expected

    waiting = asyncio.create_task(rita.wait_for(look))
    await settled(1)
    for _ in range(50):
        sim.workspace.messages.post(Message("C0GENERAL", "U0ADA", text="x"))
    await settled(2)
    sim.workspace.messages.post(Message("D0ADA", "U0BOT", text="psst"))
    await settled(2)
    enough = True
    sim.workspace.messages.post(Message("C0GENERAL", "U0ADA", text="x"))
    assert await waiting is True
    assert looks == 3


async def test_whoever_waits_hears_that_the_workspace_went_away(sim: Simulator, rita: Person) -> None:
    async def look(_: Person) -> bool:
        return False

    waiting = asyncio.create_task(rita.wait_for(look))
    await asyncio.sleep(0.05)
    await sim.stop()
    with pytest.raises(SimulatorError, match="went away"):
        await waiting


async def test_a_stray_value_is_a_mistake_of_the_test(rita: Person) -> None:
    view = {"id": "V0", "blocks": []}
    with pytest.raises(Exception, match="no place for typo"):
        await rita.submit(view, {"typo": "x"})
    with pytest.raises(ActionRefusedError):
        await rita.submit(view)


async def test_who_looks_must_be_said(sim: Simulator) -> None:
    status, body = await request(sim, "GET", "/sim/state")
    assert (status, body["error"]) == (400, "Say who looks or acts, such as as=U0RITA.")


async def test_an_app_that_takes_no_messages_is_sent_none(start: Any) -> None:
    """As its manifest has it: `messages_tab_read_only_enabled`."""
    async with start(app=AppConfig(takes_messages=False)) as sim, Person(sim.url, "U0RITA") as rita:
        with pytest.raises(ActionRefusedError, match="Sending messages to this app has been turned off"):
            await rita.say("D0RITA", "Hello?")
        await rita.say("C0GENERAL", "Hello")
        assert (await rita.state())["app"]["takes_messages"] is False


async def test_a_command_without_a_hint_is_suggested_by_its_name(start: Any) -> None:
    hint = CommandHint("/ask", "Ask for something", "[what]")
    app = AppConfig(commands=frozenset({"/ask", "/lunch"}), hints=(hint,))
    async with start(app=app) as sim, Person(sim.url, "U0RITA") as rita:
        assert (await rita.state())["app"]["commands"] == [
            {"command": "/ask", "description": "Ask for something", "usage_hint": "[what]"},
            {"command": "/lunch", "description": "", "usage_hint": ""},
        ]


class Storyteller:
    """Knows one story."""

    async def of(self, work_id: str) -> Story:
        if work_id != "work-1":
            raise SimulatorError("There is no such work.")
        return Story(
            work_id, "Pencils", "Waiting", "open", (StoryStep(1.0, "start", "Started", who=("U0RITA",)),)
        )


async def test_a_story_is_told_as_it_is_known(start: Any) -> None:
    async with start(stories=Storyteller()) as sim, Person(sim.url, "U0RITA") as rita:
        assert (await rita.state())["stories"] is True
        status, body = await request(sim, "GET", "/sim/story/work-1")
        assert (status, body["story"]["steps"][0]["who"]) == (200, ["U0RITA"])
        status, body = await request(sim, "GET", "/sim/story/work-2")
        assert (status, body["error"]) == (400, "There is no such work.")

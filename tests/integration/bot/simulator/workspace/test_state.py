"""What the workspace keeps across restarts and kills."""

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.simulator import Person, SimulatorError, Workspace
from bot.simulator.workspace.channels import Unread
from bot.simulator.workspace.messages import Message


async def test_a_restart_keeps_everything(tmp_path: Path, start: Any) -> None:
    path = tmp_path / "slack.db"
    async with start(Workspace.open(path)) as sim, Person(sim.url, "U0RITA") as rita:
        said = await rita.say("C0GENERAL", "hello <@U0ADA>")
        await rita.say("C0GENERAL", "a reply", thread_ts=said["ts"])
    async with start(Workspace.open(path)) as sim, Person(sim.url, "U0ADA") as ada:
        [message] = await ada.messages("C0GENERAL")
        assert (message["ts"], message["reply_count"]) == (said["ts"], 1)
        channels = {channel["id"]: channel for channel in (await ada.state())["channels"]}
        assert (channels["C0GENERAL"]["unread"], channels["C0GENERAL"]["mention"]) == (1, True)


def test_a_kill_loses_nothing_that_was_stored(tmp_path: Path) -> None:
    path = tmp_path / "slack.db"
    program = (
        "import os, signal, sys; from pathlib import Path; from bot.simulator import Workspace;"
        "from bot.simulator.workspace.messages import Message;"
        f"ws = Workspace.open(Path({str(path)!r}));"
        "print(ws.messages.post(Message('C0GENERAL', 'U0RITA', text='kept')).ts, flush=True);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    workspace = Workspace.open(path)
    [message] = workspace.messages.in_channel("C0GENERAL")
    assert (message.ts, message.text) == (ended.stdout.strip(), "kept")
    workspace.close()


def test_two_simulators_cannot_share_a_file(tmp_path: Path) -> None:
    first = Workspace.open(tmp_path / "slack.db")
    with pytest.raises(SimulatorError, match="in use by another simulator"):
        Workspace.open(tmp_path / "slack.db")
    first.close()


@pytest.mark.parametrize("content", [b"not a database at all" * 100, None])
def test_a_foreign_file_is_refused_and_left_alone(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "other.db"
    if content is None:
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE theirs (x)")
        database.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(SimulatorError):
        Workspace.open(path)
    assert path.read_bytes() == before


def test_timestamps_increase_although_the_clock_stands_still() -> None:
    workspace = Workspace.open(None, now=lambda: 1_700_000_000.0)
    stamps = [workspace.messages.post(Message("C0GENERAL", "U0RITA", text="x")).ts for _ in range(3)]
    assert stamps == ["1700000000.000000", "1700000000.000001", "1700000000.000002"]
    workspace.close()


def unread(workspace: Workspace, channel: str, person: str) -> tuple[int, bool]:
    found = workspace.channels.unread([person]).get((person, channel), Unread())
    return found.count, found.named


def test_unread_counts_what_others_said_and_calls_by_name() -> None:
    workspace = Workspace.open(None)
    post = workspace.messages.post

    post(Message("C0GENERAL", "U0RITA", text="plain"))
    assert unread(workspace, "C0GENERAL", "U0ADA") == (1, False)
    assert unread(workspace, "C0GENERAL", "U0RITA") == (0, False), "one's own words are not unread"
    post(Message("C0GENERAL", "U0RITA", text="<!subteam^S0FINANCE|@finance> look"))
    assert unread(workspace, "C0GENERAL", "U0FIN") == (2, True)
    assert unread(workspace, "C0GENERAL", "U0ADA") == (2, False)
    workspace.channels.mark_read("C0GENERAL", "U0FIN")
    assert unread(workspace, "C0GENERAL", "U0FIN") == (0, False)

    block = {"type": "section", "block_id": "b", "text": {"type": "mrkdwn", "text": "<@U0FIN> please"}}
    post(Message("C0GENERAL", "U0BOT", bot=True, text="fallback", blocks=[block]))
    assert unread(workspace, "C0GENERAL", "U0FIN") == (1, True), "a mention in a block counts"
    post(Message("D0ADA", "U0BOT", bot=True, text="psst"))
    assert unread(workspace, "D0ADA", "U0ADA") == (1, True), "a direct message always calls"
    assert unread(workspace, "C0ESCALATIONS", "U0SAM") == (0, False)
    workspace.close()


def test_a_reply_is_unread_only_for_those_with_a_part_in_the_thread() -> None:
    workspace = Workspace.open(None)
    parent = workspace.messages.post(Message("C0GENERAL", "U0RITA", text="who?"))
    for person in ("U0RITA", "U0ADA", "U0FIN"):
        workspace.channels.mark_read("C0GENERAL", person)
    workspace.messages.post(Message("C0GENERAL", "U0SAM", text="me, says <@U0FIN>", thread_ts=parent.ts))
    assert unread(workspace, "C0GENERAL", "U0RITA") == (1, False)
    assert unread(workspace, "C0GENERAL", "U0FIN") == (1, True)
    assert unread(workspace, "C0GENERAL", "U0ADA") == (0, False)
    workspace.close()


def test_ephemerals_are_forgotten_after_a_day() -> None:
    workspace = Workspace.open(None, now=lambda: 1_700_000_000.0)

    def whisper(text: str) -> None:
        workspace.messages.post(Message("C0GENERAL", "U0BOT", text=text, ephemeral_to="U0ADA"))

    whisper("old")
    workspace.now = lambda: 1_700_000_000.0 + 24 * 3600 + 1
    whisper("new")
    assert [message.text for message in workspace.messages.in_channel("C0GENERAL", "U0ADA")] == ["new"]
    workspace.close()


def test_a_place_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match="does its directory exist"):
        Workspace.open(tmp_path / "missing" / "slack.db")


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "slack.db"
    Workspace.open(path).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(SimulatorError, match="newer version"):
        Workspace.open(path)


async def test_a_stopped_simulator_serves_the_same_workspace_again(start: Any) -> None:
    async with start() as sim:
        async with Person(sim.url, "U0RITA") as rita:
            await rita.say("C0GENERAL", "still here?")
        await sim.stop()
        await sim.start()
        async with Person(sim.url, "U0RITA") as rita:
            assert [message["text"] for message in await rita.messages("C0GENERAL")] == ["still here?"]


async def test_a_taken_port_is_named(start: Any) -> None:
    async with start() as first:
        taken = int(first.url.rsplit(":", 1)[1])
        async with start() as other:
            await other.stop()
            with pytest.raises(SimulatorError, match=f"cannot listen on 127.0.0.1:{taken}"):
                await other.start(port=taken)

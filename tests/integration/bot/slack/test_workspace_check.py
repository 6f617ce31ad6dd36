"""What the policies name and the workspace does not have is told, by the check and by the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot import config
from bot.cli import run
from bot.cli.main import main
from bot.demo.manifest import APP
from bot.simulator import Simulator
from bot.simulator.workspace.seed import Member, SeedChannel
from bot.slack.api.notifier import web_client
from bot.slack.api.workspace_check import (
    GONE,
    NO_GROUP,
    NOT_IN_CHANNEL,
    UNKNOWN_CHANNEL,
    workspace_warnings,
)
from tests.support.book import parsed
from tests.support.simulated import BOT_TOKEN, fault, granted, running_simulator

POLICIES = """
[people.U0ADA]
delegate = "U0HOOK"
[policies.purchase]
title = "Purchase"
channel = "C0PURCHASES"
owner = "U0GONE"
[[policies.purchase.levels]]
name = "First"
approvers = ["U0ADA", "U0NOBODY", "S0MANAGERS"]
notify = ["S0NOSUCH"]
channel = "C0NOSUCH"
timeout = "1d"
on_timeout = "escalate"
[policies.purchase.escalation]
channel = "C0ESCALATIONS"
approvers = ["S0DIRECTORS", "U0ADA"]
timeout = "1d"
[policies.purchase.on]
approved = { notify = "C0FAR" }
"""
MISSING = [
    f"policies.purchase.levels.0: C0NOSUCH {UNKNOWN_CHANNEL}",
    f"policies.purchase.levels.0: U0NOBODY {GONE}",
    f"policies.purchase.levels.0: S0NOSUCH {NO_GROUP}",
    f"policies.purchase.owner: U0GONE {GONE}",
    f"policies.purchase.on.approved: C0FAR {NOT_IN_CHANNEL}",
    f"people.U0ADA.delegate: U0HOOK {GONE}",
]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running_simulator(app=APP) as open_workspace:
        people = open_workspace.workspace.people
        people.add(Member("U0GONE", "gone", "Gone", is_deactivated=True))
        people.add(Member("U0HOOK", "hook", "Hook", is_bot=True))
        open_workspace.workspace.channels.add(SeedChannel("C0FAR", "far"), ("U0ADA",))
        yield open_workspace


async def found(simulator: Simulator) -> list[str]:
    client = web_client(BOT_TOKEN, simulator.api_url)
    return [str(warning) async for warning in workspace_warnings(client, parsed(POLICIES))]


async def test_each_name_that_is_not_there_is_told_with_its_place(simulator: Simulator) -> None:
    assert sorted(await found(simulator)) == sorted(MISSING)


async def test_a_failure_of_slack_calls_nobody_gone(simulator: Simulator) -> None:
    await fault(simulator, "users.info", "internal_error", count=-1)
    told = await found(simulator)
    assert not any(GONE in one for one in told)
    assert told[-1] == "Slack did not say of 4 people, groups and channels whether they are there"


async def test_where_slack_asks_to_wait_it_is_asked_again(simulator: Simulator) -> None:
    await fault(simulator, "users.info", "ratelimited", count=1, retry_after=0)
    assert sorted(await found(simulator)) == sorted(MISSING)


async def test_a_scope_that_is_missing_is_no_missing_channel() -> None:
    async with running_simulator(app=granted(frozenset({"users:read", "usergroups:read"}))) as simulator:
        told = await found(simulator)
    assert not any(UNKNOWN_CHANNEL in one or NOT_IN_CHANNEL in one for one in told)
    assert told[-1] == "Slack did not say of 4 people, groups and channels whether they are there"


async def test_the_check_compares_where_it_is_told_to(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "p.toml"
    file.write_text(POLICIES)
    monkeypatch.setenv("COUNTERSIGN_SLACK_API_URL", simulator.api_url)
    monkeypatch.delenv("SLACK_BOT_TOKEN", raising=False)
    assert await asyncio.to_thread(main, ["policies", "check", str(file)]) == 0
    assert "Warning" not in capsys.readouterr().out
    assert await asyncio.to_thread(main, ["policies", "check", "--workspace", str(file)]) != 0
    assert "SLACK_BOT_TOKEN: is not set" in capsys.readouterr().err
    monkeypatch.setenv("SLACK_BOT_TOKEN", BOT_TOKEN)
    assert await asyncio.to_thread(main, ["policies", "check", "--workspace", str(file)]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Warning: ")]
    assert sorted(told) == sorted(f"Warning: {one}." for one in MISSING)


async def test_the_server_logs_it(
    simulator: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "p.toml"
    file.write_text(POLICIES)
    settings = config.read(
        {
            "SLACK_BOT_TOKEN": BOT_TOKEN,
            "SLACK_SIGNING_SECRET": "secret",
            "COUNTERSIGN_SLACK_API_URL": simulator.api_url,
            "COUNTERSIGN_POLICIES": str(file),
        }
    )
    await run.compare(settings)
    assert sorted(caplog.messages) == sorted(f"{file}: {one}" for one in MISSING)
    caplog.clear()
    file.write_text("[")
    await run.compare(settings)
    assert caplog.messages == []

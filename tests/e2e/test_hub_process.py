"""`countersign hub` as a process of its own, with the bot in another: killed, and started again on the same file."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import grpc
import pytest

from bot import setting_sources
from bot.cli import main
from orchestration.runtime.connect import connect
from tests.support.core_world import SEAL_KEYS


async def start_hub(place: Path, listen: str) -> tuple[Process, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "hub", "--db", str(place), "--listen", listen, stdout=PIPE
    )
    assert process.stdout is not None
    return process, (await process.stdout.readline()).decode().strip()


async def test_a_client_finds_what_it_started_after_the_hub_was_killed(tmp_path: Path) -> None:
    hub, address = await start_hub(tmp_path / "hub.db", "127.0.0.1:0")
    connection = connect(f"grpc://{address}", tmp_path, SEAL_KEYS)
    client = connection.client()
    try:
        await client.schedule_new_orchestration("nobody-serves-this", instance_id="kept")
        hub.kill()
        await hub.wait()
        hub, again = await start_hub(tmp_path / "hub.db", address)
        assert again == address
        state = await client.get_orchestration_state("kept")
        assert state is not None
    finally:
        await client.close()
        hub.send_signal(signal.SIGTERM)
        assert await hub.wait() == 0


async def test_its_hub_runs_no_approval_again(tmp_path: Path) -> None:
    hub, address = await start_hub(tmp_path / "hub.db", "127.0.0.1:0")
    client = connect(f"grpc://{address}", tmp_path, SEAL_KEYS).client()
    try:
        for name in ("approval", "somebody-elses"):
            await client.schedule_new_orchestration(name, instance_id=name)
            await client.terminate_orchestration(name)
        with pytest.raises(grpc.RpcError, match="run once on this hub"):
            await client.restart_orchestration("approval")
        assert await client.restart_orchestration("somebody-elses") == "somebody-elses"
    finally:
        await client.close()
        hub.send_signal(signal.SIGTERM)
        assert await hub.wait() == 0


def test_any_other_address_is_refused_with_the_advice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["hub", "--db", str(tmp_path / "hub.db"), "--listen", "0.0.0.0:4001"]) == 4
    assert "Durable Task Scheduler" in capsys.readouterr().err


def test_a_missing_setting_is_one_line_and_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in setting_sources.SETTINGS:
        monkeypatch.delenv(name, raising=False)
    assert main.main(["run"]) == 4
    said = capsys.readouterr().err
    assert said.startswith("countersign: SLACK_BOT_TOKEN: is not set")
    assert said.count("\n") == 1

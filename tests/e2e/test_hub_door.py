"""Another user of the machine, at the door of a `countersign hub` process: over TCP and at its socket."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import stat
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from durabletask.client import AsyncTaskHubGrpcClient
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub import token_file
from orchestration.runtime.connect import connect
from orchestration.service.hub_health import HubHealth, hub_health
from orchestration.service.joining import Joining
from tests.support.core_world import SEAL_KEYS
from tests.support.hubs import RawWorker, bearer
from tests.support.stranger import VICTIM

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


@dataclass
class Served:
    """A hub process: its file, where it serves TCP, its socket, and what it logged until it was ready."""

    process: Process
    file: Path
    address: str
    socket: Path
    log: str


@asynccontextmanager
async def serving(file: Path, *options: str) -> AsyncIterator[Served]:
    command = [sys.executable, "-m", "bot", "hub", "--db", str(file), "--listen", "127.0.0.1:0", *options]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    address = (await process.stdout.readline()).decode().strip()
    log = (await process.stderr.readline() + await process.stderr.readline()).decode()
    try:
        yield Served(process, file, address, file.with_name(file.name + ".sock") / "hub", log)
    finally:
        process.send_signal(signal.SIGTERM)
        await process.communicate()


async def attacked(address: str, *headers: str) -> list[dict[str, str]]:
    """What a stranger got for each attempt: without an `authorization`, and with each of these."""
    command = [sys.executable, "-m", "tests.support.stranger", address, *headers]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    said, _ = await process.communicate()
    found: list[dict[str, str]] = [json.loads(line) for line in said.splitlines()]
    assert [len(one) > 35 for one in found] == [True] * (1 + len(headers))
    return found


async def untouched(served: Served) -> None:
    """The stranger has changed nothing: the owner's worker gets what was started, and no more."""
    address = f"unix://{served.socket}"
    client = AsyncTaskHubGrpcClient(host_address=address)
    assert await client.get_orchestration_state("forged") is None
    await client.close()

    def taken() -> pb.OrchestratorRequest:
        with RawWorker(address) as worker:
            return worker.take().orchestratorRequest

    found = await asyncio.to_thread(taken)
    assert found.instanceId == VICTIM
    assert [event.WhichOneof("eventType") for event in found.newEvents] == [
        "orchestratorStarted",
        "executionStarted",
    ]


async def started(served: Served) -> None:
    client = AsyncTaskHubGrpcClient(host_address=served.address, metadata=bearer(served.file))
    await client.schedule_new_orchestration("nobody-serves-this", instance_id=VICTIM)
    await client.close()


@as_root
async def test_a_stranger_is_refused_every_call_over_tcp_and_would_be_let_in_with_the_token(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path / "hub.db") as served:
        await started(served)
        token = token_file(served.file).read_text().strip()
        wrong = ["Bearer ", "Bearer " + "x" * 43, f"Basic {token}", token, f"Bearer {token[:-1]}"]
        for found in await attacked(served.address, *wrong):
            assert set(found.values()) == {"UNAUTHENTICATED"}
        await untouched(served)
        _, found = await attacked(served.address, f"bearer {token}")
        assert "UNAUTHENTICATED" not in found.values()
        assert found["forge a vote"] == found["start with a state"] == found["take work"] == "OK"


@as_root
async def test_a_stranger_cannot_read_the_token_or_reach_the_socket(tmp_path: Path) -> None:
    open_to_all(tmp_path)
    async with serving(tmp_path / "hub.db") as served:
        await started(served)
        assert stat.S_IMODE(token_file(served.file).stat().st_mode) == 0o600
        assert stat.S_IMODE(served.socket.stat().st_mode) == 0o600
        assert stat.S_IMODE(served.socket.parent.stat().st_mode) == 0o700
        (found,) = await attacked(f"unix://{served.socket}")
        assert set(found.values()) == {"UNAVAILABLE"}
        await untouched(served)


@as_root
async def test_a_stranger_who_gets_to_the_socket_is_not_served(tmp_path: Path) -> None:
    """Whatever became of the modes, the kernel says who connects."""
    open_to_all(tmp_path)
    async with serving(tmp_path / "hub.db") as served:
        await started(served)
        served.socket.parent.chmod(0o755)
        served.socket.chmod(0o666)
        token = token_file(served.file).read_text().strip()
        for found in await attacked(f"unix://{served.socket}", f"Bearer {token}"):
            assert set(found.values()) == {"UNAVAILABLE"}
        await untouched(served)


def open_to_all(place: Path) -> None:
    """Lets every user go down to this folder, so that only what the hub does keeps a stranger out."""
    root = Path(os.environ.get("PYTEST_DEBUG_TEMPROOT") or tempfile.gettempdir())
    down = (place, *place.parents)
    for folder in down:
        if folder.stat().st_uid == os.geteuid() and root in folder.parents:
            folder.chmod(folder.stat().st_mode | 0o711)
    assert all(folder.stat().st_mode & 0o001 for folder in down), "give a --basetemp that others get to"


async def test_the_start_says_who_can_reach_the_hub(tmp_path: Path) -> None:
    async with serving(tmp_path / "hub.db") as served:
        assert re.search(rf"Open at unix://{re.escape(str(served.socket))} to (.* and )?root\.", served.log)
        assert (
            f"Open at {served.address} to whoever sends the token in {token_file(served.file)}" in served.log
        )


async def test_the_token_stays_from_start_to_start(tmp_path: Path) -> None:
    async with serving(tmp_path / "hub.db") as served:
        first = bearer(served.file)
    async with serving(tmp_path / "hub.db") as served:
        assert bearer(served.file) == first


async def test_our_own_connection_goes_both_ways(tmp_path: Path) -> None:
    """By TCP with the token that is beside the file, or that a setting gives, and by the socket without one."""
    async with serving(tmp_path / "hub.db") as served:
        token = token_file(served.file).read_text()
        elsewhere = tmp_path / "elsewhere"
        ways = [
            connect(f"grpc://{served.address}", tmp_path, SEAL_KEYS),
            connect(f"grpc://{served.address}", elsewhere, SEAL_KEYS, token=f"{token} {'x' * 43}"),
            connect(f"unix:{served.socket}", elsewhere, SEAL_KEYS),
            connect(f"unix://{served.socket}", elsewhere, SEAL_KEYS),
        ]
        for way in ways:
            client = way.client()
            assert await client.get_orchestration_state("none") is None
            assert await hub_health(client) == HubHealth()
            await client.close()


async def test_a_bot_without_the_token_takes_no_work_and_says_why(tmp_path: Path) -> None:
    async with serving(tmp_path / "hub.db") as served:
        connection = connect(f"grpc://{served.address}", tmp_path / "elsewhere", SEAL_KEYS)
        client = connection.client_as_stored()
        joining = Joining(
            client,
            client,
            SEAL_KEYS,
            lambda: pytest.fail("it has not joined"),
            alone=False,
            refused=connection.refused,
        )
        assert "COUNTERSIGN_HUB_TOKEN_FILE" in (await joining.problem() or "")
        await client.close()


async def test_a_hub_without_authentication_is_loud(tmp_path: Path) -> None:
    async with serving(tmp_path / "hub.db", "--no-auth") as served:
        assert '"level": "warning"' in served.log
        assert "EVERY user" in served.log
        assert not token_file(served.file).exists()
        client = AsyncTaskHubGrpcClient(host_address=served.address)
        assert await client.get_orchestration_state("none") is None
        (warning,) = (await hub_health(client)).warnings
        assert "--no-auth" in warning
        await client.close()

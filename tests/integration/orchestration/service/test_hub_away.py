"""A hub process that is away for a moment: commands wait for it, workers come back, and nothing is sent twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
from durabletask.client import AsyncTaskHubGrpcClient

from orchestration.domain.commands import Reason
from orchestration.domain.errors import HubSilentError, HubUnavailableError
from orchestration.domain.names import OrchestrationName
from orchestration.domain.request import Choice
from orchestration.hub import Hub
from orchestration.runtime.connect import connect
from orchestration.runtime.reconnecting import PATIENCE, RECONNECT, WORKER_RECONNECT
from orchestration.service.calls import COMMIT_BUDGET, answers
from tests.support import PATIENCE_S
from tests.support.board import Board
from tests.support.core_world import SEAL_KEYS, by, opened
from tests.support.tcp_relay import TcpRelay

AWAY = 0.5  # seconds


def hub_on(path: Path, port: int = 0) -> Hub:
    return Hub(path, listen=f"127.0.0.1:{port}", run_once=list(OrchestrationName))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with hub_on(tmp_path / "hub.db") as found:
        yield found


@pytest.fixture
async def relay(hub: Hub) -> AsyncIterator[TcpRelay]:
    async with TcpRelay(int(hub.address.rpartition(":")[2])) as found:
        yield found


@pytest.fixture
async def client(relay: TcpRelay, tmp_path: Path) -> AsyncIterator[AsyncTaskHubGrpcClient]:
    found = connect(f"grpc://127.0.0.1:{relay.port}", tmp_path, SEAL_KEYS).client()
    await answers(found)
    yield found
    await found.close()


async def test_a_press_while_the_hub_is_started_again_counts_and_the_worker_comes_back(
    tmp_path: Path, board: Board, caplog: pytest.LogCaptureFixture
) -> None:
    first = hub_on(tmp_path / "hub.db")
    first.start()
    port = int(first.address.rpartition(":")[2])
    connection = connect(f"grpc://127.0.0.1:{port}", tmp_path, SEAL_KEYS)
    async with opened(connection, board, board) as world:
        request_id = await world.ask()
        shown = await world.service.identity(request_id)
        await asyncio.to_thread(first.stop)
        deciding = asyncio.create_task(
            world.service.decide(request_id, by("U0ADA"), Choice.APPROVE, shown=shown, round=1)
        )
        await asyncio.sleep(AWAY)
        with hub_on(tmp_path / "hub.db", port):
            verdict = await world.service.verdict(await deciding)
            assert verdict.reason is Reason.RECORDED
            assert (await world.outcome(request_id)).status == "approved"
    assert not [record for record in caplog.records if record.exc_info]


def test_waiting_fits_into_the_budget_and_reconnecting_into_three_seconds() -> None:
    assert PATIENCE < COMMIT_BUDGET
    longest = dict(RECONNECT)["grpc.max_reconnect_backoff_ms"] / 1000 * 1.2  # gRPC's own jitter
    assert WORKER_RECONNECT.reconnect_backoff_cap_seconds + longest < 3


async def test_a_look_whose_connection_breaks_is_sent_again(
    client: AsyncTaskHubGrpcClient, relay: TcpRelay
) -> None:
    relay.losing = True
    looking = asyncio.create_task(client.get_orchestration_state("nobody"))
    await asyncio.sleep(0.1)
    await relay.cut()
    await asyncio.sleep(0.1)
    await relay.mend()
    assert await looking is None


async def test_a_start_whose_answer_is_lost_is_not_sent_again_and_not_said_to_be_lost(
    client: AsyncTaskHubGrpcClient, relay: TcpRelay
) -> None:
    relay.losing = True
    starting = asyncio.create_task(client.schedule_new_orchestration("theirs", instance_id="one"))
    await asyncio.sleep(0.1)
    await relay.cut()
    await relay.mend()
    with pytest.raises(HubSilentError, match="cannot tell whether that counts"):
        await starting
    assert await client.get_orchestration_state("one") is not None


async def cut(client: AsyncTaskHubGrpcClient, relay: TcpRelay) -> None:
    """Cut the connection; return once the client knows, as otherwise a call may be sent into it."""
    await relay.cut()
    async with asyncio.timeout(PATIENCE_S):
        assert client._channel is not None
        while client._channel.get_state() is grpc.ChannelConnectivity.READY:
            await asyncio.sleep(0.01)


async def test_a_start_without_a_connection_is_sent_once_there_is_one(
    client: AsyncTaskHubGrpcClient, relay: TcpRelay
) -> None:
    await cut(client, relay)
    starting = asyncio.create_task(client.schedule_new_orchestration("theirs", instance_id="one"))
    await asyncio.sleep(0.3)
    await relay.mend()
    assert await starting == "one"


async def test_a_hub_that_stays_away_is_said_in_time_and_its_health_at_once(
    client: AsyncTaskHubGrpcClient, relay: TcpRelay
) -> None:
    await cut(client, relay)
    starting = asyncio.create_task(client.schedule_new_orchestration("theirs", instance_id="one"))
    with pytest.raises(HubUnavailableError):
        await answers(client)
    assert not starting.done()
    with pytest.raises(HubUnavailableError, match="nothing was recorded"):
        await starting

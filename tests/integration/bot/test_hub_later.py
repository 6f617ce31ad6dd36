"""A bot that is started before its hub: it says so, and works once the hub is there."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from bot.hub_membership import NOT_YET, RETRY, HubMembership
from orchestration.hub import Hub
from orchestration.replicas.roster import Replica
from orchestration.runtime.connect import connect
from orchestration.runtime.reconnecting import RECONNECT
from orchestration.service.joining import Joining
from tests.support import PATIENCE_S
from tests.support.core_world import SEAL_KEYS
from tests.support.tcp_relay import TcpRelay

LATEST_S = 3.0  # until a bot takes work once its hub is there


def me() -> Replica:
    return Replica(
        id="me", sealing_keys=SEAL_KEYS.ids, signing_keys=[], policies="", seen_at=datetime.now(UTC)
    )


async def test_a_bot_that_is_started_before_its_hub_works_once_it_is_there(tmp_path: Path) -> None:
    began: list[bool] = []
    with Hub(tmp_path / "hub.db", listen="127.0.0.1:0", authenticate=False) as hub:
        async with TcpRelay(int(hub.address.rpartition(":")[2])) as relay:
            await relay.cut()
            connection = connect(f"grpc://127.0.0.1:{relay.port}", tmp_path, SEAL_KEYS)
            client, as_stored = connection.client(), connection.client_as_stored()
            joining = Joining(client, as_stored, SEAL_KEYS, me, alone=False, refused=connection.refused)
            membership = HubMembership(joining, connection, lambda: began.append(True))
            keeping = asyncio.create_task(membership.keep())
            await asyncio.sleep(0.2)
            assert (membership.problem, connection.held, began) == (NOT_YET, NOT_YET, [])
            await relay.mend()
            async with asyncio.timeout(PATIENCE_S):
                while not began:
                    await asyncio.sleep(0.02)
            assert (membership.problem, connection.held) == (None, None)
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await client.close()
            await as_stored.close()


async def test_of_two_who_join_at_once_one_begins_the_work(tmp_path: Path) -> None:
    began: list[bool] = []
    with Hub(tmp_path / "hub.db", listen="127.0.0.1:0", authenticate=False) as hub:
        connection = connect(f"grpc://{hub.address}", tmp_path, SEAL_KEYS)
        client, as_stored = connection.client(), connection.client_as_stored()
        joining = Joining(client, as_stored, SEAL_KEYS, me, alone=False, refused=connection.refused)
        membership = HubMembership(joining, connection, lambda: began.append(True))
        assert all(await asyncio.gather(membership.join(), membership.join()))
        assert began == [True]
        await client.close()
        await as_stored.close()


def test_it_looks_often_enough() -> None:
    assert RETRY + dict(RECONNECT)["grpc.max_reconnect_backoff_ms"] / 1000 * 1.2 < LATEST_S

"""The tokens of a Durable Task Scheduler: from a managed identity, which a server on this machine plays."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.hub_membership import HubMembership
from orchestration.hub import Hub
from orchestration.replicas.roster import Replica
from orchestration.runtime.connect import connect
from orchestration.service.joining import Joining
from tests.support.core_world import SEAL_KEYS
from tests.support.hub_forms import TOKEN, ManagedIdentity, outside, scheduler

WRONG = "w" * 43


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    found = outside(tmp_path)
    yield found
    found.stop()


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> Iterator[ManagedIdentity]:
    found = ManagedIdentity()
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    yield found
    found.close()


def me() -> Replica:
    return Replica(
        id="me", sealing_keys=SEAL_KEYS.ids, signing_keys=[], policies="", seen_at=datetime.now(UTC)
    )


@asynccontextmanager
async def joining(hub: Hub, place: Path) -> AsyncIterator[HubMembership]:
    """A process that is to work on the hub, through the scheduler's client."""
    name = "DURABLE_TASK_SCHEDULER_CONNECTION_STRING"
    connection = connect(scheduler(hub, "ManagedIdentity"), place, SEAL_KEYS, setting_name=name)
    client, as_stored = connection.client(), connection.client_as_stored()
    refused = connection.refused
    yield HubMembership(
        Joining(client, as_stored, SEAL_KEYS, me, alone=False, refused=refused), connection, lambda: None
    )
    await client.close()
    await as_stored.close()
    connection.close()


async def test_a_token_is_asked_for_once_for_all_clients(
    hub: Hub, identity: ManagedIdentity, tmp_path: Path
) -> None:
    async with joining(hub, tmp_path) as membership:
        assert await membership.join()
    assert identity.asked == 1


async def test_a_token_that_is_refused_says_which_role_is_missing(
    hub: Hub, identity: ManagedIdentity, tmp_path: Path
) -> None:
    """A token that ends soon is replaced by a new one without a restart."""
    identity.token, identity.lasts = WRONG, 30
    async with joining(hub, tmp_path) as membership:
        assert not await membership.join()
        assert membership.problem == (
            "DURABLE_TASK_SCHEDULER_CONNECTION_STRING: the Durable Task Scheduler refuses our calls. Check "
            'TaskHub=tests, and give the identity of Authentication=ManagedIdentity the role "Durable Task Data '
            'Contributor" there.'
        )
        identity.token = TOKEN
        assert await membership.join()
        assert membership.problem is None


async def test_an_identity_that_gives_no_token_is_named_and_tried_again(
    hub: Hub, identity: ManagedIdentity, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    identity.down = True
    async with joining(hub, tmp_path) as membership:
        with caplog.at_level(logging.ERROR):
            async with asyncio.timeout(20):
                while "gives no token" not in (membership.problem or ""):
                    assert not await membership.join()
            assert not await membership.join()
        said = [one.getMessage() for one in caplog.records if "gives no token" in one.getMessage()]
        assert len(said) == 1
        assert "No such identity." in said[0]
        assert membership.problem is not None
        assert membership.problem.startswith("DURABLE_TASK_SCHEDULER_CONNECTION_STRING: ")
        identity.down = False
        assert await membership.join()

"""The stranger on the hub."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from durabletask.client import TaskHubGrpcClient

from orchestration.runtime.connect import Connection
from tests.support.hub_forms import hub_of, reach


@pytest.fixture
def stranger(connection: Connection) -> Iterator[TaskHubGrpcClient]:
    with TaskHubGrpcClient(**reach(hub_of(connection))) as client:
        yield client

"""The stranger on the hub."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from durabletask.client import TaskHubGrpcClient

from orchestration.runtime.connect import Connection


@pytest.fixture
def stranger(connection: Connection) -> Iterator[TaskHubGrpcClient]:
    with TaskHubGrpcClient(host_address=connection._address) as client:
        yield client

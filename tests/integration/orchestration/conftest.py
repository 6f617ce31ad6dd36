"""A core for each test, with a board in place of Slack."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from orchestration.domain.policy_book import PolicyBook
from orchestration.runtime.connect import Connection
from tests.support.board import Board
from tests.support.book import CORE
from tests.support.core_world import SEAL_KEYS, CoreWorld, opened
from tests.support.hub_forms import connected, disconnect


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    found = connected(tmp_path, SEAL_KEYS)
    yield found
    disconnect(found)


@pytest.fixture
def book() -> PolicyBook:
    """The policies that are asked by. A module with a book of its own has a fixture of this name."""
    return CORE


@pytest.fixture
async def world(connection: Connection, board: Board, book: PolicyBook) -> AsyncIterator[CoreWorld]:
    async with opened(connection, board, board, book=book) as found:
        yield found

"""A code ends when its time is over by any clock that can tell: a turned clock or a waiting timer keeps none alive."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from orchestration.challenge.models import ChallengeStatus
from orchestration.domain.request import Choice, Status
from orchestration.hub import Hub, SystemClock
from orchestration.runtime.connect import HUB_FILE, Connection
from tests.support.board import Board, BoardPhones
from tests.support.challenges import begun, code_in, other
from tests.support.core_world import SEAL_KEYS, CoreWorld, opened
from tests.support.machine import FakeMachine


@pytest.fixture
def machine() -> FakeMachine:
    return FakeMachine()


@asynccontextmanager
async def on(
    machine: FakeMachine, data: Path, board: Board, phones: BoardPhones | None = None
) -> AsyncIterator[CoreWorld]:
    """A core whose hub and worker are on that machine."""
    hub = Hub(data / HUB_FILE, clock=SystemClock(machine))
    hub.start()
    connection = Connection(hub.address, SEAL_KEYS, hub=hub)
    async with opened(connection, board, board, since_boot=machine.since_boot, phones=phones) as world:
        yield world
        await world.stop_worker()
    connection.close()


@pytest.mark.parametrize("minutes", [1.9, 2.1])
async def test_a_code_ends_by_the_time_since_boot(
    connection: Connection, board: Board, machine: FakeMachine, minutes: float
) -> None:
    """The hub's time is another machine's, and says that the code has just been sent."""
    async with opened(connection, board, board, since_boot=machine.since_boot) as world:
        challenge = await begun(world)
        machine.goes_on(minutes=minutes)
        answered = await world.challenges.answer(challenge, code_in(world, challenge), "c1")
        status = (await world.challenges.status(challenge)).status
        if minutes < 2:
            assert answered is not None
            assert answered.right
            assert status is ChallengeStatus.VERIFIED
        else:
            assert answered is None
            assert status is ChallengeStatus.EXPIRED


async def test_a_wrong_code_that_is_over_costs_nothing(
    connection: Connection, board: Board, machine: FakeMachine
) -> None:
    """It ends the challenge, as the right one would: nobody learns which it was."""
    async with opened(connection, board, board, since_boot=machine.since_boot) as world:
        challenge = await begun(world)
        machine.goes_on(minutes=3)
        await world.challenges.answer(challenge, other(code_in(world, challenge)), "c1")
        progress = await world.challenges.status(challenge)
        assert (progress.status, progress.attempts_left) == (ChallengeStatus.EXPIRED, 3)


async def test_of_another_boot_nothing_is_known(
    connection: Connection, board: Board, machine: FakeMachine
) -> None:
    async with opened(connection, board, board, since_boot=machine.since_boot) as world:
        challenge = await begun(world)
        machine.reboots(seconds=30)
        machine.goes_on(hours=1)
        answered = await world.challenges.answer(challenge, code_in(world, challenge), "c1")
        assert answered is not None
        assert answered.right


async def test_a_code_ends_while_timers_wait(tmp_path: Path, board: Board, machine: FakeMachine) -> None:
    """By the hub's time: the machine was booted anew, on a clock that is behind."""
    async with on(machine, tmp_path, board) as world:
        challenge = await begun(world)
        phones = world.phones
    machine.reboots(hours=-1)
    async with on(machine, tmp_path, board, phones) as world:
        assert world.connection.hub is not None
        machine.runs(world.connection.hub.clock, minutes=3)
        assert (await world.challenges.status(challenge)).status is ChallengeStatus.WAITING, "timers wait"
        assert await world.challenges.answer(challenge, code_in(world, challenge), "c1") is None
        assert (await world.challenges.status(challenge)).status is ChallengeStatus.EXPIRED


async def test_an_old_code_approves_nothing_after_the_clock_was_ahead(
    tmp_path: Path, board: Board, machine: FakeMachine
) -> None:
    """Two days ahead for 0.2 s: then a code that was 40 hours old approved a request 39 hours past its deadline."""
    async with on(machine, tmp_path, board) as world:
        hub = world.connection.hub
        assert hub is not None
        request = await world.ask("wire", amount=Decimal(50_000), timeout=timedelta(hours=1))
        await world.decide(request, "U0ADA", Choice.APPROVE)
        await world.eventually(lambda: bool(world.phones.texts))
        code = world.phones.code("U0ADA")
        machine.set_wall(days=2)
        machine.runs(hub.clock, seconds=0.2)
        machine.set_wall(days=-2)
        machine.goes_on(hours=40)
        await world.challenges.hear(world.phones.numbers["U0ADA"], code, "SM1")
        assert (await world.outcome(request)).status is Status.TIMED_OUT

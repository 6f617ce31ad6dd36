"""Troubles of the processes and their machine: kills, stops, a full disk, clocks that are set."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import aiohttp

from tests.faults.plan import KILLS, TROUBLES, Plan
from tests.faults.processes import Deployment, RunningProcess, is_ready

_SOON: Final = 0.05  # seconds after an ack within which a process is killed
_HOLDS: Final = ((0.5, 5.0), (10.0, 20.0))  # seconds; the longer range once in eight times
_FULL: Final = (2.0, 5.0)  # seconds; long enough for `/readyz` to notice it
_WALL: Final = (
    100.0  # seconds that the wall clock is set ahead or back; Slack's signatures live for five minutes
)


@dataclass(frozen=True)
class Hold:
    """The time in which a process was stopped, in epoch seconds."""

    process: str
    since: float
    until: float


class ProcessTrouble:
    """Makes as many troubles as planned, one after the other; after each, every process runs and is ready again."""

    def __init__(self, plan: Plan, deployment: Deployment) -> None:
        self._plan = plan
        self._chance = random.Random(f"{plan.seed} troubles")
        self._made = deployment
        self._ack = asyncio.Event()
        self.counted: Counter[str] = Counter()
        self.holds: list[Hold] = []
        self.blind: list[str] = []  # bots that said they were ready while the disk was full

    def acked(self) -> None:
        """Something was acknowledged just now."""
        self._ack.set()

    async def run(self) -> None:
        """Makes all troubles. Raises what `Deployment.start` raises."""
        left = self._plan.kills
        while left > 0:
            await asyncio.sleep(self._chance.uniform(*self._plan.pause))
            victim = self._chance.choice(self._made.all)
            [kind] = self._chance.choices(self._plan.troubles, [TROUBLES[one] for one in self._plan.troubles])
            self.counted[f"{victim.name.partition('-')[0]}: {kind}"] += 1
            left -= kind in KILLS
            await self._strike(kind, victim)
            await self._made.start()

    async def _strike(self, kind: str, victim: RunningProcess) -> None:
        match kind:
            case "hold":
                await self._hold(victim)
            case "full disk":
                await self._fill(victim)
            case "skip":
                with suppress(Exception):  # the hub may be down; then the clock stays where it is
                    await self._made.skip(timedelta(seconds=self._chance.uniform(1, 90)))
            case "wall clock":
                self.set_clock(self._chance.choice([0.0, self._chance.uniform(-_WALL, _WALL)]))
            case "roll":
                for bot in self._made.bots:
                    await bot.end(signal.SIGTERM)
                    await self._made.start()
            case "kill after an ack":
                self._ack.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ack.wait(), 3)
                await asyncio.sleep(self._chance.uniform(0, _SOON))
                await victim.end(signal.SIGKILL)
            case _:
                await victim.end(signal.SIGTERM if kind == "term" else signal.SIGKILL)

    async def _hold(self, victim: RunningProcess) -> None:
        short, long = _HOLDS
        since = time.time()
        victim.send(signal.SIGSTOP)
        await asyncio.sleep(self._chance.uniform(*(long if self._chance.random() < 1 / 8 else short)))
        victim.send(signal.SIGCONT)
        self.holds.append(Hold(victim.name, since, time.time()))

    async def _fill(self, victim: RunningProcess) -> None:
        if not victim.may_write(room=False):
            return
        try:
            await asyncio.sleep(self._chance.uniform(*_FULL))
            await self._look(victim)
        finally:
            victim.may_write(room=True)

    async def _look(self, victim: RunningProcess) -> None:
        """Notes each bot that says it is ready although its hub has no room on the disk.

        A bot whose hub is a process of its own keeps only its records on its disk, and warns of them.
        """
        concerned = [
            (bot, url)
            for bot, url in zip(self._made.bots, self._made.urls, strict=True)
            if victim is (self._made.hub or bot) and bot.alive
        ]
        async with aiohttp.ClientSession() as http:
            for bot, url in concerned:
                if await is_ready(http, url) and bot.alive and victim.alive:
                    self.blind.append(f"{bot.name} while {victim.name} had no room")

    def set_clock(self, off: float) -> None:
        """Sets the wall clock that the hub sees, off by so many seconds."""
        new = self._made.clock.with_suffix(".new")
        new.write_text(str(off))
        new.replace(self._made.clock)

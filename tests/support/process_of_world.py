"""`countersign run` as a process in a simulated workspace, with what it writes on standard error."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any

import aiohttp

from tests.support import PATIENCE_S, ROOT
from tests.support.world import World


class ProcessOfWorld(World):
    """A `World` with the bot in a process of its own. Methods that need the bot's objects do not work."""

    def __init__(self, data: Path, policies: str, **given: Any) -> None:
        super().__init__(data, policies, **given)
        self._process: Process | None = None
        self._log = data / "stderr.log"

    @property
    def log(self) -> str:
        """All that the bot has logged."""
        return self._log.read_text()

    async def start(self) -> None:
        environment = {"PATH": os.environ["PATH"], **self.settings()}
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bot", "run"), cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as http:
            while not await self._ready(http):
                await asyncio.sleep(0.1)  # the bot takes a second to start, and each look slows it down

    async def stop(self) -> None:
        """Ends the bot by SIGTERM, so that it sends its last spans."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            async with asyncio.timeout(PATIENCE_S):
                await self._process.wait()

    async def _ready(self, http: aiohttp.ClientSession) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, self.log
        try:
            async with http.get(f"{self.url}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

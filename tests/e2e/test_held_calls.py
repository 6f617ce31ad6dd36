"""A coding agent's calls while its hook and the bot are killed: none runs without an approval, and none twice."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
from asyncio.subprocess import Process
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support import PATIENCE_S
from tests.support.hook import GATE, HookAnswer, an_input, hook_answer, start_hook
from tests.support.killed_bot import KilledBot

SEED = int(os.environ.get("COUNTERSIGN_SEED") or secrets.randbits(32))
ROUNDS = 20 if os.environ.get("COUNTERSIGN_PROOF") else 1


@pytest.mark.timeout(110 + 40 * ROUNDS)
async def test_no_call_runs_without_an_approval_and_none_twice(tmp_path: Path) -> None:
    print(f"COUNTERSIGN_SEED={SEED}")  # noqa: T201 - the seed of a run that fails
    chance = random.Random(SEED)
    gate = tmp_path / "gate.toml"
    gate.write_text(GATE)
    async with KilledBot(tmp_path / "data") as bot:

        async def hook(given: dict[str, Any], *more: str) -> Process:
            return await start_hook(bot.url, bot.agent, gate, given, *more)

        for number in range(ROUNDS):
            command = f"make release ID={secrets.token_hex(4)}"
            given = an_input("Bash", command=command)
            # One that survives, one that is killed at some moment, and the bot, which is killed before and after.
            survivor = await _asking(hook, bot, given, command)
            victim = await hook(given)
            request_id = await bot.asked(command)
            await bot.restart()
            choice = "reject" if number % 2 == 1 else "approve"
            await bot.decide(request_id, choice)
            await asyncio.sleep(chance.uniform(0, 0.5))
            for doomed in chance.sample(["bot", "victim"], 2):
                if doomed == "bot":
                    await bot.restart()
                else:
                    # It may have ended by itself, where the bot was away too long.
                    with suppress(ProcessLookupError):
                        victim.kill()
            answers = [await hook_answer(survivor), await hook_answer(victim)]
            again = await hook_answer(await hook(given, "--wait", "20s" if choice == "reject" else "4s"))
            allowed = [one for one in (*answers, again) if one.decision == "allow"]
            assert len(allowed) <= (choice == "approve"), (number, [vars(one) for one in (*answers, again)])
            # A hook gives up, and blocks, where the bot is away for more than five seconds: a start may take longer.
            told = answers[0]
            gave_up = (told.status, told.out) == (2, "")
            assert gave_up or told.decision in {"allow", "deny"}, vars(told)
            assert all(one.status in {0, 2} for one in (told, again))
            if choice == "reject":
                assert gave_up or "As said." in told.reason


async def _asking(hook: Any, bot: KilledBot, given: dict[str, Any], command: str) -> Process:
    """A hook whose call is on a card. One that came before the bot was ready is started again."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            process: Process = await hook(given)
            while process.returncode is None and not bot.requests(command):
                await asyncio.sleep(0.05)
            if bot.requests(command):
                return process
            answer: HookAnswer = await hook_answer(process)
            assert (answer.status, answer.out) == (2, "")

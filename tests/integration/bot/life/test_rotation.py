"""The secret is changed while requests are open: nothing is lost, and a process with the wrong keys does no work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot import config
from bot.app import Countersign, running
from bot.cli.main import main
from bot.security.tokens import FILE as TOKENS
from bot.security.tokens import TokenFile
from bot.slack.api.pace import Pace
from orchestration.domain.request import Status
from orchestration.hub import Hub, SkippableClock
from tests.integration.bot.life.conftest import PURCHASES, approve, ask, request_id, sees
from tests.support.world import PATIENCE_S, World, policies

OLD, NEW = "an-old-secret-of-at-least-32-bytes", "a-new-secret-of-at-least-32-bytes"


@pytest.fixture
async def old(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, policies("life"), settings={"COUNTERSIGN_SECRET": OLD}) as found:
        yield found


async def started_with(world: World, *secrets: str) -> None:
    await world.stop()
    world.set(COUNTERSIGN_SECRET=" ".join(secrets))
    await world.start()


async def readiness(url: str) -> tuple[int, dict[str, Any]]:
    async with aiohttp.ClientSession() as http, http.get(f"{url}/readyz") as answer:
        return answer.status, await answer.json()


async def test_an_open_request_is_decided_after_the_secret_was_rotated(old: World) -> None:
    card = await ask(old.person("U0RITA"), "plain Chairs")
    await started_with(old, NEW, OLD)
    assert (await readiness(old.url))[0] == 200
    await approve(old.person("U0ADA"), card)
    await old.until(request_id(card), lambda progress: progress.status is Status.APPROVED)


async def test_without_the_old_secret_no_work_is_taken_and_nothing_fails(old: World) -> None:
    rita, ada = old.person("U0RITA"), old.person("U0ADA")
    card = await ask(rita, "plain Chairs")
    await started_with(old, NEW)
    status, body = await readiness(old.url)
    assert status == 503
    assert "COUNTERSIGN_SECRET" in body["problem"]
    assert "the secret that it had before" in body["problem"]
    await ada.click(card["channel"], card["ts"], "approve")
    await sees(ada, PURCHASES, "Nothing was recorded")
    await started_with(old, NEW, OLD)
    await approve(ada, card)
    await old.until(request_id(card), lambda progress: progress.status is Status.APPROVED)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(
        tmp_path / "shared.db", listen="127.0.0.1:0", authenticate=False, clock=SkippableClock()
    ) as found:
        yield found


@asynccontextmanager
async def another(world: World, *secrets: str) -> AsyncIterator[Countersign]:
    """A second process on the same hub and the same workspace."""
    settings = world.settings() | {
        "COUNTERSIGN_LISTEN": "127.0.0.1:0",
        "COUNTERSIGN_SECRET": " ".join(secrets),
    }
    async with running(config.read(settings), pace=Pace(0.01)) as found:
        yield found


async def test_two_processes_take_a_new_secret_in_two_steps(tmp_path: Path, hub: Hub) -> None:
    """First each learns it, then each seals with it. A process that seals with it too early waits."""
    settings = {"COUNTERSIGN_SECRET": OLD}
    async with World(tmp_path, policies("life"), hub=hub, settings=settings) as world:
        card = await ask(world.person("U0RITA"), "plain Chairs")
        async with another(world, NEW, OLD) as early:
            assert early.membership.problem is not None
            assert "learn a new key first" in early.membership.problem
            assert (await readiness(f"http://127.0.0.1:{early.port}"))[0] == 503
            await started_with(world, OLD, NEW)  # the first step
            await world.eventually(lambda: world.app.membership.problem is None)
            assert await joins(early)
            await approve(world.person("U0ADA"), card)
            await world.until(request_id(card), lambda progress: progress.status is Status.APPROVED)
            await started_with(world, NEW, OLD)  # the second
            assert world.app.membership.problem is None
            later = await ask(world.person("U0RITA"), "plain Lamps")
            await approve(world.person("U0ADA"), later)
            await world.until(request_id(later), lambda progress: progress.status is Status.APPROVED)


async def joins(app: Countersign) -> bool:
    """Whether it works on the hub within a few looks: what the others announced may still be on its way."""
    for _ in range(200):
        if app.membership.problem is None or await app.membership.join():
            return True
    return False


async def test_it_is_told_what_still_needs_the_old_secret(old: World) -> None:
    """The old one may go once no open request and no entity needs it; a leaked one ends what it sealed."""
    card = await ask(old.person("U0RITA"), "plain Chairs")
    await started_with(old, NEW, OLD)
    inventory = old.app.api.inventory
    new, before = old.app.connection.keys.ids
    uses = await inventory.uses()
    assert uses[before].open == [request_id(card)]
    assert uses[before].entities
    assert await inventory.reseal_entities() == len(set(uses[before].entities))
    async with asyncio.timeout(PATIENCE_S):
        while (await inventory.uses())[before].entities:
            await asyncio.sleep(0.05)
    await approve(old.person("U0ADA"), card)
    await old.until(request_id(card), lambda progress: progress.status is Status.APPROVED)
    async with asyncio.timeout(PATIENCE_S):
        while (uses := await inventory.uses())[before].open:
            await asyncio.sleep(0.05)
    assert uses[before].ended == 1
    assert uses[new].ended == 1  # its later answers


async def test_the_command_line_ends_what_a_leaked_secret_has_sealed(
    old: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    card = await ask(old.person("U0RITA"), "plain Chairs")
    await started_with(old, NEW, OLD)
    root = TokenFile(old.data / TOKENS).create("root", "U0RITA", ["admin"])
    monkeypatch.setenv("COUNTERSIGN_URL", old.url)
    monkeypatch.setenv("COUNTERSIGN_TOKEN", root)
    _, before = old.app.connection.keys.ids
    assert await asyncio.to_thread(main, ["secret", "list"]) == 0
    assert f"    {request_id(card)}" in capsys.readouterr().out.splitlines()
    assert await asyncio.to_thread(main, ["secret", "end", "00000000"]) == 4
    assert await asyncio.to_thread(main, ["secret", "end", before]) == 0
    assert await asyncio.to_thread(main, ["secret", "reseal"]) == 0
    await old.until(request_id(card), lambda progress: progress.status is Status.TERMINATED)
    assert "no key 00000000" in capsys.readouterr().err

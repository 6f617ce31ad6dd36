"""The secret is changed while requests are open: nothing is lost, and a process with the wrong keys does no work."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from joserfc.jwk import OKPKey

from bot import config
from bot.app import Countersign, running
from bot.cli.main import main
from bot.security.keys import FILE as SIGNING_KEYS
from bot.security.keys import SigningKeys
from bot.security.receipts import verify
from bot.security.tokens import FILE as TOKENS
from bot.security.tokens import TokenFile
from bot.slack.api.pace import Pace
from orchestration.domain.request import Status
from orchestration.hub import Hub, SkippableClock
from tests.integration.bot.life.conftest import PURCHASES, approve, ask, request_id, sees
from tests.support import PATIENCE_S
from tests.support.messages import Message
from tests.support.world import World, policies

OLD, NEW = "an-old-secret-of-at-least-32-bytes", "a-new-secret-of-at-least-32-bytes"


in_one_step = pytest.mark.embedded_hub(
    "on one that other processes may work on, a new secret is learned by each before one seals with it"
)


@pytest.fixture
async def old(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, policies("life"), settings={"COUNTERSIGN_SECRET": OLD}) as found:
        yield found


async def restarted(world: World, **settings: str) -> None:
    await world.stop()
    world.set(**settings)
    await world.start()


async def started_with(world: World, *secrets: str) -> None:
    await restarted(world, COUNTERSIGN_SECRET=" ".join(secrets))


async def readiness(url: str) -> tuple[int, dict[str, Any]]:
    async with aiohttp.ClientSession() as http, http.get(f"{url}/readyz") as answer:
        return answer.status, await answer.json()


@in_one_step
async def test_an_open_request_is_decided_after_the_secret_was_rotated(old: World) -> None:
    card = await ask(old.person("U0RITA"), "plain Chairs")
    await started_with(old, NEW, OLD)
    assert (await readiness(old.url))[0] == 200
    await approve(old.person("U0ADA"), card)
    await old.until(request_id(card), lambda progress: progress.status is Status.APPROVED)


@in_one_step
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
async def another(world: World, **settings: str) -> AsyncIterator[Countersign]:
    """A second process on the same hub and the same workspace."""
    settings = world.settings() | {"COUNTERSIGN_LISTEN": "127.0.0.1:0"} | settings
    async with running(config.read(settings), pace=Pace(0.01)) as found:
        yield found


async def test_two_processes_take_a_new_secret_in_two_steps(tmp_path: Path, hub: Hub) -> None:
    """First each learns it, then each seals with it. A process that seals with it too early waits."""
    settings = {"COUNTERSIGN_SECRET": OLD}
    async with World(tmp_path, policies("life"), hub=hub, settings=settings) as world:
        card = await ask(world.person("U0RITA"), "plain Chairs")
        async with another(world, COUNTERSIGN_SECRET=f"{NEW} {OLD}") as early:
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


def signing_key(folder: Path) -> dict[str, Any]:
    """A new private key."""
    folder.mkdir()
    SigningKeys.load(None, folder)
    [key] = json.loads((folder / SIGNING_KEYS).read_text())["keys"]
    return dict(key)


async def published(port: int) -> dict[str, Any]:
    address = f"http://127.0.0.1:{port}/.well-known/jwks.json"
    async with aiohttp.ClientSession() as http, http.get(address) as answer:
        return dict(await answer.json())


async def approved(world: World, card: Message) -> str:
    """The receipt, once it is approved and signed."""
    await approve(world.person("U0ADA"), card)
    found = await world.until(
        request_id(card), lambda progress: bool(progress.outcome and progress.outcome.receipt)
    )
    assert found.outcome is not None
    assert found.outcome.status is Status.APPROVED
    return found.outcome.receipt or ""


async def test_two_processes_take_a_new_signing_key_in_two_steps(tmp_path: Path, hub: Hub) -> None:
    """First each publishes it, then each signs with it. What either signed before and after holds for both."""
    old_key, new_key = signing_key(tmp_path / "old"), signing_key(tmp_path / "new")

    def keys(*given: dict[str, Any]) -> dict[str, str]:
        return {"COUNTERSIGN_SIGNING_KEY": json.dumps({"keys": given})}

    settings = {"COUNTERSIGN_SECRET": OLD, "COUNTERSIGN_PUBLIC_URL": "https://approvals.example"} | keys(
        old_key
    )
    async with World(tmp_path, policies("life"), hub=hub, settings=settings) as world:
        rita = world.person("U0RITA")
        first, second, third = [await ask(rita, f"plain {title}") for title in ("Chairs", "Desks", "Lamps")]
        receipts = [await approved(world, first)]
        async with another(world, **keys(new_key, old_key)) as other:
            assert "COUNTERSIGN_SIGNING_KEY" in (other.membership.problem or "")
            await restarted(world, **keys(old_key, new_key))  # the first step
            assert await joins(other)
            receipts.append(await approved(world, second))
            await restarted(world, **keys(new_key, old_key))  # the second
            assert world.app.membership.problem is None
            receipts.append(await approved(world, third))
            for port in (world.app.port, other.port):
                there = await published(port)
                assert [verify(one, there)["sub"] for one in receipts] == [
                    request_id(card) for card in (first, second, third)
                ]
    kids = [OKPKey.import_key(key).thumbprint() for key in (old_key, new_key)]
    signed_by = [json.loads(base64.urlsafe_b64decode(one.split(".")[0] + "=="))["kid"] for one in receipts]
    assert (signed_by[0], signed_by[2]) == (kids[0], kids[1])


async def joins(app: Countersign) -> bool:
    """Whether it works on the hub within a few looks: what the others announced may still be on its way."""
    for _ in range(200):
        if app.membership.problem is None or await app.membership.join():
            return True
    return False


@in_one_step
async def test_it_is_told_what_still_needs_the_old_secret(old: World) -> None:
    """The old one may go once no open request and no entity needs it; a leaked one ends what it sealed."""
    card = await ask(old.person("U0RITA"), "plain Chairs")
    await started_with(old, NEW, OLD)
    inventory = old.app.api.inventory
    new, before = old.connection.keys.ids
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


@in_one_step
async def test_the_command_line_ends_what_a_leaked_secret_has_sealed(
    old: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    card = await ask(old.person("U0RITA"), "plain Chairs")
    await started_with(old, NEW, OLD)
    root = TokenFile(old.data / TOKENS).create("root", "U0RITA", ["admin"])
    monkeypatch.setenv("COUNTERSIGN_URL", old.url)
    monkeypatch.setenv("COUNTERSIGN_TOKEN", root)
    _, before = old.connection.keys.ids
    assert await asyncio.to_thread(main, ["secret", "list"]) == 0
    assert f"    {request_id(card)}" in capsys.readouterr().out.splitlines()
    assert await asyncio.to_thread(main, ["secret", "end", "00000000"]) == 4
    assert await asyncio.to_thread(main, ["secret", "end", before]) == 0
    assert await asyncio.to_thread(main, ["secret", "reseal"]) == 0
    await old.until(request_id(card), lambda progress: progress.status is Status.TERMINATED)
    assert "no key 00000000" in capsys.readouterr().err

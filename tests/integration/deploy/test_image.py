"""The image, as far as it can be tried without an engine.

What the Dockerfile says, its health check, and a bot that may write to the data directory alone.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from bot import setting_sources
from tests.faults.passing import listen
from tests.support import PATIENCE_S, ROOT, only_writable
from tests.support.dockerfile import health_command, stages
from tests.support.killed_bot import KilledBot

RUNS = stages()[-1]
SETTING = re.compile(r"\b(?:COUNTERSIGN|SLACK|TWILIO)_[A-Z_]+")


def test_it_runs_as_a_user_without_rights() -> None:
    user = RUNS.the("USER")
    assert user == "10001:10001"
    after = RUNS.instructions[RUNS.instructions.index(("USER", user)) :]
    assert not {"RUN", "COPY", "ADD"} & {keyword for keyword, _ in after}
    assert "--without-pip" in stages()[1].all("RUN")[0]
    assert RUNS.all("COPY") == ["--from=environment /opt/countersign /opt/countersign"]


def test_its_data_directory_is_inside_the_volume() -> None:
    """Whoever mounts a volume sets the mode of its top, which need not be what the start asks for."""
    data = Path(RUNS.environment["COUNTERSIGN_DATA_DIR"])
    assert data.parent == Path(RUNS.the("VOLUME"))


def test_no_secret_is_in_it() -> None:
    """Neither by the Dockerfile, whose ARG and ENV anybody reads in the image, nor with what is copied."""
    said = (ROOT / "Dockerfile").read_text()
    assert set(SETTING.findall(said)) <= setting_sources.SETTINGS - set(setting_sources.SECRETS)
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    sent = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {
        source.rstrip("/")
        for stage in stages()
        for rest in stage.all("COPY")
        if not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    assert sent == copied
    assert all((ROOT / name).exists() for name in sent)


def test_all_that_is_installed_is_pinned_by_hash() -> None:
    installs = [
        rest for stage in stages() for rest in stage.all("RUN") if re.search(r"\bpip\b.* install\b", rest)
    ]
    assert len(installs) == 3
    for rest in installs:
        assert "--require-hashes" in rest or "--no-deps /wheel/" in rest


@pytest.mark.skipif(
    not only_writable.available(),
    reason="this kernel has no Landlock, which refuses a process to write elsewhere",
)
async def test_it_decides_where_nothing_but_the_data_directory_can_be_written(tmp_path: Path) -> None:
    data = tmp_path / "data"
    confined = (sys.executable, only_writable.__file__, str(data), "--", sys.executable, "-m", "bot")
    async with KilledBot(data, command=confined) as bot:
        request_id = await _asked(bot)
        await bot.decide(request_id, "approve")
        assert await _health(bot.url.rpartition(":")[2]) == 0
        await bot.kill()
        assert await _health(bot.url.rpartition(":")[2]) != 0
    log = (data / "run.log").read_text()
    assert not re.findall(r".*(?:ermission denied|ead-only|Traceback).*", log)


async def test_a_process_that_does_not_serve_is_unhealthy() -> None:
    async def fails(_: web.Request) -> web.StreamResponse:
        raise web.HTTPInternalServerError

    runner, url = await listen(fails)
    assert await _health(url.rpartition(":")[2]) != 0
    await runner.cleanup()
    [limit] = re.findall(r"--timeout=(\d+)s", RUNS.the("HEALTHCHECK"))
    [own] = re.findall(r"timeout=(\d+)\)", " ".join(health_command()))
    assert int(own) < int(limit)


async def _health(port: str) -> int:
    """The exit status of the image's health check where the bot listens on that port of every address."""
    program, *arguments = health_command()
    assert program == "python"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env=RUNS.environment | {"COUNTERSIGN_LISTEN": f"0.0.0.0:{port}", "http_proxy": "http://127.0.0.1:9"},
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()


async def _asked(bot: KilledBot) -> str:
    """The ID of a request that is open."""
    headers = {"Authorization": f"Bearer {bot.agent}"}
    body = {"policy": "deploy", "title": "Release 7"}
    async with aiohttp.ClientSession() as http, asyncio.timeout(PATIENCE_S):
        while True:
            try:
                async with http.post(f"{bot.url}/api/approvals", headers=headers, json=body) as answer:
                    assert answer.status == 202, await answer.text()
                    request_id: str = (await answer.json())["id"]
                    return request_id
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)

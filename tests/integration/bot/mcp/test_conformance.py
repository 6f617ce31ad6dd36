"""The protocol's own suite against /mcp: all that we offer conforms; a reason is given for all that is not tried.

Most scenarios of the suite call tools, prompts and resources of its own, by name, which only a server made for the
suite has.
"""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.faults.passing import answered, listen
from tests.support import ROOT
from tests.support.api_world import ApiWorld
from tests.support.node import NODE

pytestmark = pytest.mark.asyncio(loop_scope="session")

SUITE = ROOT / "tests/mcp/node_modules/@modelcontextprotocol/conformance/dist/index.js"

# Every check of these passes.
APPLY = {
    "2025-11-25": {
        "server-initialize",
        "ping",
        "tools-list",
        "resources-list",
        "dns-rebinding-protection",
        "server-session-lifecycle",
        "server-sse-multiple-streams",
        "server-sse-polling",
    },
    "2026-07-28": {
        "server-stateless",
        "tools-list",
        "resources-list",
        "sep-2164-resource-not-found",
        "dns-rebinding-protection",
        "caching",
        "http-header-validation",
        "server-sse-multiple-streams",
    },
}
# But for these checks: they need tools of the suite, or prompts, and say so.
NEED_WHAT_WE_LACK = {
    "sep-2575-server-rejects-undeclared-capability": "test_missing_capability",
    "sep-2575-missing-capability-http-400": "test_missing_capability",
    "sep-2575-http-server-no-independent-requests-on-stream": "test_streaming_elicitation",
    "sep-2575-server-no-log-without-loglevel": "test_logging_tool",
    "sep-2549-prompts-list-caching-hints": "prompts/list",
}
# The others, by what they begin with: tools, resources and prompts of the suite; or what we do not offer at all.
OF_THE_SUITE = (
    "tools-call-",
    "resources-read-",
    "resources-templates-",
    "http-custom-header-",
    "json-schema-",
)
NOT_OFFERED = (
    "completion-",
    "elicitation-",
    "input-required-",
    "logging-",
    "prompts-",
    "resources-subscribe",
    "resources-unsubscribe",
    "tasks-",
)


@asynccontextmanager
async def with_token(api: ApiWorld) -> AsyncIterator[str]:
    """The address of a proxy that adds a token, as the suite knows of none."""
    token = api.token("agent", "U0RITA", "request")

    async def passed(request: web.Request) -> web.Response:
        left_out = {"content-length", "transfer-encoding", "connection"}
        headers = {name: value for name, value in request.headers.items() if name.lower() not in left_out}
        headers["Authorization"] = f"Bearer {token}"
        body = await request.read()
        async with api.http.request(
            request.method, f"{api.url}{request.path}", headers=headers, data=body, timeout=TIMEOUT
        ) as found:
            return await answered(found)

    runner, url = await listen(passed)
    try:
        yield url
    finally:
        await runner.cleanup()


TIMEOUT = aiohttp.ClientTimeout(total=30)


@pytest.mark.parametrize("revision", APPLY)
async def test_what_we_offer_conforms(api: ApiWorld, tmp_path: Path, revision: str) -> None:
    if not SUITE.is_file():
        pytest.skip("The suite is not set up; `make mcp` does that")
    async with with_token(api) as url:
        suite = await asyncio.create_subprocess_exec(
            *(NODE, SUITE, "server", "--url", f"{url}/mcp", "--requirements", revision, "-o", tmp_path),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
        )
        await suite.wait()
    found = {name: checks for place in tmp_path.iterdir() for name, checks in [scenario(place)]}
    others = {name for name in found if not name.startswith((*OF_THE_SUITE, *NOT_OFFERED))}
    assert others == APPLY[revision]
    for name in others:
        failed = [check for check in found[name] if check["status"] == "FAILURE"]
        beside = [check for check in failed if not needs_what_we_lack(check)]
        assert not beside, name
    # Whatever it sent, also for what is not there, was answered in the form of the protocol's own schema.
    schema = [check for checks in found.values() for check in checks if check["id"] == "wire-schema-valid"]
    assert {check["status"] for check in schema if check["status"] != "SKIPPED"} == {"SUCCESS"}


def scenario(place: Path) -> tuple[str, list[dict[str, Any]]]:
    """Its name, and what came of its checks. The folder is called `server-NAME-TIME`."""
    name = place.name.removeprefix("server-").rsplit("-", 6)[0]
    return name, json.loads((place / "checks.json").read_text())


def needs_what_we_lack(check: dict[str, Any]) -> bool:
    return check["id"] in NEED_WHAT_WE_LACK and NEED_WHAT_WE_LACK[check["id"]] in check["errorMessage"]

"""`ask --receipt FILE`: the command never takes another request's receipt for that of its own request."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web

from tests.support import PATIENCE_S, ROOT
from tests.support.api_world import ApiWorld

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def ask(url: str, token: str, title: str, receipt: Path, *more: str) -> Process:
    environment = {"PATH": os.environ["PATH"], "COUNTERSIGN_URL": url, "COUNTERSIGN_TOKEN": token}
    words = ("ask", title, "--policy", "deploy", "--field", "service=web", "--receipt", str(receipt), *more)
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", *words, cwd=ROOT, env=environment, stdout=PIPE, stderr=PIPE
    )


async def ended(process: Process) -> tuple[int | None, str]:
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    return process.returncode, (out + err).decode()


async def decided(api: ApiWorld, title: str, choice: str = "approve") -> str:
    """Has Ada decide it, once somebody has asked."""
    request_id = await api.asked(title)
    ada = api.token("ada", "U0ADA", "decide:deploy")
    assert (await api.decide(ada, request_id, choice, comment="So.")).status == 200
    return request_id


@pytest.mark.parametrize(("choice", "status"), [("approve", 0), ("reject", 1)])
async def test_the_receipt_of_what_was_asked_is_kept(
    api: ApiWorld, tmp_path: Path, choice: str, status: int
) -> None:
    file, title = tmp_path / "receipt.jwt", f"Kept after {choice}"
    process = await ask(
        api.url, api.token("ci"), title, file, "--field", "risk=HIGH", "--field", "hosts=03.0"
    )
    request_id = await decided(api, title, choice)
    assert (await ended(process))[0] == status
    outcome = (await api.service.status(request_id)).outcome
    assert outcome is not None
    assert file.read_text() == f"{outcome.receipt}\n"


async def test_what_the_file_held_before_is_gone_however_it_ends(api: ApiWorld, tmp_path: Path) -> None:
    """A script that continues after a failure must not find the receipt of an earlier request in the file."""
    file = tmp_path / "receipt.jwt"
    file.write_text("an older one")
    process = await ask(api.url, api.token("ci"), "Impatient", file, "--wait", "1s")
    assert (await ended(process))[0] == 5
    assert not file.exists()
    nowhere = tmp_path / "no such folder" / "receipt.jwt"
    code, said = await ended(await ask(api.url, api.token("ci"), "Nowhere to keep it", nowhere))
    assert (code, "nothing can be written into" in said) == (4, True)
    assert not api.titled("Nowhere to keep it")


@asynccontextmanager
async def between(api: ApiWorld, tamper: Any) -> AsyncIterator[str]:
    """A proxy in front of the API, which changes the answers about an approval; yields its address."""

    async def passed(request: web.Request) -> web.Response:
        headers = {
            name: value
            for name, value in request.headers.items()
            if name in {"Authorization", "Idempotency-Key", "Content-Type"}
        }
        async with ClientSession() as http:
            url = api.url + request.path_qs
            async with http.request(
                request.method, url, data=await request.read(), headers=headers
            ) as answer:
                body = await answer.json()
        if "outcome" in body:
            tamper(body)
        return web.json_response(body, status=answer.status)

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", passed)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_no_other_receipt_is_taken_for_it(api: ApiWorld, tmp_path: Path) -> None:
    """The answer holds the genuine receipt of another request with the same policy and the same words."""
    file, ci = tmp_path / "receipt.jwt", api.token("ci")
    earlier = await api.ask(ci, title="Twice", fields={"service": "web"})
    await api.decide(api.token("ada", "U0ADA", "decide:deploy"), earlier)
    found = await api.call("GET", f"/api/approvals/{earlier}?wait=20s", ci)
    older = found.body["outcome"]["receipt"]

    def instead(body: dict[str, Any]) -> None:
        if body["outcome"]:
            body["outcome"]["receipt"] = older

    async with between(api, instead) as url:
        process = await ask(url, ci, "Twice in these words", file)
        request_id = await decided(api, "Twice in these words")
        code, said = await ended(process)
    assert (code, f"about the request {earlier}, not {request_id}" in said) == (4, True), said
    assert not file.exists()


async def test_a_yes_to_other_words_is_no_yes(api: ApiWorld, tmp_path: Path) -> None:
    """The request was changed on its way: another title was shown, approved and signed."""
    file, title = tmp_path / "receipt.jwt", "Deploy the safe one?"

    async def changed(request: web.Request) -> web.Response:
        body = await request.read()
        if request.method == "POST":
            body = json.dumps(json.loads(body) | {"title": "Deploy the other one?"}).encode()
        async with ClientSession() as http:
            headers = {"Authorization": request.headers["Authorization"], "Content-Type": "application/json"}
            headers |= {"Idempotency-Key": request.headers.get("Idempotency-Key", "x")}
            async with http.request(
                request.method, api.url + request.path_qs, data=body, headers=headers
            ) as answer:
                return web.json_response(await answer.json(), status=answer.status)

    async def keys(_: web.Request) -> web.Response:
        return web.json_response((await api.call("GET", "/.well-known/jwks.json")).body)

    application = web.Application()
    application.router.add_get("/.well-known/jwks.json", keys)
    application.router.add_route("*", "/{tail:.*}", changed)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        process = await ask(f"http://127.0.0.1:{runner.addresses[0][1]}", api.token("ci"), title, file)
        await decided(api, "Deploy the other one?")
        code, said = await ended(process)
    finally:
        await runner.cleanup()
    assert (code, "something else was shown than was asked here" in said) == (4, True), said
    assert not file.exists()


async def test_a_yes_without_a_receipt_is_none(api: ApiWorld, tmp_path: Path) -> None:
    def unsigned(body: dict[str, Any]) -> None:
        if body["outcome"]:
            body["outcome"]["receipt"] = None

    async with between(api, unsigned) as url:
        process = await ask(url, api.token("ci"), "Unsigned", tmp_path / "receipt.jwt")
        await decided(api, "Unsigned")
        code, said = await ended(process)
    assert (code, "nothing proves that yes" in said) == (4, True), said

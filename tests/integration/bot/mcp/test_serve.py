"""Agents that ask by themselves, by the official client: over /mcp and over standard input and output."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult
from mcp.types.version import HANDSHAKE_PROTOCOL_VERSIONS

from bot.cli.api_client import ApiClient
from bot.cli.served_approvals import ServedApprovals
from bot.mcp.serve.in_process import TokenApprovals
from bot.mcp.serve.port import NotDoneError
from bot.mcp.serve.server import approvals_server
from bot.mcp.serve.tools import SPARE
from tests.faults.passing import answered as passed_back
from tests.faults.passing import listen, passed_on
from tests.support.api_world import ApiWorld
from tests.support.mcp import answered, mcp_over_http, mcp_over_stdio, said

pytestmark = pytest.mark.asyncio(loop_scope="session")

ASKED = {"policy": "deploy", "title": "Deploy 4f2c1a to production?", "fields": {"service": "shop"}}
NEWEST, OLDER = "2026-07-28", "2025-11-25"


@asynccontextmanager
async def connected(way: str, url: str, token: str) -> AsyncIterator[Client]:
    over = mcp_over_stdio if "stdio" in way else mcp_over_http
    async with over(url, token, "legacy" if "older" in way else "auto") as client:
        assert client.protocol_version == (OLDER if "older" in way else NEWEST)
        yield client


async def ask(client: Client, **changes: Any) -> CallToolResult:
    return await client.call_tool(
        "request_approval", ASKED | {"idempotency_key": secrets.token_hex(8)} | changes
    )


async def refused(client: Client, tool: str, **given: Any) -> str:
    """The words of a result that is an error."""
    result = await client.call_tool(tool, given)
    assert result.is_error
    assert result.structured_content is None
    return said(result)


@pytest.mark.parametrize("way", ["http", "http, older"])
async def test_an_agent_asks_and_waits_and_a_person_decides_in_slack(api: ApiWorld, way: str) -> None:
    async with connected(way, api.url, api.token("agent", "U0RITA", "request")) as client:
        await asks_and_waits(api, client)


async def asks_and_waits(api: ApiWorld, client: Client) -> None:
    ticks: list[tuple[float | None, str | None]] = []

    async def tick(progress: float, total: float | None, message: str | None) -> None:
        assert progress >= 0
        ticks.append((total, message))

    key = secrets.token_hex(8)
    first = answered(await ask(client, idempotency_key=key))
    request_id = first["id"]
    assert first["answer"] == "pending"
    await api.until(request_id, lambda progress: len(progress.cards) == 1)
    # The answer was lost, and the agent asks again.
    assert answered(await ask(client, idempotency_key=key))["id"] == request_id
    waiting = asyncio.create_task(
        client.call_tool("wait_for_approval", {"id": request_id}, progress_callback=tick)
    )
    await api.eventually(lambda: bool(ticks))
    assert ticks[0] == (50, "Waiting for U0ADA (On call).")
    [card] = api.cards_of(request_id)
    await api.person("U0ADA").click(card.channel, card.ts, "approve")
    result = await waiting
    answer = answered(result)
    assert (answer["id"], answer["answer"]) == (request_id, "yes")
    assert answer["standing"]["card_url"] == api.permalink(card)
    assert answer["standing"]["decided_by"] == "U0ADA"
    assert answer["standing"]["receipt"].count(".") == 2
    assert said(result).startswith(f"{request_id}: yes. Approved by U0ADA on 20")
    assert answered(await client.call_tool("approval_status", {"id": request_id})) == answer
    assert "approved" in await refused(client, "withdraw", id=request_id)


async def test_a_no_says_why_and_a_withdrawal_counts_once(api: ApiWorld) -> None:
    async with connected("http", api.url, api.token("agent", "U0RITA", "request")) as client:
        await no_and_withdrawal(api, client)


async def no_and_withdrawal(api: ApiWorld, client: Client) -> None:
    rejected = answered(await ask(client))["id"]
    await api.until(rejected, lambda progress: len(progress.cards) == 1)
    waiting = asyncio.create_task(client.call_tool("wait_for_approval", {"id": rejected}))
    ada = api.token("ada", "U0ADA", "decide:deploy")
    await api.decide(ada, rejected, "reject", comment="Not before “Monday”. Approved by U0FIN.")
    answer = answered(await waiting)
    assert answer["answer"] == "no"
    assert re.fullmatch(
        r"Rejected by U0ADA on 20\d\d-\d\d-\d\d at \d\d:\d\d UTC: "
        r"“Not before 'Monday'\. Approved by U0FIN\.”\. Do not do what was asked\.",
        answer["next"],
    )
    withdrawn = answered(await ask(client))["id"]
    given = {"id": withdrawn, "reason": "No longer needed."}
    first = answered(await client.call_tool("withdraw", given))
    assert (first["answer"], first["standing"]["status"]) == ("no", "cancelled")
    assert answered(await client.call_tool("withdraw", given)) == first


async def test_what_is_wrong_is_named_and_nobody_is_asked(api: ApiWorld) -> None:
    async with connected("http", api.url, api.token("agent", "U0RITA", "request")) as client:
        await what_is_wrong_is_named(api, client)


async def what_is_wrong_is_named(api: ApiWorld, client: Client) -> None:
    key = secrets.token_hex(8)
    good = {**ASKED, "idempotency_key": key}
    nameless = {name: value for name, value in good.items() if name != "title"}
    assert await refused(client, "request_approval", **nameless) == "title: Field required"
    keyless = {name: value for name, value in good.items() if name != "idempotency_key"}
    assert await refused(client, "request_approval", **keyless) == "idempotency_key: Field required"
    for changes, named in (
        ({"policy": "nope"}, "policy: there is no 'nope'; there is agents, deploy, purchase, release"),
        (
            {"fields": {"shop": "x"}},
            "shop: the Deploy policy has no such field (it has: service, risk, until, ",
        ),
        ({"title": "two\nlines"}, "title: contains U+000A"),
        ({"title": "ab\u202ecd"}, "title: contains U+202E"),
        ({"policy": "purchase", "fields": {}}, "Vendor: is required"),
        ({"amount": "4,20"}, "amount: could be read in more than one way"),
        ({"timeout": "soon"}, "timeout: "),
        ({"requester": "U0ADA"}, "requester: "),
        ({"callback_url": "https://x.example/"}, "callback_url: "),
        ({"respond": {}}, "respond: "),
        ({"idempotency_key": "two words"}, "idempotency_key: "),
    ):
        assert named in await refused(client, "request_approval", **good | changes)
    asked = answered(await client.call_tool("request_approval", good))["id"]
    other = await refused(client, "request_approval", **good | {"title": "Something else?"})
    assert other == "idempotency_key: That idempotency key was already used for a different request."
    assert "wait_seconds: " in await refused(client, "wait_for_approval", id=asked, wait_seconds=3601)
    assert "no request" in await refused(client, "approval_status", id="deploy-22222222")
    assert "no instance" in await refused(client, "approval_status", id="@person@u0ada")
    assert len(api.titled("Something else?")) == 0
    with pytest.raises(MCPError, match="Unknown tool: 'approve'"):
        await client.call_tool("approve", {"id": asked})


async def test_the_tools_say_what_they_do_and_none_decides(api: ApiWorld) -> None:
    async with connected("http", api.url, api.token("agent", "U0RITA", "request")) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert tools.keys() == {"request_approval", "approval_status", "wait_for_approval", "withdraw"}
        hints = {name: tool.annotations for name, tool in tools.items()}
        assert {name for name, hint in hints.items() if hint and hint.read_only_hint} == {
            "approval_status",
            "wait_for_approval",
        }
        assert {name for name, hint in hints.items() if hint and hint.destructive_hint} == {"withdraw"}
        for tool in tools.values():
            assert tool.input_schema["additionalProperties"] is False
            assert tool.output_schema
            assert tool.output_schema["required"] == ["id", "answer", "next", "standing"]


@pytest.mark.parametrize("way", ["http", "http, older"])
async def test_the_policies_are_resources_that_say_nothing_of_who_decides(api: ApiWorld, way: str) -> None:
    async with connected(way, api.url, api.token("agent", "U0RITA", "request")) as client:
        await policies_are_shown(client, -32002 if "older" in way else -32602)


async def policies_are_shown(client: Client, not_found: int) -> None:
    listed = (await client.list_resources()).resources
    assert [resource.name for resource in listed] == ["agents", "deploy", "purchase", "release"]
    [template] = (await client.list_resource_templates()).resource_templates
    assert template.uri_template == "countersign://policies/{policy}"
    [purchase] = (await client.read_resource(listed[2].uri)).contents
    text = purchase.model_dump()["text"]
    assert '"currency": "USD"' in text
    assert '"required": true' in text
    assert not any(hidden in text for hidden in ("U0FIN", "S0MANAGERS", "100", "erp.example"))
    with pytest.raises(MCPError, match="not found") as missing:
        await client.read_resource("countersign://policies/nope")
    assert missing.value.code == not_found


async def test_what_others_asked_is_not_shown_and_stays(api: ApiWorld) -> None:
    async with connected("http", api.url, api.token("agent", "U0RITA", "request")) as client:
        await others_requests_stay_unseen(api, client)


async def others_requests_stay_unseen(api: ApiWorld, client: Client) -> None:
    request_id = await api.ask(api.token("sam", "U0SAM", "request"))
    for tool in ("approval_status", "wait_for_approval"):
        words = await refused(client, tool, id=request_id)
        assert words == "This token sees only what its owner asked or it may decide."
    assert "Only the person who asked" in await refused(client, "withdraw", id=request_id)
    assert (await api.service.status(request_id)).status == "pending"


async def test_over_standard_input_and_output_all_of_that_is_the_same(api: ApiWorld) -> None:
    async with connected("stdio, older", api.url, api.token("agent", "U0RITA", "request")) as client:
        await asks_and_waits(api, client)
        await no_and_withdrawal(api, client)
        await what_is_wrong_is_named(api, client)
        await policies_are_shown(client, -32002)
        await others_requests_stay_unseen(api, client)


async def test_without_a_token_the_server_does_not_start_and_says_so() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "mcp", "serve"),
        env={"PATH": os.environ["PATH"]},
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    out, error = await process.communicate()
    assert (process.returncode, out) == (4, b"")
    assert error.decode() == (
        "countersign: COUNTERSIGN_TOKEN: is not set; `countersign token create` makes one where the server runs.\n"
    )


async def test_only_a_good_token_of_the_scope_request_comes_in(api: ApiWorld) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    for token, status in (
        (None, 401),
        ("csn_" + "x" * 43, 401),
        (api.token("ada", "U0ADA", "decide:deploy", "read", "admin"), 403),
    ):
        answer = await api.call("POST", "/mcp", token, json=body)
        assert answer.status == status, answer.body
    token = api.token("seldom", "U0RITA", "request", rate=1)
    assert (await post(api, token, body)).status == 200
    assert (await post(api, token, body)).status == 429


async def post(api: ApiWorld, token: str, body: Any, **headers: str) -> Any:
    accepted = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    how = {"data": body} if isinstance(body, bytes) else {"json": body}
    return await api.call("POST", "/mcp", token, headers=accepted | headers, **how)


async def test_a_page_of_another_site_does_not_come_in(api: ApiWorld) -> None:
    token, body = api.token("agent", "U0RITA", "request"), {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    for headers, status in (
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://localhost.evil.example"}, 403),
        ({"Origin": "http://rebound.example:3000", "Host": "rebound.example:3000"}, 403),
        ({"Origin": "http://localhost:6274", "Host": "rebound.example:3000"}, 403),
        ({"Origin": "http://localhost:6274"}, 200),
        ({"Origin": api.url}, 200),
    ):
        assert (await post(api, token, body, **headers)).status == status, headers


async def test_what_is_no_message_is_refused_before_it_is_read(api: ApiWorld) -> None:
    token = api.token("agent", "U0RITA", "request")
    big = b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": "' + b"x" * 300_000 + b'"}}'
    assert (await post(api, token, big)).status == 413
    assert (await post(api, token, b"{}", **{"Content-Encoding": "gzip"})).status == 415
    for bad in (b"", b"{", b'{"a": NaN}', b'{"a": 1, "a": 2}', b'"\\ud800"', b"[" * 200 + b"]" * 200):
        answer = await post(api, token, bad)
        assert (answer.status, answer.body["error"]["code"]) == (400, -32700), bad
    batch = b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]'
    assert (await post(api, token, batch)).status == 400
    for method in ("GET", "DELETE", "PUT"):
        answer = await api.call(method, "/mcp", token)
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("version", HANDSHAKE_PROTOCOL_VERSIONS)
async def test_older_clients_are_served_too(api: ApiWorld, version: str) -> None:
    token = api.token("agent", "U0RITA", "request")
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "old", "version": "1"}}
    hello = await post(api, token, {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
    assert f'"protocolVersion":"{version}"' in hello.body
    assert "Mcp-Session-Id" not in hello.headers
    listed = await post(
        api, token, {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}, **{"MCP-Protocol-Version": version}
    )
    assert "request_approval" in listed.body


async def test_whoever_hangs_up_is_waited_for_no_more(api: ApiWorld) -> None:
    token = api.token("agent", "U0RITA", "request")
    request_id = await api.ask(token)
    before = api.app.api.polls
    waits = []
    for version in (NEWEST, OLDER):
        meta = {
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        params = {"name": "wait_for_approval", "arguments": {"id": request_id}, "_meta": meta}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        named = {"Mcp-Method": "tools/call", "Mcp-Name": "wait_for_approval"}
        waits.append(
            asyncio.create_task(post(api, token, body, **{"MCP-Protocol-Version": version}, **named))
        )
    await api.eventually(lambda: api.app.api.polls == before + 2)
    for wait in waits:
        wait.cancel()
    await api.eventually(lambda: api.app.api.polls == before)


async def test_a_token_that_is_revoked_waits_no_longer(api: ApiWorld) -> None:
    secret = api.token("agent", "U0RITA", "request")
    token = api.tokens.find(secret)
    assert token
    approvals = TokenApprovals(api.app.api.access, token, api.tokens, api.app.api.rates)
    request_id = await api.ask(secret)
    assert not (await approvals.wait(request_id, 0.01)).final
    api.tokens.revoke(token.name)
    with pytest.raises(NotDoneError, match="revoked"):
        await approvals.wait(request_id, 0.01)


async def test_a_token_over_its_rate_waits_no_longer(api: ApiWorld) -> None:
    """Otherwise a token could hold any number of calls."""
    secret = api.token("agent", "U0RITA", "request", rate=1)
    token = api.tokens.find(secret)
    assert token
    request_id = await api.ask(secret)
    approvals = TokenApprovals(api.app.api.access, token, api.tokens, api.app.api.rates)
    await approvals.wait(request_id, 0.01)  # counted with the call that brought it
    with pytest.raises(NotDoneError, match=r"over its rate.*Try again in \d+ s\.") as refusal:
        await approvals.wait(request_id, 0.01)
    assert not refusal.value.temporary


async def test_who_has_too_much_open_is_told_so_at_once(tmp_path: Path) -> None:
    async with ApiWorld(tmp_path, settings={"COUNTERSIGN_OPEN_PER_TOKEN": "1"}) as world:
        token = world.token("agent", "U0RITA", "request")
        await world.ask(token)
        async with served(world.url, token) as by_api, connected("http", world.url, token) as by_http:
            for client in (by_api, by_http):
                async with asyncio.timeout(30):
                    words = said(await ask(client))
                assert "as many requests open as may be at once (1)" in words
                assert "not known" not in words


@asynccontextmanager
async def served(url: str, token: str) -> AsyncIterator[Client]:
    """What `countersign mcp serve` does, in this process."""
    async with ApiClient({"COUNTERSIGN_URL": url, "COUNTERSIGN_TOKEN": token}) as api:
        approvals = ServedApprovals(api)
        async with Client(approvals_server(lambda _: approvals)) as client:
            yield client


@pytest.mark.parametrize("silent_at_once", [True, False])
async def test_a_network_that_is_dead_keeps_nobody_longer_than_they_said(
    api: ApiWorld, silent_at_once: bool
) -> None:
    token = api.token("agent", "U0RITA", "request")
    request_id = await api.ask(token)
    over = asyncio.Event()

    async def passed(request: web.Request) -> web.Response:
        if silent_at_once or request.query:
            await over.wait()
        async with api.http.get(api.url + request.path_qs, headers=passed_on(request.headers)) as found:
            return await passed_back(found)

    runner, url = await listen(passed)
    try:
        async with served(url, token) as client:
            began = time.monotonic()
            result = await client.call_tool("wait_for_approval", {"id": request_id, "wait_seconds": 1})
            assert time.monotonic() - began < 1 + SPARE + 1
            assert result.is_error is silent_at_once
            if silent_at_once:
                assert said(result) == "The server did not answer in time. Call wait_for_approval again."
            else:
                assert answered(result)["answer"] == "pending"
    finally:
        over.set()
        await runner.cleanup()


async def test_a_bot_that_stops_answers_who_waits(own_api: ApiWorld) -> None:
    token = own_api.token("agent", "U0RITA", "request")
    async with connected("http", own_api.url, token) as client:
        request_id = answered(await ask(client))["id"]
        waiting = asyncio.create_task(client.call_tool("wait_for_approval", {"id": request_id}))
        await own_api.eventually(lambda: own_api.app.api.polls == 1)
        async with asyncio.timeout(30):
            await own_api.stop()
        assert answered(await waiting)["answer"] == "pending"
        await own_api.start()
        # Nothing of the client's was kept there, so it goes on.
        assert answered(await client.call_tool("approval_status", {"id": request_id}))["answer"] == "pending"

"""Servers over HTTP that answer an approved call strangely: nobody says that a call did not run if it may have run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from bot.mcp.gate import messages
from bot.mcp.gate.held_run import Answer, HeldRun, NotSentError, UpstreamLostError
from bot.mcp.gate.http_upstream import HttpUpstream
from bot.mcp.gate.messages import Json
from bot.mcp.gate.server_calls import ServerCalls
from tests.support import PATIENCE_S

pytestmark = pytest.mark.asyncio(loop_scope="session")

NEWEST = "2026-07-28"
Answers = Callable[[web.Request, Json], web.Response]


class BehindTheGate:
    """A server at a URL and the gate's side of it. `passed` is what a client would get."""

    def __init__(self, upstream: HttpUpstream) -> None:
        self.upstream = upstream
        self.passed: list[Json] = []
        self._calls = ServerCalls(upstream)

    async def call(self, **arguments: Any) -> Answer:
        """What comes of an approved call."""
        run = object.__new__(HeldRun)  # no more than its identity is needed
        meta = {"io.modelcontextprotocol/protocolVersion": NEWEST}
        async with asyncio.timeout(PATIENCE_S):
            return await self._calls.make(run, {"name": "append", "arguments": arguments, "_meta": meta})

    async def ask(self, request_id: int, method: str, version: str = NEWEST) -> Json:
        """A request of the client's that passes."""
        meta = {"io.modelcontextprotocol/protocolVersion": version}
        await self.upstream.send(messages.request(request_id, method, {"_meta": meta}))
        async with asyncio.timeout(PATIENCE_S):
            while not (found := [body for body in self.passed if body.get("id") == request_id]):
                await asyncio.sleep(0.01)
        return found[0]

    async def pump(self) -> None:
        """Takes what the server sends."""
        async for line in self.upstream.lines():
            body = messages.loads(line)
            if "method" in body or not self._calls.take(body.get("id"), body):
                self.passed.append(body)


@asynccontextmanager
async def behind(answers: Answers) -> AsyncIterator[BehindTheGate]:
    async def answer(request: web.Request) -> web.Response:
        return answers(request, await request.json())

    application = web.Application()
    application.router.add_post("/mcp", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with HttpUpstream(f"http://127.0.0.1:{runner.addresses[0][1]}/mcp", {}) as upstream:
            server = BehindTheGate(upstream)
            pumping = asyncio.create_task(server.pump())
            try:
                yield server
            finally:
                assert not pumping.done()  # the connection outlives whatever was answered
                pumping.cancel()
    finally:
        await runner.cleanup()


def as_json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    text = json.dumps(body)
    return web.Response(status=status, text=text, content_type="application/json", headers=headers)


def failed(**more: Any) -> Json:
    return {"jsonrpc": "2.0", "id": None, "error": {"code": -32603, "message": "Full."}} | more


MAY_HAVE_RUN: dict[str, Callable[[Json], web.Response]] = {
    "a proxy's JSON": lambda _: as_json({"message": "Endpoint request timed out"}, 504),
    "an error that is none of JSON-RPC": lambda _: as_json({"error": {"code": 504, "message": "Late"}}, 504),
    "a time limit": lambda _: web.Response(status=408, text="Request time-out"),
    "a conflict": lambda _: web.Response(status=409, text="Conflict"),
    "accepted": lambda _: web.Response(status=202),
    "nothing": lambda _: web.Response(status=204),
    "a page": lambda _: web.Response(text="<p>Done", content_type="text/html"),
    "see elsewhere": lambda _: web.Response(status=303, headers={"Location": "/done"}),
    "the answer to another": lambda _: as_json({"jsonrpc": "2.0", "id": "other", "result": {}}),
    "a request": lambda call: as_json({"jsonrpc": "2.0", "id": call["id"], "method": "ping"}),
    "a notification": lambda _: as_json({"jsonrpc": "2.0", "method": "notifications/message"}),
    "bytes that are no gzip": lambda call: as_json(
        {"jsonrpc": "2.0", "id": call["id"], "result": {}}, headers={"Content-Encoding": "gzip"}
    ),
}


async def test_of_what_is_no_answer_nobody_says_that_the_call_failed() -> None:
    for name, strange in MAY_HAVE_RUN.items():
        async with behind(lambda _, call, strange=strange: strange(call)) as server:  # type: ignore[misc]
            with pytest.raises(UpstreamLostError):
                pytest.fail(f"{name}: {await server.call()}")


async def test_what_was_turned_away_did_not_run_and_an_error_of_the_server_is_its_own() -> None:
    for turned_away in (as_json({"detail": "No."}, 403), web.Response(status=413, text="Too much")):
        async with behind(lambda _, __, answer=turned_away: answer) as server:  # type: ignore[misc]
            with pytest.raises(NotSentError):
                await server.call()
    for error in (as_json(failed(), 500), as_json(failed(), 400)):
        async with behind(lambda _, __, answer=error: answer) as server:  # type: ignore[misc]
            assert (await server.call()).error == {"code": -32603, "message": "Full."}


async def test_a_large_result_comes_through_a_stream() -> None:
    def large(_: web.Request, call: Json) -> web.Response:
        text = json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": {"text": "x" * 2_000_000}})
        return web.Response(text=f"event: message\ndata: {text}\n\n", content_type="text/event-stream")

    async with behind(large) as server:
        result = (await server.call()).result
        assert result is not None
        assert len(result["text"]) == 2_000_000


async def test_no_schema_and_no_message_ends_the_connection_by_its_headers() -> None:
    seen: list[tuple[str | None, str | None]] = []
    tools: Any = 5

    def listing(request: web.Request, body: Json) -> web.Response:
        seen.append((request.headers.get("Mcp-Param-Line"), request.headers.get("Mcp-Method")))
        return as_json({"jsonrpc": "2.0", "id": body["id"], "result": {"tools": tools}})

    def tool(header: Any) -> list[Json]:
        line = {"type": "string", "x-mcp-header": header}
        return [{"name": "append", "inputSchema": {"type": "object", "properties": {"line": line}}}]

    async with behind(listing) as server:
        await server.ask(1, "tools/list")
        for number, (header, mirrored) in enumerate(
            {"Line": "one", "Zeile\u00e9": None, "a\r\nb": None}.items()
        ):
            tools = tool(header)
            await server.ask(2 + number, "tools/list")
            await server.call(line="one")
            assert seen[-1] == (mirrored, "tools/call")
        await server.ask(20, "\u00e9/list")
        await server.ask(21, "ping", version="\u00e9")
        assert [method for _, method in seen[-2:]] == [None, None]

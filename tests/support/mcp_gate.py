"""`countersign mcp gate` as a client runs it: a process, with JSON-RPC on its standard input and output."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.support import PATIENCE_S, ROOT
from tests.support.node import NODE

MCP_PACKAGES = ROOT / "tests/mcp/node_modules"
FILESYSTEM = MCP_PACKAGES / "@modelcontextprotocol/server-filesystem/dist/index.js"

GATE = """
agent = "claude on rita's laptop"
default_policy = "deploy"

[[rules]]
tool = ["read_text_file", "look"]
action = "allow"

[[rules]]
tool = "erase"
action = "deny"
reason = "Nothing is erased here."

[[rules]]
tool = "prompted"
action = "client"
"""


def filesystem(root: Path) -> list[str]:
    """The command of the real file system server for that folder."""
    return [str(NODE), str(FILESYSTEM), str(root)]


def scripted(log: Path) -> list[str]:
    """The command of the tests' own server, which writes each message that it gets to the file."""
    return [sys.executable, "-I", str(ROOT / "tests/support/mcp_upstream.py"), str(log)]


def gate_command(gate: Path, upstream: Sequence[str], *more: str) -> list[str]:
    """The command of the gate, as in a client's settings."""
    behind = upstream if upstream[:1] == ["--url"] else ["--", *upstream]
    return [sys.executable, "-I", "-m", "bot", "mcp", "gate", "--gate", str(gate), *more, *behind]


def environment(url: str, token: str | None) -> dict[str, str]:
    """The environment of the gate's process."""
    found = {"PATH": os.environ["PATH"], "COUNTERSIGN_URL": url, "HOME": "/nonexistent"}
    return found if token is None else found | {"COUNTERSIGN_TOKEN": token}


class ScriptedClient:
    """A client that sends what a test tells it to; an async context manager."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self._command = command
        self._environ = environ
        self.told: list[dict[str, Any]] = []  # messages that answer no request of ours
        self._answers: dict[int | str, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0

    async def __aenter__(self) -> Self:
        self.process: Process = await asyncio.create_subprocess_exec(
            *self._command, env=dict(self._environ), stdin=PIPE, stdout=PIPE, stderr=PIPE, limit=2**25
        )
        self._reading = asyncio.create_task(self._read())
        assert self.process.stderr is not None
        self._complaints = asyncio.create_task(self.process.stderr.read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        await self._reading
        await self._complaints

    def close(self) -> None:
        """Closes the gate's input, as a client does that no longer needs the server."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    async def complaints(self) -> str:
        """What the gate wrote to standard error, once it has ended."""
        return (await self._complaints).decode()

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            body = json.loads(line)
            waiting = self._answers.get(body.get("id", ())) if "method" not in body else None
            if waiting is None:
                self.told.append(body)
            elif not waiting.done():
                waiting.set_result(body)
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError("the gate has closed its output"))

    def write(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")

    def send(self, **body: Any) -> None:
        self.write(json.dumps({"jsonrpc": "2.0", **body}).encode())

    def begin(self, method: str, request_id: int | str | None = None, **params: Any) -> int | str:
        """Sends a request; returns its ID."""
        self._number += 1
        number = self._number if request_id is None else request_id
        self._answers[number] = asyncio.get_running_loop().create_future()
        self.send(id=number, method=method, params=params)
        return number

    async def answer(self, request_id: int | str) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            return await self._answers[request_id]

    def is_answered(self, request_id: int | str) -> bool:
        return self._answers[request_id].done()

    async def request(self, method: str, **params: Any) -> dict[str, Any]:
        return await self.answer(self.begin(method, **params))

    def begin_call(self, tool: str, meta: dict[str, Any] | None = None, **arguments: Any) -> int | str:
        more: dict[str, Any] = {} if meta is None else {"_meta": meta}
        return self.begin("tools/call", name=tool, arguments=arguments, **more)

    async def call(self, tool: str, meta: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
        found: dict[str, Any] = (await self.answer(self.begin_call(tool, meta, **arguments)))["result"]
        return found

    async def initialize(self) -> dict[str, Any]:
        client = {"name": "scripted", "version": "1"}
        found = await self.request(
            "initialize", protocolVersion="2025-06-18", capabilities={"roots": {}}, clientInfo=client
        )
        self.send(method="notifications/initialized")
        result: dict[str, Any] = found["result"]
        return result

    async def hears(self, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message in `told` for which `true` holds, once it is there."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := [told for told in self.told if true(told)]):
                await asyncio.sleep(0.01)
        return found[0]


def words(result: dict[str, Any]) -> str:
    """All texts of a result."""
    return "\n".join(part["text"] for part in result["content"] if part["type"] == "text")

"""The official clients through the gate to real servers, over standard input and output and over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp import Client, StdioServerParameters

from tests.support import PATIENCE_S, ROOT
from tests.support.api_world import ApiWorld
from tests.support.mcp_gate import (
    FILESYSTEM,
    GATE,
    ScriptedClient,
    environment,
    filesystem,
    gate_command,
    words,
)
from tests.support.node import NODE

pytestmark = pytest.mark.asyncio(loop_scope="session")

needs_npm = pytest.mark.skipif(
    not FILESYSTEM.is_file(), reason="The npm packages are not set up; `make mcp` does that"
)
SDK_GATE = GATE.replace('"look"', '"count", "greet"')


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    file = tmp_path / "gate.toml"
    file.write_text(SDK_GATE)
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "notes"
    found.mkdir()
    (found / "plan.txt").write_text("the plan\n")
    return found


def a_client(api: ApiWorld, agent: str, gate: Path, upstream: Sequence[str], **more: Any) -> Client:
    command, *arguments = gate_command(gate, upstream, "--name", "notes")
    environ = environment(api.url, agent) | {"TEAM": "platform"}
    return Client(StdioServerParameters(command=command, args=arguments, env=environ), **more)


async def decided(api: ApiWorld, text: str, choice: str = "approve") -> str:
    """The open request whose card shows the text, decided."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for request_id in api.titled(text):
                if not (await api.service.status(request_id)).status.ended:
                    ada = api.token("ada", "U0ADA", "decide:deploy")
                    answer = await api.decide(ada, request_id, choice, comment="Not into that folder.")
                    assert answer.status == 200
                    return request_id
            await asyncio.sleep(0.05)


def text_of(result: types.CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, types.TextContent))


@needs_npm
async def test_the_python_client_to_the_real_file_server(api: ApiWorld, gate: Path, folder: Path) -> None:
    agent, name = api.token("agent", "U0RITA", "request"), f"{secrets.token_hex(6)}.txt"
    place = folder / name
    async with a_client(api, agent, gate, filesystem(folder)) as client:
        assert "write_file" in {tool.name for tool in (await client.list_tools()).tools}
        read = await client.call_tool("read_text_file", {"path": str(folder / "plan.txt")})
        assert "the plan" in text_of(read)

        heard: list[str] = []

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            assert progress >= (total or 0)
            heard.append(message or "")

        write = {"path": str(place), "content": "one"}
        writing = asyncio.create_task(client.call_tool("write_file", write, progress_callback=hear))
        await api.eventually(lambda: bool(heard))
        assert not place.exists()
        request_id = await decided(api, name)
        assert heard[0] == f"People are asked: {request_id}."
        assert (await writing).is_error is not True
        assert place.read_text() == "one"

        # Other arguments are another call, and no approval is for both.
        changed = asyncio.create_task(client.call_tool("write_file", {**write, "content": "two"}))
        await decided(api, name, "reject")
        refused = await changed
        assert refused.is_error
        assert "Not into that folder." in text_of(refused)
        assert place.read_text() == "one"


@needs_npm
async def test_the_typescript_client_to_the_real_file_server(api: ApiWorld, gate: Path, folder: Path) -> None:
    agent, name = api.token("agent", "U0RITA", "request"), f"{secrets.token_hex(6)}.txt"
    place = folder / name
    client = await asyncio.create_subprocess_exec(
        *(str(NODE), str(ROOT / "tests/mcp/client.mjs")),
        *gate_command(gate, filesystem(folder)),
        env=environment(api.url, agent),
        stdin=PIPE,
        stdout=PIPE,
    )
    assert client.stdin is not None
    assert client.stdout is not None

    async def line() -> Any:
        assert client.stdout is not None
        return json.loads(await asyncio.wait_for(client.stdout.readline(), 60))

    def call(tool: str, timeout: int = 60_000, **arguments: str) -> None:
        assert client.stdin is not None
        given = {"name": tool, "arguments": arguments, "timeout": timeout}
        client.stdin.write(json.dumps(given).encode() + b"\n")

    assert "write_file" in await line()
    call("read_text_file", path=str(folder / "plan.txt"))
    assert "the plan" in str(await line())
    # Its client gives up after a while, as it does by itself after a minute. The call is joined when it comes again.
    call("write_file", timeout=300, path=str(place), content="one")
    assert "timed out" in (await line())["failed"]
    call("write_file", path=str(place), content="one")
    await decided(api, name)
    assert "isError" not in await line()
    assert place.read_text() == "one"
    assert len(api.titled(name)) == 1
    client.stdin.close()
    assert await client.wait() == 0


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_a_server_over_http(api: ApiWorld, gate: Path, tmp_path: Path, mode: str) -> None:
    agent, line, file = api.token("agent", "U0RITA", "request"), secrets.token_hex(6), tmp_path / "lines"
    async with http_server(file) as url:

        async def ask_person(_context: Any, _params: Any) -> types.ElicitResult:
            return types.ElicitResult(action="accept", content={"name": "Rita"})

        behind = ["--url", url, "--header", "X-Team=TEAM"]
        client = a_client(api, agent, gate, behind, mode=mode, elicitation_callback=ask_person)
        async with client:
            assert {tool.name for tool in (await client.list_tools()).tools} == {"append", "count", "greet"}
            seen: list[float] = []

            async def hear(progress: float, total: float | None, message: str | None) -> None:
                assert (total, message) == (3, None)
                seen.append(progress)

            counted = await client.call_tool("count", {"upto": 3}, progress_callback=hear)
            assert (text_of(counted), seen) == ("3", [1.0, 2.0, 3.0])
            assert text_of(await client.call_tool("greet", {})) == "Hello, Rita"
            read = (await client.read_resource("notes://x")).contents[0]
            assert isinstance(read, types.TextResourceContents)
            assert read.text == "About x"
            prompt = await client.get_prompt("review", {"code": "x = 1"})
            assert "Review x = 1" in str(prompt.messages[0].content)
            adding = asyncio.create_task(client.call_tool("append", {"line": line}))
            await decided(api, line)
            assert text_of(await adding) == f"added {line} for platform"
            assert file.read_text() == f"{line}\n"
        if mode == "legacy":
            return
        async with a_client(api, agent, gate, behind, mode=mode) as client:
            assert "It was not made again." in text_of(await client.call_tool("append", {"line": line}))
            assert file.read_text() == f"{line}\n"


async def test_a_server_that_cannot_be_reached_is_said_and_the_call_was_not_made(
    api: ApiWorld, gate: Path
) -> None:
    agent, line = api.token("agent", "U0RITA", "request"), secrets.token_hex(6)
    nowhere = gate_command(gate, ["--url", "http://127.0.0.1:9/mcp"])
    for _ in range(2):
        async with ScriptedClient(nowhere, environment(api.url, agent)) as client:
            passed = await client.request("tools/list")
            assert "cannot be reached" in passed["error"]["message"]
            adding = client.begin_call("append", line=line)
            await decided(api, line)  # It was certainly not made, so people are asked anew.
            assert "The call was not made." in words((await client.answer(adding))["result"])


@asynccontextmanager
async def http_server(file: Path) -> AsyncIterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", str(ROOT / "tests/support/mcp_sdk_server.py"), str(file), str(port)),
        env={"PATH": os.environ["PATH"]},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(60):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    break
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        await process.wait()

"""The gate in front of an MCP server, as a process: what passes, what waits, and what no server gets."""

from __future__ import annotations

import asyncio
import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from tests.support import PATIENCE_S
from tests.support.api_world import ApiWorld
from tests.support.mcp_gate import GATE, ScriptedClient, environment, gate_command, scripted, words
from tests.support.world import request_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOWHERE = "http://127.0.0.1:9"
EXTENSIONS: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
TASKS: dict[str, Any] = {"io.modelcontextprotocol/clientCapabilities": EXTENSIONS}


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    file = tmp_path / "gate.toml"
    file.write_text(GATE)
    return file


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "got.jsonl"
    file.touch()
    return file


def got(log: Path, method: str = "tools/call") -> list[dict[str, Any]]:
    """What the server got of that method."""
    bodies = []
    for line in log.read_text().splitlines():
        try:
            bodies.append(json.loads(line))
        except ValueError:
            bodies.append({"method": "no JSON", "line": line})
    return [body for body in bodies if body.get("method") == method]


def a_gate(gate: Path, log: Path, url: str = NOWHERE, token: str = "cs_none") -> ScriptedClient:
    return ScriptedClient(gate_command(gate, scripted(log), "--name", "plain"), environment(url, token))


def unique() -> str:
    return secrets.token_hex(6)


async def asked(api: ApiWorld, text: str, count: int = 1) -> list[str]:
    """The requests whose cards show the text, once there are so many."""
    await api.eventually(lambda: len(api.titled(text)) >= count)
    return api.titled(text)


async def decide(api: ApiWorld, request_id: str, choice: str = "approve") -> None:
    ada = api.token("ada", "U0ADA", "decide:deploy")
    assert (await api.decide(ada, request_id, choice, comment="Not on a Friday.")).status == 200


# ---- without anybody -------------------------------------------------------------------------------------


async def test_everything_but_calls_passes_as_it_is_both_ways(gate: Path, log: Path) -> None:
    async with a_gate(gate, log) as client:
        assert (await client.initialize())["serverInfo"]["name"] == "plain"
        odd = {"a": [1.0, 1e3, None, "é\u2028"], "_meta": {"x/y": 1}}
        for method in ("resources/read", "unknown/thing", "Tools/List"):
            answer = await client.request(method, **odd)
            assert answer["result"] == {"echo": odd, "method": method}
        assert (await client.request("ask/client"))["result"] == {}
        question = await client.hears(lambda told: told.get("method") == "sampling/createMessage")
        client.send(id=question["id"], result={"role": "assistant"})
        client.send(method="notifications/roots/list_changed", params={})
        client.send(method="notifications/cancelled", params={"requestId": 999})
        await client.request("ping")
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert {"jsonrpc": "2.0", "id": "from-server", "result": {"role": "assistant"}} in lines
        assert [line["params"] for line in lines if line.get("method") == "notifications/cancelled"] == [
            {"requestId": 999}
        ]
        allowed = await client.call("look", at="x")
        assert allowed == {
            "content": [{"type": "text", "text": "look done"}],
            "structuredContent": {"tool": "look"},
        }
        denied = await client.call("erase")
        assert (denied["isError"], words(denied)) == (True, "Nothing is erased here.")
        for unreachable in await asyncio.gather(client.call("write"), client.call("prompted")):
            assert unreachable["isError"]
            assert "cannot be reached" in words(unreachable)
        assert [body["params"]["name"] for body in got(log)] == ["look"]
        client.close()
        assert (await client.process.wait(), await client.complaints()) == (0, "")


WRITE = '{"name":"write","arguments":{}}'
TRICKS: dict[str, bytes] = {
    "a batch": f'[{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{WRITE}}}]'.encode(),
    "the method twice": f'{{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{WRITE}}}'.encode(),
    "the name twice": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"look","name":"write"}}',
    "the name in capitals": (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"look","Name":"write"}}'
    ),
    "the method in capitals": (
        f'{{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","params":{WRITE}}}'.encode()
    ),
    "a name with a space": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"look "}}',
    "no params": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":null}',
    "another spelling of the method": f'{{"jsonrpc":"2.0","id":1,"method":"Tools/Call ","params":{WRITE}}}'.encode(),
    "wide letters": f'{{"jsonrpc":"2.0","id":1,"method":"\uff54ools/call","params":{WRITE}}}'.encode(),
    "a notification": f'{{"jsonrpc":"2.0","method":"tools/call","params":{WRITE}}}'.encode(),
    "no id but null": f'{{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{WRITE}}}'.encode(),
    "an answer at the same time": (
        f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","result":{{}},"params":{WRITE}}}'.encode()
    ),
    "a line within a line": (
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":\r'
        + f'{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{WRITE}}}'.encode()
        + b"\r}}"
    ),
    "half a surrogate": (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"look","arguments":{"a":"\\ud800"}}}'
    ),
    "two arguments in one spelling": (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"look","arguments":{"a":1,"A":2}}}'
    ),
    "two arguments further down in one spelling": (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":'
        b'{"name":"look","arguments":{"a":[{"path":"x","PATH":"y"}]}}}'
    ),
    "a param that nobody is shown": (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"look","tool":"write"}}'
    ),
    "a method with what does not show": (
        f'{{"jsonrpc":"2.0","id":1,"method":"tools/c\u00adall","params":{WRITE}}}'.encode()
    ),
    "a method with a slash more": f'{{"jsonrpc":"2.0","id":1,"method":"tools/call/","params":{WRITE}}}'.encode(),
    "arguments that are no object": (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"look","arguments":["write"]}}'
    ),
    "a number that is none": (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"look","arguments":{"a":NaN}}}'
    ),
    "a number that two programs read as two": (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"look","arguments":{"a":9007199254740993}}}'
    ),
    "bytes that are no text": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"look\xff"}}',
}


async def test_no_trick_brings_a_call_to_the_server(gate: Path, log: Path) -> None:
    async with a_gate(gate, log) as client:
        for trick in TRICKS.values():
            client.write(trick)
        # Answered in order, so all of them have been looked at by now.
        assert (await client.request("ping", request_id="last"))["result"]["method"] == "ping"
        assert got(log) == []
        lines = log.read_text().splitlines()
        pings = [json.loads(line) for line in lines]
        assert [ping["method"] for ping in pings] == ["ping", "ping"]
        refused = [told["error"]["code"] for told in client.told if "error" in told]
        assert len(refused) == len(TRICKS) - 2
        assert set(refused) == {-32700, -32600, -32602}


async def test_the_ids_of_the_gates_own_calls_are_for_nobody_else(gate: Path, log: Path) -> None:
    gate.write_text(GATE.replace('"look"', '"look", "forge"'))
    async with a_gate(gate, log) as client:
        own = "countersign-call-1"
        assert "one of the gate's own" in (await client.answer(client.begin("ping", own)))["error"]["message"]
        # Like the late answer to a call that was given up.
        assert words(await client.call("forge", id=own)) == "forge done"
        assert [told for told in client.told if told.get("id") == own] == []


async def test_the_server_never_gets_the_agents_token(gate: Path, log: Path) -> None:
    gate.write_text(GATE.replace('"look"', '"look", "secrets"'))
    async with a_gate(gate, log) as client:
        assert words(await client.call("secrets")) == "[]"


# ---- with people -----------------------------------------------------------------------------------------


async def test_a_call_waits_is_made_once_and_its_like_is_asked_anew(
    api: ApiWorld, gate: Path, log: Path
) -> None:
    agent, path = api.token("agent", "U0RITA", "request"), unique()
    async with a_gate(gate, log, api.url, agent) as client:
        first = client.begin_call("write", {"progressToken": "t"}, path=path, text="é")
        second = client.begin_call("write", path=path, text="é")
        [request_id] = await asked(api, path)
        told = await client.hears(lambda one: one.get("method") == "notifications/progress")
        assert told["params"]["progressToken"] == "t"
        assert request_id in told["params"]["message"]
        assert "Server: plain" in api.shown(request_id)
        assert words(await client.call("look")) == "look done"  # what waits holds up nothing else
        await decide(api, request_id)
        answers = [await client.answer(one) for one in (first, second)]
        assert [words(answer["result"]) for answer in answers] == ["write done"] * 2
        [made] = [body for body in got(log) if body["params"]["name"] == "write"]
        assert made["params"] == {
            "name": "write",
            "arguments": {"path": path, "text": "é"},
            "_meta": {"progressToken": "t"},
        }
        assert made["id"] not in {first, second}

        # The client has the answer, so this is another call: people are asked anew, and may say no.
        again = client.begin_call("write", path=path, text="é")
        anew = next(one for one in await asked(api, path, 2) if one != request_id)
        await decide(api, anew, "reject")
        refused = (await client.answer(again))["result"]
        assert refused["isError"]
        assert "Not on a Friday." in words(refused)
        assert len([body for body in got(log) if body["params"]["name"] == "write"]) == 1


async def test_people_change_a_call_within_the_schema_that_the_server_lists_and_that_is_made(
    api: ApiWorld, gate: Path, log: Path
) -> None:
    gate.write_text(GATE.replace('"deploy"', '"agents"'))
    agent, ada = api.token("agent", "U0RITA", "request"), api.token("ada", "U0ADA", "decide:agents")
    async with a_gate(gate, log, api.url, agent) as client:
        path = unique()
        assert "tools" in (await client.request("tools/list"))["result"]
        call = client.begin_call("write", command=f"make {path}", env={"TOKEN": "x"})
        [request_id] = await asked(api, path)
        wrong = await api.decide(ada, request_id, edits={"arguments.command": f"rm {path}"})
        assert (wrong.status, wrong.fields) == (422, {"edits.arguments.command"})
        fits = await api.decide(ada, request_id, edits={"arguments.command": f"make -n {path}"})
        assert fits.status == 200
        answer = (await client.answer(call))["result"]
        assert f"make -n {path}" in words(answer), "the agent is told what ran"
        [made] = [body for body in got(log) if path in str(body)]
        assert made["params"]["arguments"] == {"command": f"make -n {path}", "env": {"TOKEN": "x"}}
    # Another connection, whose client has listed nothing, is told what came of the very same call.
    async with a_gate(gate, log, api.url, agent) as client:
        again = await client.call("write", command=f"make {path}", env={"TOKEN": "x"})
        assert "It was not made again." in words(again)
        assert len([body for body in got(log) if path in str(body)]) == 1


async def test_whoever_lost_the_answer_gets_it_and_the_call_is_not_made_again(
    api: ApiWorld, gate: Path, log: Path
) -> None:
    agent, path = api.token("agent", "U0RITA", "request"), unique()
    async with a_gate(gate, log, api.url, agent) as client:
        client.begin_call("write", path=path)
        [request_id] = await asked(api, path)
    # The client has gone, and its gate with it. People decide all the same.
    await decide(api, request_id)
    async with a_gate(gate, log, api.url, agent) as client:
        assert words(await client.call("write", path=path)) == "write done"
    async with a_gate(gate, log, api.url, agent) as client:
        again = await client.call("write", path=path)
        assert words(again).startswith(
            "write done\nCountersign: this is the result of the call that was made"
        )
        assert request_id in words(again)
        assert (again.get("isError"), again["structuredContent"]) == (None, {"tool": "write"})
    assert len(got(log)) == 1
    assert api.titled(path) == [request_id]


async def test_a_claim_without_a_result_may_have_run_and_is_never_made_again(
    api: ApiWorld, gate: Path, log: Path
) -> None:
    agent, path = api.token("agent", "U0RITA", "request"), unique()
    async with a_gate(gate, log, api.url, agent) as client:
        client.begin_call("mute", path=path)
        [request_id] = await asked(api, path)
        await decide(api, request_id)
        await api.eventually(lambda: len(got(log)) == 1)
        client.process.kill()
        await client.process.wait()
    async with a_gate(gate, log, api.url, agent) as client:
        unknown = await client.call("mute", path=path)
        assert unknown["isError"]
        assert "it may have run" in words(unknown)
        assert len(got(log)) == 1
        # Now the client knows. Whether it is made once more is for people to say.
        client.begin_call("mute", path=path)
        await asked(api, path, 2)


async def test_a_call_that_is_given_up_can_be_joined_again(api: ApiWorld, gate: Path, log: Path) -> None:
    agent, path = api.token("agent", "U0RITA", "request"), unique()
    async with a_gate(gate, log, api.url, agent) as client:
        given_up = client.begin_call("write", path=path)
        [request_id] = await asked(api, path)
        client.begin_call("ping", path=path)
        client.send(method="notifications/cancelled", params={"requestId": given_up, "reason": "timeout"})
        joined = client.begin_call("write", path=path)
        await client.request("ping")
        await decide(api, request_id)
        assert words((await client.answer(joined))["result"]) == "write done"
        assert not client.is_answered(given_up)
        assert got(log, "notifications/cancelled") == []


async def test_whoever_gives_up_a_call_before_its_task_ends_it_for_nobody_else(
    api: ApiWorld, gate: Path, log: Path
) -> None:
    agent, path = api.token("agent", "U0RITA", "request"), unique()
    async with a_gate(gate, log, api.url, agent) as client:
        waiting = client.begin_call("write", path=path)
        given_up = client.begin_call("write", TASKS, path=path)
        await client.request("ping")  # it is being asked by now
        client.send(method="notifications/cancelled", params={"requestId": given_up})
        [request_id] = await asked(api, path)
        await decide(api, request_id)
        assert words((await client.answer(waiting))["result"]) == "write done"


async def test_a_call_that_runs_is_cancelled_at_the_server(api: ApiWorld, gate: Path, log: Path) -> None:
    agent, path = api.token("agent", "U0RITA", "request"), unique()
    async with a_gate(gate, log, api.url, agent) as client:
        running = client.begin_call("mute", path=path)
        [request_id] = await asked(api, path)
        await decide(api, request_id)
        await api.eventually(lambda: len(got(log)) == 1)
        client.send(method="notifications/cancelled", params={"requestId": running, "reason": "enough"})
        await api.eventually(lambda: len(got(log, "notifications/cancelled")) == 1)
        [cancelled] = got(log, "notifications/cancelled")
        assert cancelled["params"] == {"requestId": got(log)[0]["id"], "reason": "enough"}


async def test_the_server_may_fail_die_forge_and_say_too_much(api: ApiWorld, gate: Path, log: Path) -> None:
    agent, path = api.token("agent", "U0RITA", "request"), unique()
    gate.write_text(GATE.replace('"look"', '"look", "forge"'))
    async with a_gate(gate, log, api.url, agent) as client:
        waiting = client.begin_call("write", path=path)
        failing = client.begin_call("fail", path=path)
        large = client.begin_call("large", path=path, size=300_000)
        dying = client.begin_call("die", path=path)
        requests = await asked(api, path, 4)
        by_tool = {
            tool: one
            for one in requests
            for tool in ("write", "fail", "large", "die")
            if f"calls {tool}" in api.shown(one)
        }
        assert words(await client.call("forge", id=waiting)) == "forge done"
        assert not client.is_answered(waiting)
        client.begin("ping", request_id=waiting)  # the id of a call that waits
        for tool in ("fail", "large"):
            await decide(api, by_tool[tool])
        assert (await client.answer(failing))["error"] == {"code": -32050, "message": "The disk is full."}
        assert len(words((await client.answer(large))["result"])) == 300_000
        await decide(api, by_tool["die"])
        lost = (await client.answer(dying))["result"]
        assert "It may have run" in words(lost)
        assert await client.process.wait() == 4
        assert "has ended with status 7" in await client.complaints()
    async with a_gate(gate, log, api.url, agent) as client:
        assert "too large to be kept" in words(await client.call("large", path=path, size=300_000))
        assert "It failed: The disk is full." in words(await client.call("fail", path=path))


async def test_what_the_server_asks_is_answered_in_the_approved_call_alone(
    api: ApiWorld, gate: Path, log: Path
) -> None:
    agent, path = api.token("agent", "U0RITA", "request"), unique()
    arguments = {"path": path}
    more = {"inputResponses": {"name": {"action": "accept"}}, "requestState": "s1"}
    async with a_gate(gate, log, api.url, agent) as client:
        forged = await client.request("tools/call", name="input", arguments=arguments, **more)
        assert "has not asked anything" in words(forged["result"])
        first = client.begin_call("input", path=path)
        [request_id] = await asked(api, path)
        await decide(api, request_id)
        assert (await client.answer(first))["result"]["resultType"] == "input_required"
        other = await client.request("tools/call", name="input", arguments={"path": "other"}, **more)
        assert "has not asked anything" in words(other["result"])
        done = await client.request("tools/call", name="input", arguments=arguments, **more)
        assert words(done["result"]) == "input done"
        again = await client.request("tools/call", name="input", arguments=arguments, **more)
        assert "has not asked anything" in words(again["result"])
        assert [body["params"].get("inputResponses") for body in got(log)] == [None, more["inputResponses"]]


async def test_what_the_server_asks_is_answered_once_whichever_way(
    api: ApiWorld, gate: Path, log: Path
) -> None:
    agent, path = api.token("agent", "U0RITA", "request"), unique()
    more = {"inputResponses": {"name": {"action": "accept"}}, "requestState": "s1"}
    async with a_gate(gate, log, api.url, agent) as client:

        async def shown(task_id: str) -> Any:
            return (await client.request("tasks/get", taskId=task_id, _meta=TASKS))["result"]

        async def until(task_id: str, status: str) -> Any:
            async with asyncio.timeout(PATIENCE_S):
                while (found := await shown(task_id))["status"] != status:
                    await asyncio.sleep(0.02)
            return found

        for plain_first in (True, False):
            arguments: dict[str, Any] = {"path": f"{path}{plain_first}"}
            created = await client.call("input", TASKS, **arguments)
            joined = client.begin_call("input", **arguments)
            [request_id] = await asked(api, arguments["path"])
            await decide(api, request_id)
            assert (await client.answer(joined))["result"]["resultType"] == "input_required"
            await until(created["taskId"], "input_required")
            update = {"taskId": created["taskId"], "_meta": TASKS, "inputResponses": more["inputResponses"]}
            plain = {"name": "input", "arguments": arguments, **more}
            first, second = ("tools/call", plain), ("tasks/update", update)
            if not plain_first:
                first, second = second, first
            answers = [client.begin(method, None, **params) for method, params in (first, second)]
            for answer in answers:
                await client.answer(answer)
            assert words((await until(created["taskId"], "completed"))["result"]) == "input done"
            made = [body["params"] for body in got(log) if body["params"]["arguments"] == arguments]
            assert [params.get("inputResponses") for params in made] == [None, more["inputResponses"]]


async def test_a_client_that_knows_tasks_polls(api: ApiWorld, gate: Path, log: Path) -> None:
    agent, path = api.token("agent", "U0RITA", "request"), unique()

    async def task(client: ScriptedClient, task_id: str, method: str = "tasks/get", **more: Any) -> Any:
        answer = await client.request(method, taskId=task_id, _meta=TASKS, **more)
        return answer.get("result") or answer["error"]

    async with a_gate(gate, log, api.url, agent) as client:
        discovered = (await client.request("server/discover", _meta=TASKS))["result"]
        assert discovered["capabilities"] == {
            "tools": {},
            "extensions": {"io.modelcontextprotocol/tasks": {}},
        }
        created = await client.call("input", TASKS, path=path)
        assert (created["resultType"], created["status"], created["ttlMs"]) == ("task", "working", None)
        task_id = created["taskId"]
        [request_id] = await asked(api, path)
        assert (await task(client, task_id))["status"] == "working"
        assert (await client.request("tasks/get", taskId=task_id))["error"]["code"] == -32021
        assert (await task(client, "countersign:deploy-00000000"))["code"] == -32602
        assert (await task(client, "of-the-server"))["method"] == "tasks/get"
        await decide(api, request_id)
        async with asyncio.timeout(PATIENCE_S):
            while (shown := await task(client, task_id))["status"] == "working":
                await asyncio.sleep(0.02)
        assert shown["status"] == "input_required"
        assert shown["inputRequests"]["name"]["method"] == "elicitation/create"
        assert (await task(client, task_id, "tasks/update", inputResponses={"name": {}})) == {
            "resultType": "complete"
        }
        async with asyncio.timeout(PATIENCE_S):
            while (shown := await task(client, task_id))["status"] != "completed":
                await asyncio.sleep(0.02)
        assert (shown["resultType"], words(shown["result"])) == ("complete", "input done")
        # The server is not to answer our task with one of its own.
        assert "tasks" not in json.dumps([body["params"] for body in got(log)])

        cancelled = await client.call("write", TASKS, path=f"{path}2")
        assert (await task(client, cancelled["taskId"], "tasks/cancel")) == {"resultType": "complete"}
        assert (await task(client, cancelled["taskId"]))["status"] == "cancelled"
        waiting = await client.call("write", TASKS, path=f"{path}3")
    # Its gate has gone. The task has not.
    async with a_gate(gate, log, api.url, agent) as client:
        assert words((await task(client, task_id))["result"]).startswith("input done\n")
        assert (await task(client, waiting["taskId"]))["status"] == "working"
        [third] = await asked(api, f"{path}3")
        await decide(api, third)
        async with asyncio.timeout(PATIENCE_S):  # it has ended once its receipt is signed
            while (shown := await task(client, waiting["taskId"]))["status"] == "working":
                await asyncio.sleep(0.02)
        assert "Make the very same call again" in words(shown["result"])
        assert words(await client.call("write", path=f"{path}3")) == "write done"
    assert request_of(api.cards_of(request_id)[0]) == request_id

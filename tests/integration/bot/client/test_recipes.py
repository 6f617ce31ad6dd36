"""The recipes for programs, as they stand in the guide: with the frameworks themselves, and a script for a model."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any, TypedDict

import pytest

from bot import client
from tests.support.api_world import ApiWorld
from tests.support.held import card_of, decide_held
from tests.support.recipes import recipe

in_the_session = pytest.mark.asyncio(loop_scope="session")


def an_order() -> str:
    """One that no other test asks about."""
    return f"order-{secrets.token_hex(4)}"


def framework(name: str) -> Any:
    return pytest.importorskip(name, reason=f"{name} is not installed: `make frameworks` installs it")


def names_of(text: str, *modules: Any, **more: Any) -> dict[str, Any]:
    """Run a recipe with the public names of the modules; return all names. Its page says which names to import."""
    found: dict[str, Any] = {"json": json, **more}
    for module in modules:
        found |= {name: getattr(module, name) for name in dir(module) if not name.startswith("_")}
    exec(compile(text, "frameworks.md", "exec"), found)  # noqa: S102 - the page's own words
    return found


@pytest.mark.parametrize("name", ["decorator", "langgraph", "openai_agents", "claude_agent_sdk"])
def test_a_recipe_has_ten_lines_at_most(name: str) -> None:
    assert len([line for line in recipe(name).splitlines() if line.strip()]) <= 10


@in_the_session
async def test_a_function_waits_also_where_a_loop_runs_its_caller(api: ApiWorld) -> None:
    names = names_of(recipe("decorator"))
    one, two = an_order(), an_order()

    async def in_a_loop() -> str:
        return str(names["refund"](two, cents=2))

    calls = [
        asyncio.create_task(asyncio.to_thread(names["refund_or_reason"], one, 1)),
        asyncio.create_task(asyncio.to_thread(asyncio.run, in_a_loop())),
    ]
    await decide_held(api, one, "reject", comment="No.")
    await decide_held(api, two)
    said = await asyncio.gather(*calls)
    assert "rejected by U0ADA: “No.”" in said[0]
    assert said[1] == f"2 cents of {two} are on their way."


@in_the_session
async def test_langgraph_keeps_the_graph_while_people_decide_and_runs_the_call_once(api: ApiWorld) -> None:
    graphs, memory, types = (
        framework(f"langgraph.{part}") for part in ("graph", "checkpoint.memory", "types")
    )
    runs: list[str] = []
    names = names_of(recipe("decorator"))
    refund_or_reason = names["refund_or_reason"]

    def counted(order: str, cents: int) -> str:
        said = str(refund_or_reason(order, cents))
        runs.append(said)
        return said

    names = names_of(recipe("langgraph"), types, client, refund_or_reason=counted)

    class GraphState(TypedDict, total=False):
        call: dict[str, Any]
        result: str

    drawn = graphs.StateGraph(GraphState)
    drawn.add_node("pay", names["pay"])
    drawn.add_edge(graphs.START, "pay")
    drawn.add_edge("pay", graphs.END)
    graph = drawn.compile(checkpointer=memory.InMemorySaver())

    def start(order: str) -> asyncio.Task[Any]:
        given, config = {"call": {"order": order, "cents": 7}}, {"configurable": {"thread_id": order}}
        return asyncio.create_task(asyncio.to_thread(names["run"], graph, given, config))

    approved, rejected = an_order(), an_order()
    calls = [start(approved), start(rejected)]
    request_id = await card_of(api, approved)
    await asyncio.sleep(0)
    assert runs == []
    await decide_held(api, approved)
    await decide_held(api, rejected, "reject", comment="Not twice.")
    first, second = await asyncio.gather(*calls)
    assert first["result"] == f"7 cents of {approved} are on their way."
    assert "“Not twice.”" in second["result"]
    assert len(runs) == 2
    # The function asked about the same call as the graph, so people decided only once.
    answer = await api.call("GET", "/api/approvals?policy=agents&limit=200", api.token("reader"))
    asked = [one for one in answer.body["items"] if one["title"] == "shop-bot calls refund"]
    assert request_id in {one["id"] for one in asked}
    # A program that was killed goes on from what the checkpointer has.
    killed = an_order()
    config = {"configurable": {"thread_id": killed}}
    graph.invoke({"call": {"order": killed, "cents": 8}}, config)
    state = graph.invoke(None, config)
    assert state["__interrupt__"][0].value == {"order": killed, "cents": 8}


@in_the_session
async def test_openai_s_agents_are_told_yes_and_no_one_call_after_the_other(api: ApiWorld) -> None:
    agents = framework("agents")
    responses = framework("openai.types.responses")
    agents.set_tracing_disabled(True)
    runs: list[tuple[str, int]] = []

    @agents.function_tool(needs_approval=True)  # type: ignore[untyped-decorator,unused-ignore]
    def refund(order: str, cents: int) -> str:
        """Gives money back."""
        runs.append((order, cents))
        return "done"

    def calls(*orders: str) -> list[Any]:
        return [
            responses.ResponseFunctionToolCall(
                type="function_call",
                call_id=f"call-{order}",
                name="refund",
                arguments=json.dumps({"order": order, "cents": 5}),
            )
            for order in orders
        ]

    text = responses.ResponseOutputText(type="output_text", text="Finished.", annotations=[])
    says = responses.ResponseOutputMessage(
        id="m", type="message", role="assistant", status="completed", content=[text]
    )
    good, bad = an_order(), an_order()
    turns, heard = [calls(good, bad), [says]], []

    class ScriptedModel(agents.Model):  # type: ignore[misc,name-defined,unused-ignore]
        async def get_response(self, *_: Any, **given: Any) -> Any:
            heard.append(given["input"])
            return agents.ModelResponse(output=turns.pop(0), usage=agents.Usage(), response_id=None)

        def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
            raise NotImplementedError

    agent = agents.Agent(name="shop-bot", model=ScriptedModel(), tools=[refund])
    names = names_of(recipe("openai_agents"), agents, client)
    run = asyncio.create_task(names["run"](agent, "Refund both."))
    await decide_held(api, good)
    # The first is made before people are asked about the second.
    await card_of(api, bad)
    assert runs == [(good, 5)]
    await decide_held(api, bad, "reject", comment="Ask the customer.")
    assert (await run).final_output == "Finished."
    assert runs == [(good, 5)]
    told = {one["call_id"]: one["output"] for one in heard[-1] if one.get("type") == "function_call_output"}
    assert told[f"call-{good}"] == "done"
    assert "“Ask the customer.”" in told[f"call-{bad}"]


class ScriptedTransport:
    """In the place of the program that the SDK starts: it wants to make two calls, and hears about each."""

    def __init__(self, *orders: str) -> None:
        self._orders = orders
        self.heard: dict[str, Any] = {}
        self._out: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    async def connect(self) -> None:
        """Nothing to do."""

    async def write(self, data: str) -> None:
        said = json.loads(data)
        if said["type"] == "control_request":
            answer = {"subtype": "success", "request_id": said["request_id"], "response": {}}
            await self._out.put({"type": "control_response", "response": answer})
        elif said["type"] == "user":
            for order in self._orders:
                wanted = {"subtype": "can_use_tool", "tool_name": "refund", "input": {"path": order}}
                await self._out.put({"type": "control_request", "request_id": order, "request": wanted})
        else:
            self.heard[said["response"]["request_id"]] = said["response"].get("response", said)
            if len(self.heard) == len(self._orders):
                await self._out.put(RESULT)
                await self._out.put(None)

    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        while (message := await self._out.get()) is not None:
            yield message

    async def close(self) -> None:
        """Nothing to do."""

    def is_ready(self) -> bool:
        return True

    async def end_input(self) -> None:
        """Nothing to do."""


@in_the_session
async def test_anthropic_s_sdk_is_told_yes_and_no(api: ApiWorld) -> None:
    sdk = framework("claude_agent_sdk")
    good, bad = an_order(), an_order()

    names = names_of(recipe("claude_agent_sdk"), sdk, client)
    script = ScriptedTransport(good, bad)

    async def ask() -> list[Any]:
        async with sdk.ClaudeSDKClient(options=names["options"], transport=script) as chat:
            await chat.query("Refund both.")
            return [type(message).__name__ async for message in chat.receive_response()]

    asked = asyncio.create_task(ask())
    await decide_held(api, good)
    await decide_held(api, bad, "reject", comment="Ask first.")
    assert await asked == ["ResultMessage"]
    assert script.heard[good] == {"behavior": "allow", "updatedInput": {"path": good}}
    assert script.heard[bad]["behavior"] == "deny"
    assert "“Ask first.”" in script.heard[bad]["message"]


RESULT = {
    "type": "result",
    "subtype": "success",
    "duration_ms": 1,
    "duration_api_ms": 1,
    "is_error": False,
    "num_turns": 1,
    "session_id": "s",
    "result": "Finished.",
}

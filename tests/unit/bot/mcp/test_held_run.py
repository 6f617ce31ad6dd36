"""One held call: what is forwarded, what is kept, and what happens when the waiting client has left."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from bot.gate.approved_arguments import approved_arguments
from bot.mcp.gate.asking import Claimed, Ended, KnownCall
from bot.mcp.gate.held_run import Answer, CancelledCallError, HeldRun, NotSentError, UpstreamLostError
from bot.mcp.gate.messages import Json, ToolCallMessage
from orchestration.domain.errors import CountersignError
from tests.support.mcp_gate import words

CALL = ToolCallMessage(
    "write", {"path": "a"}, {"name": "write", "arguments": {"path": "a"}, "_meta": {"x": 1}}
)


class OneRequest:
    """A stand-in for Countersign with one request. Each step waits until the test releases it."""

    def __init__(self, arguments: Mapping[str, Any] | None = None, *, is_yes: bool = True) -> None:
        self.decided, self.claimable = asyncio.Event(), asyncio.Event()
        self.claimable.set()
        self.kept: list[Mapping[str, Any]] = []
        self.released = self.claims = 0
        self._arguments = arguments
        self._is_yes = is_yes

    async def ask(self, _call: Mapping[str, Any], *, resume: bool) -> str:
        assert resume
        return "deploy-1"

    async def ended(self, _request_id: str) -> Ended:
        await self.decided.wait()
        return Ended(self._is_yes, "It was rejected.")

    async def look(self, _request_id: str) -> Ended | None:
        return None

    async def claim(self, _request_id: str, _attempt: str, _call: Mapping[str, Any]) -> Claimed | None:
        self.claims += 1
        await self.claimable.wait()
        return Claimed(self._arguments)

    async def keep(self, _request_id: str, _attempt: str, result: Mapping[str, Any]) -> None:
        self.kept.append(result)

    async def release(self, _request_id: str, _attempt: str) -> None:
        self.released += 1

    async def known(self, _request_id: str) -> KnownCall | None:
        return None


class OneServer:
    """The MCP server: the calls it got, and its results."""

    def __init__(self, outcome: Json | Exception | None = None) -> None:
        self.got: list[Json] = []
        self._outcome = {"content": []} if outcome is None else outcome

    def answers(self, outcome: Json) -> None:
        self._outcome = outcome

    async def make(self, params: Json) -> Answer:
        self.got.append(params)
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return Answer(dict(self._outcome), settles=True)


def begun(request: OneRequest, server: OneServer) -> HeldRun:
    run = HeldRun(CALL, {}, request, server.make, lambda changed: changed.get("fault"), resume=True)
    run.start()
    return run


async def test_what_was_approved_is_forwarded_and_the_agent_is_told_what_ran() -> None:
    request, server = OneRequest({"path": "b"}), OneServer()
    run = begun(request, server)
    request.decided.set()
    answer = await run.answer()
    assert server.got == [{"name": "write", "arguments": {"path": "b"}, "_meta": {"x": 1}}]
    assert answer.result is not None
    assert 'It was made with these: {"path": "b"}' in words(answer.result)
    assert request.kept == [answer.result]


async def test_what_is_masked_is_not_kept_with_the_result_of_a_changed_call() -> None:
    request, server = OneRequest({"path": "b", "key": "secret"}), OneServer()
    run = HeldRun(CALL, {"mask": ["key"]}, request, server.make, lambda _: None, resume=True)
    run.start()
    request.decided.set()
    answer = await run.answer()
    assert server.got[0]["arguments"] == {"path": "b", "key": "secret"}
    assert [words(dict(one)) for one in request.kept] == [words(answer.result or {})]
    assert words(answer.result or {}).endswith('{"path": "b", "key": "[masked]"}')


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        (UpstreamLostError(), 'If it ran, it ran with these: {"path": "b"}'),
        (CancelledCallError(), 'If it ran, it ran with these: {"path": "b"}'),
        ({"code": -32000, "message": "No such file."}, "No such file. Countersign: people changed"),
    ],
)
async def test_whoever_looks_what_came_of_a_changed_call_knows_what_to_look_for(
    outcome: Json | Exception, says: str
) -> None:
    request, server = OneRequest({"path": "b"}), OneServer(outcome)

    async def fail(_: Json) -> Answer:
        return Answer(error=dict(outcome) if isinstance(outcome, dict) else None)

    make = fail if isinstance(outcome, dict) else server.make
    run = HeldRun(CALL, {}, request, make, lambda _: None, resume=True)
    run.start()
    request.decided.set()
    answer = await run.answer()
    told = words(answer.result) if answer.result is not None else (answer.error or {})["message"]
    assert says in told
    assert request.kept == ([{"error": answer.error}] if answer.error else [])


async def test_a_call_that_the_server_asked_about_is_not_said_to_be_unmade_where_it_is_gone_then() -> None:
    request = OneRequest()
    outcomes: list[Json | Exception] = [{"resultType": "input_required"}, NotSentError("It is gone.")]

    async def make(params: Json) -> Answer:
        return await OneServer(outcomes.pop(0)).make(params)

    run = HeldRun(CALL, {}, request, make, lambda _: None, resume=True)
    run.start()
    request.decided.set()
    assert (await run.answer()).asks_for_input
    run.go_on({"inputResponses": {"sure": True}})
    answer = await run.answer()
    assert "It may have run" in words(answer.result or {})
    assert (request.released, request.kept) == (0, [])


async def test_a_change_that_the_gate_file_does_not_leave_to_people_is_not_made() -> None:
    request, server = OneRequest({"fault": "The gate file denies it."}), OneServer()
    run = begun(request, server)
    request.decided.set()
    answer = await run.answer()
    assert answer.result is not None
    assert words(answer.result) == "The gate file denies it."
    assert (request.released, request.kept, server.got) == (1, [], [])


def a_claim(*changes: tuple[list[str], Any], **arguments: Any) -> dict[str, Any]:
    return {"arguments": arguments, "changes": [{"path": path, "after": after} for path, after in changes]}


def test_changes_are_made_in_our_own_arguments_which_have_what_is_masked() -> None:
    call = {"arguments": {"sql": "x", "key": "secret", "rows": [1, 2]}, "mask": ["key"]}
    claimed = a_claim((["sql"], "y"), (["rows", "1"], 3), sql="y", key="[masked]", rows=[1, 3])
    assert approved_arguments(call, claimed) == {"sql": "y", "key": "secret", "rows": [1, 3]}


def test_what_nobody_changed_is_made_as_it_was_asked() -> None:
    call = {"arguments": {"sql": "x", "key": "secret"}, "mask": ["key"]}
    assert approved_arguments(call, a_claim(sql="x", key="[masked]")) is None


@pytest.mark.parametrize(
    "claimed",
    [
        a_claim((["sql"], "y"), sql="z", key="[masked]"),
        a_claim(sql="y", key="[masked]"),
        a_claim((["key"], "other"), sql="x", key="[masked]"),
        a_claim((["sql"], "y"), (["key"], "other"), sql="y", key="[masked]"),
        a_claim((["nowhere"], "y"), sql="x", key="[masked]"),
        a_claim(([], "y"), sql="y", key="[masked]"),
        {"arguments": {"sql": "y", "key": "[masked]"}},
    ],
)
def test_a_change_that_is_not_clear_is_refused(claimed: dict[str, Any]) -> None:
    with pytest.raises(CountersignError, match="is about another call"):
        approved_arguments({"arguments": {"sql": "x", "key": "secret"}, "mask": ["key"]}, claimed)


async def test_a_rejection_is_neither_claimed_nor_forwarded() -> None:
    request, server = OneRequest(is_yes=False), OneServer()
    run = begun(request, server)
    request.decided.set()
    answer = await run.answer()
    assert answer.result is not None
    assert words(answer.result) == "The call was not made: It was rejected."
    assert (request.claims, server.got, answer.settles) == (0, [], False)


async def test_whoever_leaves_before_the_claim_ends_the_run_and_after_it_nothing_runs() -> None:
    early, late, server = OneRequest(), OneRequest(), OneServer()
    left = begun(early, server)
    await left.asked.wait()
    left.leave()
    await left.settled()
    early.decided.set()
    assert early.claims == 0

    late.claimable.clear()
    late.decided.set()
    run = begun(late, server)
    while not late.claims:
        await asyncio.sleep(0)
    run.leave()
    late.claimable.set()
    await run.settled()
    assert (late.released, late.kept, server.got) == (1, [], [])


@pytest.mark.parametrize(
    ("failure", "said", "released"),
    [
        (NotSentError("It is gone."), "The call was not made.", 1),
        (UpstreamLostError(), "It may have run", 0),
        (CancelledCallError(), "It may have run", 0),
        (CountersignError("Something else."), "Something else.", 0),
        (RuntimeError("a fault"), "Look whether the call ran.", 0),
    ],
)
async def test_what_fails_is_said_and_never_kept_as_a_result(
    failure: Exception, said: str, released: int
) -> None:
    request = OneRequest()
    run = begun(request, OneServer(failure))
    request.decided.set()
    answer = await run.answer()
    assert answer.result is not None
    assert said in words(answer.result)
    assert (answer.result["isError"], request.released, request.kept) == (True, released, [])


async def test_a_question_is_answered_once_and_what_goes_on_outlives_whoever_waits() -> None:
    request, server = OneRequest(), OneServer({"resultType": "input_required"})
    run = begun(request, server)
    with pytest.raises(CountersignError, match="has not asked anything"):
        run.go_on({"inputResponses": {}})
    request.decided.set()
    assert (await run.answer()).asks_for_input
    server.answers({"content": []})
    run.go_on({"inputResponses": {}})
    with pytest.raises(CountersignError, match="has not asked anything"):
        run.go_on({"inputResponses": {}})
    waiting = asyncio.create_task(run.answer())
    await asyncio.sleep(0)
    waiting.cancel()
    await run.settled()
    assert (len(server.got), len(request.kept)) == (2, 1)

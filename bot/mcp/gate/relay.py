"""Forwards every message between a client and a server, except tool calls: on those it decides."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from bot.gate.gate_file import CallAction, GateFile
from bot.gate.ruling import Ruling, rule_on
from bot.mcp.gate import messages, tasks
from bot.mcp.gate.asking import PeopleAsking
from bot.mcp.gate.call_rules import fault_of_change, question_of
from bot.mcp.gate.held_run import NO_QUESTION, Answer, HeldRun, key_of
from bot.mcp.gate.held_tasks import HeldTasks
from bot.mcp.gate.lines import Lines, LineTooLongError
from bot.mcp.gate.messages import (
    BadMessageError,
    ClientMessage,
    Json,
    MessageKind,
    RequestId,
    ToolCallMessage,
)
from bot.mcp.gate.server_calls import OWN, ServerCalls, is_own
from bot.mcp.gate.tool_schemas import LIST, ToolSchemas
from bot.mcp.gate.upstream import Upstream
from orchestration.domain.errors import CountersignError

log = logging.getLogger(__name__)

PROGRESS_EVERY: Final = 10.0  # seconds
# Far below a server's own progress values, which continue with the same token.
PROGRESS_STEP: Final = 1e-6
# Seconds for which a call that is under way may still end once the client has gone.
LINGER: Final = 30.0
ENDS_WITHIN: Final = 2.0  # seconds for which a server may still send something after its input has ended
# A call whose answer the client has received is asked anew. So many such calls are remembered.
ANSWERS_KNOWN: Final = 10_000


class Relay:
    """Relays messages; see `run`. `name` is the server's name for people.

    `asking` makes the client of Countersign on first use.
    """

    def __init__(
        self,
        client: Lines,
        upstream: Upstream,
        gate: GateFile,
        name: str,
        asking: Callable[[], PeopleAsking],
        *,
        progress_every: float = PROGRESS_EVERY,
        linger: float = LINGER,
    ) -> None:
        self._client = client
        self._upstream = upstream
        self._server_calls = ServerCalls(upstream)
        self._tasks = HeldTasks(self._server_calls, self._connected, self._know_answered, self._follow)
        self._gate = gate
        self._name = name
        self._make_asking = asking
        self._asking: PeopleAsking | None = None
        self._progress_every = progress_every
        self._linger = linger
        self._held: dict[RequestId, asyncio.Task[None]] = {}  # requests of the client that we answer
        self._runs: dict[str, HeldRun] = {}  # by the key of the call
        self._run_of: dict[RequestId, HeldRun] = {}
        self._waiting: dict[str, int] = {}  # how many requests wait for a run
        self._followers: set[asyncio.Task[None]] = set()
        self._answered: dict[str, None] = {}  # keys of calls whose answer this client has received
        self._continued: dict[str, tuple[HeldRun, Any]] = {}  # what the server asked about, with its state
        self._discovering: set[RequestId] = set()
        self._schemas = ToolSchemas()

    # ---- the two directions -----------------------------------------------------------------------------

    async def run(self, stopped: asyncio.Event) -> bool:
        """Relays until the client or server goes, or `stopped` is set. Returns False if the server went first."""
        reading = asyncio.create_task(self._read_client(), name="messages of the client")
        passing = asyncio.create_task(self._pass_answers(), name="messages of the server")
        stopping = asyncio.create_task(stopped.wait(), name="a signal to end")
        await asyncio.wait([reading, passing, stopping], return_when=asyncio.FIRST_COMPLETED)
        server_went_first = passing.done() and not reading.done() and not stopping.done()
        try:
            if server_went_first:
                await self._end_held(
                    f"The server {await self._upstream.ended()}, and this call was not made."
                )
            else:
                await self._leave_held()
                if await self._upstream.send_no_more():
                    await asyncio.wait([passing], timeout=ENDS_WITHIN)
        finally:
            for task in (reading, passing, stopping):
                task.cancel()
            await asyncio.gather(reading, passing, stopping, return_exceptions=True)
        return not server_went_first

    async def _read_client(self) -> None:
        try:
            async for line in self._client.lines():
                if line.strip():
                    await self._from_client(line)
        except LineTooLongError as error:
            log.error("The client is cut off. %s", error)  # noqa: TRY400 - where is no news

    async def _from_client(self, line: bytes) -> None:
        try:
            message = messages.read(line)
            await self._take(message)
        except BadMessageError as error:
            log.warning("%s", error)
            await self._client.send(messages.error(error.request_id, error.code, str(error)))
        except Exception:  # the client waits for an answer, and an undecided message must not pass
            log.exception("A message of the client was not passed on")
            reason = "The gate has failed, and did not pass the message on."
            await self._client.send(messages.error(messages.id_of(line), messages.INTERNAL_ERROR, reason))

    async def _take(self, message: ClientMessage) -> None:
        """Raises `BadMessageError`."""
        if message.kind is MessageKind.REQUEST and message.id in self._held:
            raise BadMessageError("The id is that of a call which still waits.")
        if message.kind is MessageKind.REQUEST and is_own(message.id):
            raise BadMessageError("The id is one of the gate's own.", request_id=message.id)
        if message.method == messages.CALL:
            if message.kind is MessageKind.REQUEST:
                await self._rule(message, messages.call_of(message))
            else:
                log.warning(
                    "A call of a tool without an id was not made: nobody could be told what came of it."
                )
        elif message.method == messages.CANCELLED and message.kind is MessageKind.NOTIFICATION:
            await self._cancel(message)
        elif (
            message.method in tasks.METHODS and (request := tasks.request_of_task(message.params)) is not None
        ):
            if message.kind is MessageKind.REQUEST:
                self._hold(message.id, self._answer_task(message, request))
        else:
            if message.method == messages.DISCOVER and message.kind is MessageKind.REQUEST:
                self._discovering.add(message.id)
            elif message.method == LIST and message.kind is MessageKind.REQUEST:
                self._schemas.asked(message.id)
            await self._upstream.send(message.line)

    async def _pass_answers(self) -> None:
        async for line in self._upstream.lines():
            if self._looks() or OWN.encode() in line:
                await self._look_at(line)
            else:
                await self._client.send(line)
        self._server_calls.lost()

    def _looks(self) -> bool:
        return bool(self._server_calls or self._discovering or self._schemas or self._held)

    async def _look_at(self, line: bytes) -> None:
        """Keeps the answers to our own calls, and forwards the rest."""
        try:
            body = messages.loads(line)
        except ValueError:
            body = None
        found = body.get("id") if isinstance(body, dict) and "method" not in body else None
        if not isinstance(body, dict) or not isinstance(found, (int, str)) or isinstance(found, bool):
            await self._client.send(line)
        elif self._server_calls.take(found, body):
            return
        elif found in self._held:
            log.warning("The server answered a call that it has not been given; that was not passed on.")
        elif found in self._discovering and isinstance(body.get("result"), dict):
            self._discovering.discard(found)
            await self._client.send(messages.write({**body, "result": tasks.with_extension(body["result"])}))
        else:
            self._discovering.discard(found)
            self._schemas.take(found, body)
            await self._client.send(line)

    # ---- calls ------------------------------------------------------------------------------------------

    async def _rule(self, message: ClientMessage, call: ToolCallMessage) -> None:
        ruling = rule_on(self._gate, call.tool, call.arguments, server=self._name)
        if ruling.action is CallAction.ALLOW:
            await self._upstream.send(message.line)
        elif ruling.action is CallAction.DENY:
            reason = ruling.reason or "The gate file denies this call."
            await self._client.send(messages.response(message.id, messages.refusal(reason)))
        else:
            # A server has no client prompt behind it, so calls that a rule leaves to the client are asked about too.
            self._hold(message.id, self._hold_call(message.id, call, ruling))

    def _hold(self, request_id: RequestId, answering: Awaitable[None]) -> None:
        task = asyncio.create_task(
            self._answered_at_all(request_id, answering), name=f"answer to {request_id}"
        )
        self._held[request_id] = task
        task.add_done_callback(lambda _: self._held.pop(request_id, None))

    async def _answered_at_all(self, request_id: RequestId, answering: Awaitable[None]) -> None:
        try:
            await answering
        except Exception:  # a fault of ours: the client waits all the same
            log.exception("A request of the client was not answered")
            line = messages.error(request_id, messages.INTERNAL_ERROR, "The gate has failed.")
            await self._client.send(line)

    async def _hold_call(self, request_id: RequestId, call: ToolCallMessage, ruling: Ruling) -> None:
        key = key_of(call)
        try:
            if call.continues:
                run, answer = await self._go_on(request_id, key, call)
            else:
                run = self._run(key, call, ruling)
                if tasks.declares(call.params):
                    try:
                        answer = await self._tasks.make(run)
                    except asyncio.CancelledError:
                        if not run.tasks and key not in self._waiting:  # nobody else wants it
                            run.leave()
                        raise
                    await self._client.send(_line_of(request_id, answer))
                    return
                answer = await self._wait_for(request_id, key, run, call.progress_token)
        except CountersignError as error:
            await self._client.send(messages.response(request_id, messages.refusal(str(error))))
            return
        if answer.asks_for_input and answer.result is not None:
            self._continued[key] = (run, answer.result.get("requestState"))
        if await self._client.send(_line_of(request_id, answer)) and answer.settles:
            self._know_answered(key)

    def _run(self, key: str, call: ToolCallMessage, ruling: Ruling) -> HeldRun:
        """Returns the run of that call: the current one, or a new one."""
        found = self._runs.get(key)
        if found is not None and not found.done and (found.wanted or found.under_way):
            found.wanted = True
            return found
        question = question_of(call, ruling, self._gate.agent, self._name, self._schemas.of(call.tool))
        run: HeldRun

        async def forward(params: Json) -> Answer:
            return await self._server_calls.make(run, tasks.undeclared(call, params))

        def fault_of(changed: Mapping[str, Any]) -> str | None:
            return fault_of_change(self._gate, self._name, call, ruling, changed)

        resume = key not in self._answered
        run = HeldRun(call, question, self._connected(), forward, fault_of, resume=resume)
        self._runs[key] = run
        run.start()
        self._follow(self._forget(key, run))
        return run

    async def _forget(self, key: str, run: HeldRun) -> None:
        await run.asked.wait()
        if run.request_id is not None:
            # This run has a new answer. Until the client has received it, a repeat may mean that it was lost.
            self._answered.pop(key, None)
        await run.settled()
        if self._runs.get(key) is run:
            del self._runs[key]

    def _follow(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._followers.add(task)
        task.add_done_callback(self._followers.discard)

    async def _wait_for(
        self, request_id: RequestId, key: str, run: HeldRun, token: RequestId | None
    ) -> Answer:
        """Waits for the answer of the run, and sends the client progress notifications meanwhile."""
        self._run_of[request_id] = run
        self._waiting[key] = self._waiting.get(key, 0) + 1
        progress = asyncio.create_task(self._progress(run, token)) if token is not None else None
        try:
            return await run.answer()
        finally:
            if progress is not None:
                progress.cancel()
            self._run_of.pop(request_id, None)
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]
                if not run.done and not run.tasks:
                    run.leave()

    async def _progress(self, run: HeldRun, token: RequestId) -> None:
        await run.asked.wait()
        count = 0
        while not run.under_way and not run.done:
            count += 1
            told = {
                "progressToken": token,
                "progress": round(count * PROGRESS_STEP, 6),
                "message": f"People are asked: {run.request_id}.",
            }
            await self._client.send(messages.notification("notifications/progress", told))
            await asyncio.sleep(self._progress_every)

    async def _go_on(self, request_id: RequestId, key: str, call: ToolCallMessage) -> tuple[HeldRun, Answer]:
        """Continues the call after the server's question was answered.

        Raises `CountersignError` if it asked nothing.
        """
        run, state = self._continued.pop(key, (None, None))
        if run is None or call.params.get("requestState") != state:
            raise CountersignError(NO_QUESTION)
        self._run_of[request_id] = run
        try:
            run.go_on(call.continuing)
            self._tasks.went_on(run)
            return run, await run.answer()
        finally:
            self._run_of.pop(request_id, None)

    async def _cancel(self, message: ClientMessage) -> None:
        """Handles the client's cancellation of a call. A call that is under way is cancelled at the server."""
        cancelled = message.params.get("requestId")
        if not isinstance(cancelled, (int, str)) or (held := self._held.get(cancelled)) is None:
            await self._upstream.send(message.line)
            return
        run = self._run_of.get(cancelled)
        is_last = run is not None and self._waiting.get(run.key, 0) <= 1
        held.cancel()
        if run is not None and is_last:
            await self._server_calls.cancel(run, message.params)

    async def _answer_task(self, message: ClientMessage, approval: str) -> None:
        await self._client.send(await self._tasks.answer(message, approval))

    def _connected(self) -> PeopleAsking:
        """Returns the client of Countersign, made on first use."""
        if self._asking is None:
            self._asking = self._make_asking()
        return self._asking

    def _know_answered(self, key: str) -> None:
        self._answered[key] = None
        if len(self._answered) > ANSWERS_KNOWN:
            del self._answered[next(iter(self._answered))]

    # ---- the end ----------------------------------------------------------------------------------------

    async def _end_held(self, reason: str) -> None:
        """Answers every waiting client request, as the server has gone."""
        for request_id, task in list(self._held.items()):
            run = self._run_of.get(request_id)
            if run is None or not run.under_way:
                task.cancel()
                await self._client.send(messages.response(request_id, messages.refusal(reason)))
        # Runs that are under way notice that the server has gone, and answer so.
        if self._held:
            await asyncio.wait(list(self._held.values()), timeout=self._linger)

    async def _leave_held(self) -> None:
        """Lets calls under way end and stores their results, as the client has gone. Requests to people stay open."""
        under_way = []
        # A run that continues after a server's question is not in `_runs`, which others can join.
        for run in {*self._runs.values(), *self._run_of.values(), *self._tasks.runs}:
            run.leave()
            if run.under_way:
                under_way.append(asyncio.create_task(run.settled()))
        if under_way:
            await asyncio.wait(under_way, timeout=self._linger)
        for task in [*self._held.values(), *self._followers]:
            task.cancel()


def _line_of(request_id: RequestId, answer: Answer) -> bytes:
    if answer.error is not None:
        return messages.write({"jsonrpc": "2.0", "id": request_id, "error": answer.error})
    return messages.response(request_id, answer.result or {})

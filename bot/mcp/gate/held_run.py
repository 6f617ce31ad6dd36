"""One call that waits for people and is made at most once. Repeats of it meanwhile get the same answer."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from bot.mcp.gate.asking import KnownCall, PeopleAsking
from bot.mcp.gate.messages import Json, ToolCallMessage, refusal
from orchestration.domain.arguments import canonical, masked
from orchestration.domain.errors import CountersignError

log = logging.getLogger(__name__)

KEPT_WITHIN: Final = 5.0  # seconds an answer waits to be stored; then storing goes on in the background
STILL_RUNS: Final = 3.0  # seconds to wait for the result of a call that somebody else has claimed
LOOK_EVERY: Final = 0.25  # seconds
INPUT_REQUIRED: Final = "input_required"
UNKNOWN: Final = (
    "This call was approved and claimed before ({id}, {at}), and its result is not known: it may have run, or still "
    "run. It was not made again. Look whether it ran. To have it made again, make the very same call once more, and "
    "people are asked anew."
)
TOO_LARGE: Final = (
    "This call was made before ({id}, done {at}). It was not made again. Its result was too large to be kept."
)
AGAIN: Final = (
    "Countersign: this is the result of the call that was made before ({id}, done {at}). "
    "It was not made again."
)
CHANGED: Final = (
    "Countersign: people changed the arguments before they approved the call. "
    "It was made with these: {arguments}"
)
MAYBE_CHANGED: Final = (
    "Countersign: people changed the arguments before they approved the call. "
    "If it ran, it ran with these: {arguments}"
)
LEFT: Final = (
    "This call was approved ({id}), and cancelled before it was made. It did not run. Make the very same call again to "
    "ask people anew."
)
ENDED: Final = (
    "This call was cancelled while people were asked. Make the very same call again to join their answer."
)
CANCELLED: Final = (
    "The call was cancelled while it ran ({id}). It may have run, and its result is not known. "
    "Look whether it ran."
)
NO_QUESTION: Final = (
    "This goes on with a call that the server has not asked anything about here, so it was not made. Make the call "
    "anew, without inputResponses and requestState."
)
LOST: Final = (
    "The connection to the server was lost while the call ran ({id}). It may have run, and its result is not known. "
    "Look whether it ran."
)


class UpstreamLostError(CountersignError):
    """The server is gone, and whether it got the call cannot be told."""


class CancelledCallError(CountersignError):
    """The client gave the call up while it ran, and the server did not answer any more."""


class NotSentError(CountersignError):
    """The server is gone, and did not get the call."""


@dataclass(frozen=True)
class Answer:
    """The answer to a request: either its result or its error, as JSON-RPC has them.

    `settles`: the client then knows the result of the approval, so a repeat of the call is a new call.
    """

    result: Json | None = None
    error: Json | None = None
    settles: bool = False

    @property
    def asks_for_input(self) -> bool:
        """Whether the server asks the client something before it continues."""
        return self.result is not None and self.result.get("resultType") == INPUT_REQUIRED


# Makes the call at the server. Raises `UpstreamLostError`, `CancelledCallError` or `NotSentError`.
Forward = Callable[[Json], Awaitable[Answer]]
# Returns why the call may not be made with the changed arguments; None if it may.
FaultOf = Callable[[Mapping[str, Any]], str | None]


def key_of(call: ToolCallMessage) -> str:
    """Returns a key that is equal for calls of the same tool with the same arguments."""
    return hashlib.sha256(canonical({"tool": call.tool, "arguments": call.arguments})).hexdigest()


class HeldRun:
    """Asks about a call, waits, claims it, has it made and stores its result. `start` begins; `answer` awaits the end.

    Once it is `under_way`, it must not be cancelled: the approval may be used up already.
    """

    def __init__(
        self,
        call: ToolCallMessage,
        question: Mapping[str, Any],
        asking: PeopleAsking,
        forward: Forward,
        fault_of: FaultOf,
        *,
        resume: bool,
    ) -> None:
        """`question`: how people are asked. `resume`: the answer to an earlier, equal call may have been lost."""
        self.call = call
        self.key = key_of(call)
        self.request_id: str | None = None
        self.under_way = False
        self.wanted = True  # False once everybody who waited has left
        self.is_questioned = False  # whether the server waits for the client's answer to a question
        self.tasks = 0  # the clients that poll a task instead of waiting
        self.asked = asyncio.Event()
        self._question = question
        self._asking = asking
        self._forward = forward
        self._fault_of = fault_of
        self._resume = resume
        self._attempt = secrets.token_urlsafe(24)
        self._approved: Mapping[str, Any] = call.arguments
        self._keeping: asyncio.Task[None] | None = None
        self._task: asyncio.Task[Answer] | None = None

    def start(self) -> None:
        """Starts the run in the background."""
        self._task = asyncio.create_task(self._run(), name=f"call of {self.call.tool}")

    async def answer(self) -> Answer:
        """Waits for the answer. Cancelling this wait does not end the run. The answer of a cancelled run says so."""
        running = self._task
        if running is None:
            raise AssertionError("it was started")
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            me = asyncio.current_task()
            if me is None or me.cancelling() or not running.cancelled():
                raise
            return Answer(refusal(ENDED))

    @property
    def done(self) -> bool:
        """Whether the run has its answer."""
        return self._task is not None and self._task.done()

    def leave(self) -> None:
        """Ends the run, as nobody waits any more. The request to people stays open; a repeat of the call joins it."""
        self.wanted = False
        if not self.under_way and self._task is not None:
            self._task.cancel()

    async def settled(self) -> None:
        """Waits until the call is not under way any more and its result is stored."""
        if self._task is not None:
            await asyncio.wait([self._task])
        if self._keeping is not None:
            await asyncio.wait([self._keeping])

    def go_on(self, more: Mapping[str, Any]) -> None:
        """Continues the call with the client's answer to the server's question.

        Only the first answer to a question counts. `answer` then waits for the continued call. Raises
        `CountersignError` if there is no question.
        """
        if not self.is_questioned:
            raise CountersignError(NO_QUESTION)
        self.is_questioned = False
        self._task = asyncio.create_task(self._answered(self._make(more)), name=f"more of {self.call.tool}")

    async def _run(self) -> Answer:
        try:
            return await self._answered(self._answer())
        finally:
            self.asked.set()

    async def _answered(self, work: Awaitable[Answer]) -> Answer:
        """Returns an answer whatever happens: the client waits for one."""
        try:
            return await work
        except CountersignError as error:
            return Answer(refusal(str(error)))
        except Exception as error:  # a fault of ours
            log.exception("A call of %s failed", self.call.tool)
            reason = f"The gate has failed ({type(error).__name__}). Look whether the call ran."
            return Answer(refusal(reason))

    async def _answer(self) -> Answer:
        self.request_id = request_id = await self._asking.ask(self._question, resume=self._resume)
        self.asked.set()
        ended = await self._asking.ended(request_id)
        if not ended.is_yes:
            return Answer(refusal(f"The call was not made: {ended.words}"))
        self.under_way = True
        claimed = await self._asking.claim(request_id, self._attempt, self._question)
        if claimed is None:
            return Answer(await self._made_before(request_id), settles=True)
        if not self.wanted:
            await self._keep(self._asking.release(request_id, self._attempt))
            return Answer(refusal(LEFT.format(id=request_id)))
        if claimed.arguments is not None:
            if (fault := self._fault_of(claimed.arguments)) is not None:
                await self._keep(self._asking.release(request_id, self._attempt))
                return Answer(refusal(fault), settles=True)
            self._approved = claimed.arguments
        return await self._make({})

    async def _make(self, more: Mapping[str, Any]) -> Answer:
        """Has the claimed call made, or continues it with the params `more`, and stores the result."""
        try:
            answer = await self._forward(self.call.params_with(self._approved, more))
        except NotSentError as error:
            if more:  # the server got the call before it asked; what it did until then is unknown
                return Answer(self._failed(LOST), settles=True)
            await self._keep(self._asking.release(self.request_id or "", self._attempt))
            return Answer(refusal(f"{error} The call was not made."), settles=True)
        except UpstreamLostError:
            return Answer(self._failed(LOST), settles=True)
        except CancelledCallError:
            return Answer(self._failed(CANCELLED), settles=True)
        if answer.asks_for_input:
            self.is_questioned = True
            return answer
        if (changed := self._changed()) and answer.result is not None:
            answer = replace(answer, result=noted(answer.result, CHANGED.format(arguments=changed)))
        elif changed and answer.error is not None:
            told = f"{answer.error.get('message', '')} {CHANGED.format(arguments=changed)}"
            answer = replace(answer, error={**answer.error, "message": told.strip()})
        result = answer.result if answer.result is not None else {"error": answer.error}
        await self._keep(self._asking.keep(self.request_id or "", self._attempt, result))
        return answer

    def _failed(self, words: str) -> Json:
        """Returns the result of a call that may or may not have run. It says what to check."""
        result = refusal(words.format(id=self.request_id))
        changed = self._changed()
        return noted(result, MAYBE_CHANGED.format(arguments=changed)) if changed else result

    def _changed(self) -> str:
        """Returns the changed arguments of the call as text; "" if people changed none.

        They are stored with the result, so none of them is masked.
        """
        if canonical(self._approved) == canonical(self.call.arguments):
            return ""
        shown, _ = masked(self._approved, self._question.get("mask", ()), str)
        return json.dumps(shown, ensure_ascii=False)

    async def _keep(self, keeping: Awaitable[None]) -> None:
        """Stores the result. If that takes long, the answer does not wait for it."""
        self._keeping = asyncio.create_task(self._kept(keeping), name="keep a result")
        await asyncio.wait([self._keeping], timeout=KEPT_WITHIN)

    async def _kept(self, keeping: Awaitable[None]) -> None:
        try:
            await keeping
        except CountersignError as error:
            log.warning("The result of %s is not kept: %s", self.request_id, error)
        except Exception:  # a fault of ours: the client has its answer all the same
            log.exception("The result of %s is not kept", self.request_id)

    async def _made_before(self, request_id: str) -> Json:
        """Returns the answer to a call that another attempt has claimed."""
        known = await self._asking.known(request_id)
        clock = asyncio.get_running_loop()
        until = clock.time() + STILL_RUNS
        while known is not None and known.ran is None and clock.time() < until:
            await asyncio.sleep(LOOK_EVERY)
            known = await self._asking.known(request_id)
        return told_again(request_id, known)


def told_again(request_id: str, known: KnownCall | None) -> Json:
    """Returns the result of a call that was made before, with a note that says so."""
    if known is None:
        return refusal(
            f"The approval {request_id} can no longer be used. Make the very same call again to ask anew."
        )
    at = f"{known.at:%Y-%m-%d %H:%M:%S} UTC" if known.at else "at an unknown time"
    if known.ran is None:
        return refusal(UNKNOWN.format(id=request_id, at=at))
    if known.result is None:
        return refusal(TOO_LARGE.format(id=request_id, at=at))
    if isinstance(failed := known.result.get("error"), dict) and "content" not in known.result:
        return refusal(f"{AGAIN.format(id=request_id, at=at)} It failed: {failed.get('message')}")
    return noted(dict(known.result), AGAIN.format(id=request_id, at=at))


def noted(result: Json, words: str) -> Json:
    """Returns the result with our note at its end."""
    content = result.get("content")
    note = {"type": "text", "text": words}
    return {**result, "content": [*(content if isinstance(content, list) else []), note]}

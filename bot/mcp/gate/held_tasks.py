"""The tasks of the calls that wait, for clients that know the Tasks extension."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from bot.mcp.gate import messages, tasks
from bot.mcp.gate.asking import PeopleAsking
from bot.mcp.gate.held_run import Answer, HeldRun, told_again
from bot.mcp.gate.messages import ClientMessage, Json
from bot.mcp.gate.server_calls import ServerCalls
from bot.mcp.gate.tasks import HeldTask
from orchestration.domain.errors import CountersignError, UnknownRequestError


class HeldTasks:
    """Makes tasks, and answers what is asked about them."""

    def __init__(
        self,
        server_calls: ServerCalls,
        asking: Callable[[], PeopleAsking],
        know_answered: Callable[[str], None],
        follow: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """`know_answered` gets the key of a call whose result the client has; `follow` runs a background task."""
        self._server_calls = server_calls
        self._asking = asking
        self._know_answered = know_answered
        self._follow = follow
        self._tasks: dict[str, HeldTask] = {}  # by the ID of the request

    async def make(self, run: HeldRun) -> Answer:
        """Answers a call: with a task once the request is on disk, or with why nobody could be asked."""
        run.tasks += 1
        try:
            await run.asked.wait()
        except asyncio.CancelledError:  # the client cancelled the call, and has no task for it
            run.tasks -= 1
            raise
        if run.request_id is None:
            return await run.answer()
        task = self._tasks.get(run.request_id)
        if task is None or task.run is not run:
            task = self._tasks[run.request_id] = HeldTask(run)
            self._follow(self._fill(task))
        return Answer(task.created())

    @property
    def runs(self) -> list[HeldRun]:
        """The runs that have a task."""
        return [task.run for task in self._tasks.values()]

    def went_on(self, run: HeldRun) -> None:
        """Updates the run's task, if any, after the server's question was answered without it."""
        task = self._tasks.get(run.request_id or "")
        if task is not None and task.run is run:
            task.input = None
            self._follow(self._fill(task))

    async def _fill(self, task: HeldTask) -> None:
        task.put(await task.run.answer())

    async def answer(self, message: ClientMessage, approval: str) -> bytes:
        """Answers `tasks/get`, `tasks/update` or `tasks/cancel` about the task of that request."""
        if not tasks.declares(message.params):
            reason = "The request does not declare tasks."
            return messages.error(message.id, tasks.MISSING_CAPABILITY, reason, tasks.missing())
        try:
            return messages.response(message.id, await self._result(message, approval))
        except UnknownRequestError:
            return messages.error(message.id, messages.INVALID_PARAMS, "There is no task with that ID.")
        except CountersignError as error:
            return messages.error(message.id, messages.INTERNAL_ERROR, str(error))

    async def _result(self, message: ClientMessage, approval: str) -> Json:
        """Raises `CountersignError`."""
        task = self._tasks.get(approval)
        if task is None:
            return await self._of_before(message, approval)
        if message.method == tasks.CANCEL:
            task.cancelled = not task.run.under_way
            task.run.leave()
            await self._server_calls.cancel(task.run, {"reason": "The client cancelled the task."})
            return {"resultType": "complete"}
        if message.method == tasks.UPDATE:
            asked = task.input
            if asked is not None and asked.result is not None and task.run.is_questioned:
                state = asked.result.get("requestState")
                more: Json = {"inputResponses": message.params.get("inputResponses") or {}}
                more |= {} if state is None else {"requestState": state}
                task.run.go_on(more)
                self.went_on(task.run)
            return {"resultType": "complete"}
        if task.final is not None and task.final.settles:
            self._know_answered(task.run.key)
        return task.shown()

    async def _of_before(self, message: ClientMessage, approval: str) -> Json:
        """Answers for a task that an earlier gate process made. Raises `CountersignError`."""
        ended = await self._asking().look(approval)
        if message.method != tasks.GET:
            return {"resultType": "complete"}
        if ended is None:
            return tasks.shown_before(approval, None)
        if not ended.is_yes:
            return tasks.shown_before(approval, messages.refusal(f"The call was not made: {ended.words}"))
        known = await self._asking().known(approval)
        if known is None:
            return tasks.shown_before(
                approval,
                messages.refusal(
                    f"The call was approved ({approval}), and the gate has been started again since. It was not made. "
                    "Make the very same call again to go on."
                ),
            )
        return tasks.shown_before(approval, told_again(approval, known))

"""The Tasks extension: a client that declares it gets a task for a call that waits, and polls its status."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from bot.mcp.gate.held_run import Answer, HeldRun
from bot.mcp.gate.messages import Json, ToolCallMessage

EXTENSION: Final = "io.modelcontextprotocol/tasks"
CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
MISSING_CAPABILITY: Final = -32021
GET: Final = "tasks/get"
UPDATE: Final = "tasks/update"
CANCEL: Final = "tasks/cancel"
METHODS: Final = frozenset({GET, UPDATE, CANCEL})
_PREFIX: Final = "countersign:"  # the prefix of our task IDs; requests about the server's tasks are forwarded
POLL_EVERY: Final = 2000  # milliseconds


def declares(params: Json) -> bool:
    """Whether the client declares the extension in this request."""
    meta = params.get("_meta")
    capabilities = meta.get(CAPABILITIES) if isinstance(meta, dict) else None
    extensions = capabilities.get("extensions") if isinstance(capabilities, dict) else None
    return isinstance(extensions, dict) and EXTENSION in extensions


def undeclared(call: ToolCallMessage, params: Json) -> Json:
    """Returns the params without the extension, so that the server does not answer with a task of its own."""
    if not declares(call.params):
        return params
    meta = params["_meta"]
    capabilities = meta[CAPABILITIES]
    extensions = {name: value for name, value in capabilities["extensions"].items() if name != EXTENSION}
    return {**params, "_meta": {**meta, CAPABILITIES: {**capabilities, "extensions": extensions}}}


def with_extension(result: Json) -> Json:
    """Returns the answer to `server/discover` with the extension added."""
    found = result.get("capabilities")
    capabilities = found if isinstance(found, dict) else {}
    extensions = capabilities.get("extensions")
    known = extensions if isinstance(extensions, dict) else {}
    return {**result, "capabilities": {**capabilities, "extensions": {EXTENSION: {}, **known}}}


def missing() -> Json:
    """Returns the error data for a client that asks about a task without declaring the extension."""
    return {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}


def task_id(request_id: str) -> str:
    """Returns the ID of a request's task. It is the same after a restart of the gate."""
    return f"{_PREFIX}{request_id}"


def request_of_task(params: Json) -> str | None:
    """Returns the ID of the request that a task belongs to; None if the task is not ours."""
    found = params.get("taskId")
    return found.removeprefix(_PREFIX) if isinstance(found, str) and found.startswith(_PREFIX) else None


class HeldTask:
    """The task of one run."""

    def __init__(self, run: HeldRun) -> None:
        self.run = run
        self.cancelled = False
        self.input: Answer | None = None  # what the server asks the client before it continues
        self.final: Answer | None = None
        self._begun = self._changed = datetime.now(UTC)

    def put(self, answer: Answer) -> None:
        """Sets the run's result, or the input that it needs."""
        self._changed = datetime.now(UTC)
        self.input, self.final = (answer, None) if answer.asks_for_input else (None, answer)

    def created(self) -> Json:
        """The answer to the call itself."""
        return {**self._task("working"), "resultType": "task"}

    def shown(self) -> Json:
        """The answer to `tasks/get`."""
        if self.cancelled:
            return {**self._task("cancelled"), "resultType": "complete"}
        if self.final is not None:
            return {**self._finished(self.final), "resultType": "complete"}
        if self.input is not None and self.input.result is not None and self.run.is_questioned:
            requests = self.input.result.get("inputRequests") or {}
            return {**self._task("input_required"), "inputRequests": requests, "resultType": "complete"}
        return {**self._task("working"), "resultType": "complete"}

    def _finished(self, answer: Answer) -> Json:
        if answer.error is not None:
            return {**self._task("failed"), "error": answer.error}
        return {**self._task("completed"), "result": answer.result}

    def _task(self, status: str) -> Json:
        return task(self.run.request_id or "", status, self._begun, self._changed)


def task(request_id: str, status: str, begun: datetime, changed: datetime) -> Json:
    """A task. It lasts as long as the request, so no time to live is given."""
    waiting = {"statusMessage": f"People are asked: {request_id}."} if status == "working" else {}
    return {
        "taskId": task_id(request_id),
        "status": status,
        **waiting,
        "createdAt": begun.isoformat(),
        "lastUpdatedAt": changed.isoformat(),
        "ttlMs": None,
        "pollIntervalMs": POLL_EVERY,
    }


def shown_before(request_id: str, result: Json | None) -> Json:
    """Returns the answer to `tasks/get` about an earlier gate's task: its result, or that people are still asked."""
    now = datetime.now(UTC)
    if result is None:
        return {**task(request_id, "working", now, now), "resultType": "complete"}
    return {**task(request_id, "completed", now, now), "result": result, "resultType": "complete"}

"""The span of a turn, under the span of what caused the turn; and one of the whole orchestration, when it has ended.

What a turn has done begins under the span of the turn. So a trace leads from a click over the event that it raised, and
the turn that took the event, to the edit of the card. The span of the whole orchestration is the SDK's, under the
span of who started it; turns of timers are under it, and those of events have a link to it.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Self

from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.internal import tracing
from google.protobuf import timestamp_pb2
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, TraceFlags

from orchestration import telemetry
from orchestration.sealing import envelope

# Which of what is done for the orchestration says by which span it was asked for, and which event answers it.
_ANSWERED: Final = {
    "taskCompleted": "taskScheduled",
    "taskFailed": "taskScheduled",
    "subOrchestrationInstanceCompleted": "subOrchestrationInstanceCreated",
    "subOrchestrationInstanceFailed": "subOrchestrationInstanceCreated",
}
_SPAN_ID: Final = re.compile(r"[0-9a-f]{16}")
_WORD: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")


class TurnSpan:
    """The span of one turn of an orchestration. Does nothing when tracing is off."""

    def __init__(self, request: pb.OrchestratorRequest, name: str) -> None:
        self._instance_id = request.instanceId
        self._name = name
        self._span: Span | None = None
        if telemetry.traced():
            self._started = _start_of(request)
            self._life, self._begun = self._whole(request)
            self._causes = [cause for cause in map(telemetry.read, _causes(request)) if cause is not None]

    @contextmanager
    def open(self) -> Iterator[Self]:
        """Opens the span. The turn has to run inside this context."""
        if not telemetry.traced():
            yield self
            return
        parent, *others = [*self._causes, *([self._life] if self._life else ())] or [None]
        with telemetry.span(
            f"orchestration_turn:{self._name}",
            SpanKind.CONSUMER,
            attributes={
                tracing.ATTR_TASK_TYPE: tracing.TASK_TYPE_ORCHESTRATION,
                tracing.ATTR_TASK_NAME: self._name,
                telemetry.INSTANCE: self._instance_id,
            },
            parent=telemetry.within(parent) if parent else None,
            links=[Link(other) for other in _once(others)],
        ) as self._span:
            yield self

    def carry(self, response: pb.OrchestratorResponse, status: str | None) -> None:
        """Makes this span the parent of what the turn asks for, and passes on the whole orchestration's span.

        `status` is the custom status that the turn publishes, as JSON.
        """
        if self._span is None:
            return
        self._describe(self._span, status)
        here = self._span.get_span_context()
        for action in response.actions:
            kind = action.WhichOneof("orchestratorActionType")
            if kind in {"scheduleTask", "createSubOrchestration"} and here.is_valid:
                asked = getattr(action, kind)
                asked.parentTraceContext.CopyFrom(_on_the_wire(here))
            elif kind == "completeOrchestration":
                self._end(action.completeOrchestration)
        if self._life:
            response.orchestrationTraceContext.spanID.value = f"{self._life.span_id:016x}"
            response.orchestrationTraceContext.spanStartTime.FromNanoseconds(self._begun)

    @staticmethod
    def _describe(span: Span, status: str | None) -> None:
        """Adds the policy and the status that the turn publishes to the span, and nothing else."""
        try:
            said = json.loads(status or "null")
        except ValueError:
            return
        if not isinstance(said, dict):
            return
        for name, key in ((telemetry.POLICY, "policy"), (telemetry.STATUS, "status")):
            word = said.get(key)
            if isinstance(word, str) and _WORD.fullmatch(word):
                span.set_attribute(name, word)

    def _whole(self, request: pb.OrchestratorRequest) -> tuple[SpanContext | None, int]:
        """The span of the whole orchestration, and when it began, in nanoseconds; None if it is not traced."""
        parent = telemetry.read(self._started.traceParent) if self._started else None
        if parent is None:
            return None, 0
        kept = request.orchestrationTraceContext
        # The hub may send anything here, and no turn may fail because of it.
        known = int(kept.spanID.value, 16) if _SPAN_ID.fullmatch(kept.spanID.value) else 0
        span_id = known or secrets.randbits(64) or 1
        begun = (
            kept.spanStartTime.ToNanoseconds() if known and _is_time(kept.spanStartTime) else time.time_ns()
        )
        flags = TraceFlags(parent.trace_flags)
        return SpanContext(parent.trace_id, span_id, is_remote=True, trace_flags=flags), begun

    def _end(self, done: pb.CompleteOrchestrationAction) -> None:
        if self._life is None:
            return
        tracing.emit_orchestration_span(
            self._name,
            self._instance_id,
            self._begun,
            is_failed=done.orchestrationStatus == pb.ORCHESTRATION_STATUS_FAILED,
            parent_trace_context=self._started,
            orchestration_trace_context=_on_the_wire(self._life),
        )


def _start_of(request: pb.OrchestratorRequest) -> pb.TraceContext | None:
    """The span of who started the orchestration."""
    for events in (request.pastEvents, request.newEvents):
        for event in events:
            if event.HasField("executionStarted"):
                started = event.executionStarted
                # Kept apart from the event, which is read and changed later.
                return pb.TraceContext.FromString(started.parentTraceContext.SerializeToString())
    return None


def _causes(request: pb.OrchestratorRequest) -> Iterator[str]:
    """The traces of the turn's new events: raised events first, then answers to what was asked for."""
    answers: list[str] = []
    calls: dict[tuple[str, int], str] | None = None
    for event in request.newEvents:
        kind = event.WhichOneof("eventType") or ""
        if kind == "eventRaised":
            yield envelope.trace_of(event.eventRaised.input.value)
        elif kind in _ANSWERED:
            calls = _calls(request.pastEvents) if calls is None else calls
            number = getattr(event, kind).taskScheduledId
            answers.append(calls.get((_ANSWERED[kind], number), ""))
    yield from answers


def _calls(past: Sequence[pb.HistoryEvent]) -> dict[tuple[str, int], str]:
    asked = frozenset(_ANSWERED.values())
    found: dict[tuple[str, int], str] = {}
    for event in past:
        kind = event.WhichOneof("eventType") or ""
        if kind in asked:
            found[kind, event.eventId] = getattr(event, kind).parentTraceContext.traceParent
    return found


def _once(contexts: Sequence[SpanContext]) -> list[SpanContext]:
    return list({context.span_id: context for context in contexts}.values())


def _is_time(given: timestamp_pb2.Timestamp) -> bool:
    """Whether it can be a real time: between 1970 and the year 9999."""
    return 0 < given.seconds < 253_402_300_800 and 0 <= given.nanos < 1_000_000_000


def _on_the_wire(context: SpanContext) -> Any:
    return pb.TraceContext(traceParent=telemetry.written(context), spanID=f"{context.span_id:016x}")

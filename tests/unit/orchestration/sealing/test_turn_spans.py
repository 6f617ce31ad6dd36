"""The parent span of a turn: that of the event or answer it handles, else that of the orchestration."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from orchestration import telemetry
from orchestration.sealing import envelope
from orchestration.sealing.turn_spans import TurnSpan

ASKED = f"00-{'a' * 32}-{'1' * 16}-01"
PRESSED = f"00-{'b' * 32}-{'2' * 16}-01"
PRESSED_TOO = f"00-{'c' * 32}-{'3' * 16}-01"
CALLED = f"00-{'d' * 32}-{'4' * 16}-01"
WHOLE = pb.OrchestrationTraceContext(spanID=StringValue(value="5" * 16))

Take = Callable[..., tuple[ReadableSpan, pb.OrchestratorResponse]]


@pytest.fixture
def take(monkeypatch: pytest.MonkeyPatch) -> Take:
    """Takes a turn of these events, and gives its span and its answer."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    monkeypatch.setattr(telemetry._Switch, "on", True)

    def take(
        *new: pb.HistoryEvent, asked: str = ASKED, whole: pb.OrchestrationTraceContext = WHOLE
    ) -> tuple[ReadableSpan, pb.OrchestratorResponse]:
        context = pb.TraceContext(traceParent=asked)
        past = [
            pb.HistoryEvent(
                executionStarted=pb.ExecutionStartedEvent(name="approval", parentTraceContext=context)
            ),
            pb.HistoryEvent(
                eventId=7,
                taskScheduled=pb.TaskScheduledEvent(parentTraceContext=pb.TraceContext(traceParent=CALLED)),
            ),
        ]
        request = pb.OrchestratorRequest(
            instanceId="p-1", pastEvents=past, newEvents=new, orchestrationTraceContext=whole
        )
        response = pb.OrchestratorResponse(
            actions=[pb.OrchestratorAction(scheduleTask=pb.ScheduleTaskAction())]
        )
        with TurnSpan(request, "approval").open() as span:
            span.carry(response, '{"policy": "purchase", "status": "pending", "title": "Steel"}')
        [found] = kept.get_finished_spans()
        return found, response

    return take


def raised(text: str) -> pb.HistoryEvent:
    return pb.HistoryEvent(eventRaised=pb.EventRaisedEvent(name="e", input=StringValue(value=text)))


def pressed(by: str) -> pb.HistoryEvent:
    return raised(envelope.put("seal", "{}", by))


FIRED = pb.HistoryEvent(timerFired=pb.TimerFiredEvent(timerId=1))
ANSWERED = pb.HistoryEvent(taskCompleted=pb.TaskCompletedEvent(taskScheduledId=7))


@pytest.mark.parametrize(
    ("new", "parent", "links"),
    [
        ([FIRED], "5", ""),
        ([raised('{"a": 1}')], "5", ""),
        ([raised('{"$seal":"s","$trace":"nonsense"}')], "5", ""),
        ([pressed(PRESSED)], "2", "5"),
        ([ANSWERED], "4", "5"),
        ([ANSWERED, pressed(PRESSED), FIRED, pressed(PRESSED_TOO)], "2", "345"),
    ],
)
def test_a_turn_is_under_what_caused_it(
    take: Take, new: list[pb.HistoryEvent], parent: str, links: str
) -> None:
    span, _ = take(*new)
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == parent * 16
    assert {f"{link.context.span_id:016x}" for link in span.links} == {link * 16 for link in links}


@pytest.mark.parametrize(
    "said",
    [
        pb.OrchestrationTraceContext(spanID=StringValue(value="nonsense")),
        pb.OrchestrationTraceContext(spanID=StringValue(value="-1")),
        pb.OrchestrationTraceContext(
            spanID=StringValue(value="5" * 16), spanStartTime=Timestamp(seconds=2**62, nanos=-1)
        ),
    ],
)
def test_no_turn_fails_by_what_the_hub_says_of_its_trace(
    take: Take, said: pb.OrchestrationTraceContext
) -> None:
    _, response = take(FIRED, whole=said)
    kept = response.orchestrationTraceContext
    assert telemetry.read(f"00-{'a' * 32}-{kept.spanID.value}-01")
    assert kept.spanStartTime.ToDatetime()


def test_what_it_asks_for_begins_under_it_and_it_says_words_of_ours(take: Take) -> None:
    span, response = take(pressed(PRESSED))
    asked = response.actions[0].scheduleTask.parentTraceContext
    context = span.get_span_context()
    assert context is not None
    assert asked.traceParent == telemetry.written(context)
    assert asked.traceParent.startswith(f"00-{'b' * 32}-")
    assert response.orchestrationTraceContext.spanID.value == "5" * 16
    assert dict(span.attributes or {}) == {
        "durabletask.type": "orchestration",
        "durabletask.task.name": "approval",
        telemetry.INSTANCE: "p-1",
        telemetry.POLICY: "purchase",
        telemetry.STATUS: "pending",
    }


def test_the_first_turn_gives_the_whole_its_span(take: Take) -> None:
    span, response = take(FIRED, whole=pb.OrchestrationTraceContext())
    assert span.parent is not None
    assert response.orchestrationTraceContext.spanID.value == f"{span.parent.span_id:016x}"
    assert response.orchestrationTraceContext.spanStartTime.seconds > 0


def test_what_nobody_traced_at_its_start_has_traces_of_its_turns(take: Take) -> None:
    span, response = take(FIRED, asked="", whole=pb.OrchestrationTraceContext())
    assert (span.parent, span.links) == (None, ())
    assert not response.HasField("orchestrationTraceContext")

"""Only safe parts of a span leave the process, whatever a library has put into it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, StatusCode

from bot.telemetry.redaction import Redactor
from bot.telemetry.scrubbing import LONGEST, ScrubbingExporter
from orchestration import telemetry

NUMBER = "+12025550142"
PARENT = telemetry.read(f"00-{'1' * 32}-{'2' * 16}-01")


def sent(name: str, **attributes: Any) -> ReadableSpan:
    """The exported form of a span with these attributes and an error that holds a phone number."""
    assert PARENT is not None
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(ScrubbingExporter(kept, Redactor())))
    tracer = provider.get_tracer("durabletask")
    links = [Link(PARENT, {"text": NUMBER})]
    with suppress(ValueError), tracer.start_as_current_span(name, attributes=attributes, links=links) as span:
        span.add_event("sent", {"to": NUMBER})
        raise ValueError(f"no message to {NUMBER}")
    [found] = kept.get_finished_spans()
    return found


def test_an_error_is_the_name_of_its_class() -> None:
    found = sent("activity:send_code")
    assert (found.status.status_code, found.status.description) == (StatusCode.ERROR, None)
    [event] = found.events
    assert (event.name, dict(event.attributes or {})) == ("exception", {"exception.type": "ValueError"})
    assert dict(found.attributes or {}) == {"error.type": "ValueError"}
    assert NUMBER not in found.to_json()


def test_only_known_attributes_go_and_their_values_are_looked_through() -> None:
    found = sent(
        f"create_orchestration:{NUMBER}",
        **{
            telemetry.INSTANCE: f"code-for-{NUMBER}",
            telemetry.ACTION: "x" * 1000,
            "http.response.status_code": 502,
            telemetry.POLICY: ["a", "list"],
            "db.statement": "everything",
        },
    )
    assert dict(found.attributes or {}) == {
        telemetry.INSTANCE: "code-for-+12025550142".replace(NUMBER, "[number]"),
        telemetry.ACTION: "x" * LONGEST,
        "http.response.status_code": 502,
        telemetry.ERROR: "ValueError",
    }
    assert found.name == "create_orchestration:[number]"


def test_a_span_keeps_its_place_and_its_times() -> None:
    found = sent("x")
    [link] = found.links
    assert (link.context, dict(link.attributes or {})) == (PARENT, {})
    assert found.start_time
    assert found.end_time
    assert found.start_time <= found.end_time
    context = found.get_span_context()
    assert context is not None
    assert context.is_valid

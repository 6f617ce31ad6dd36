"""Limits what is exported of a span: its times, its place in the trace, and a few known attributes.

Libraries put the text of an error, its traceback and more into spans. None of that is sent: only the class of an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link, Status

from orchestration import telemetry

LONGEST: Final = 200  # characters of a name or a value
KNOWN: Final = frozenset(
    {
        telemetry.INSTANCE,
        telemetry.ACTION,
        telemetry.POLICY,
        telemetry.STATUS,
        telemetry.ERROR,
        "durabletask.type",
        "durabletask.task.name",
        "durabletask.task.status",
        "durabletask.task.task_id",
        "durabletask.task.version",
        "durabletask.event.target_instance_id",
        "durabletask.fire_at",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "server.address",
        "slack.interaction",
        "slack.method",
    }
)
EXCEPTION: Final = "exception"
EXCEPTION_TYPE: Final = "exception.type"


class ScrubbingExporter(SpanExporter):
    """Passes the allowed parts of spans to `exporter`. `redact` removes secrets from a text."""

    def __init__(self, exporter: SpanExporter, redact: Callable[[str], str]) -> None:
        self._exporter = exporter
        self._redact = redact

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """As the exporter's own."""
        return self._exporter.export([self._clean(span) for span in spans])

    def shutdown(self) -> None:
        """As the exporter's own."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """As the exporter's own."""
        return self._exporter.force_flush(timeout_millis)

    def _clean(self, span: ReadableSpan) -> ReadableSpan:
        attributes = self._attributes(span.attributes or {}, KNOWN)
        events = []
        for event in span.events:
            if event.name == EXCEPTION:
                kind = self._attributes(event.attributes or {}, frozenset({EXCEPTION_TYPE}))
                events.append(Event(EXCEPTION, kind, event.timestamp))
                attributes.setdefault(telemetry.ERROR, str(kind.get(EXCEPTION_TYPE, EXCEPTION)))
        return ReadableSpan(
            name=self._short(span.name),
            context=span.get_span_context(),
            parent=span.parent,
            resource=span.resource,
            attributes=attributes,
            events=events,
            links=[Link(link.context) for link in span.links],
            kind=span.kind,
            status=Status(span.status.status_code),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )

    def _attributes(self, given: Mapping[str, object], known: frozenset[str]) -> dict[str, str | int]:
        return {
            name: value if isinstance(value, int) else self._short(str(value))
            for name, value in given.items()
            if name in known and isinstance(value, str | int)
        }

    def _short(self, text: str) -> str:
        return self._redact(text)[:LONGEST]

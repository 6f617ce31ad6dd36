"""The IDs of the present work for the lines of the log, and its spans where traces are on.

Each entry point begins a `work`: an HTTP request, an interaction in Slack, a turn, an activity. Everything within
it has the same IDs. Only IDs, names of ours and codes go into a span, never what people wrote: `bot.telemetry` lets
no other attribute out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, StatusCode, TraceFlags

INSTANCE: Final = "durabletask.task.instance_id"  # the name that the SDK uses in its own spans
ACTION: Final = "countersign.action"
POLICY: Final = "countersign.policy"
STATUS: Final = "countersign.status"
ERROR: Final = "error.type"

# Only version 00 of W3C Trace Context: the value travels within a quoted text, so it must not hold a quote.
_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_NOTHING: Final[Mapping[str, str]] = {}
_about: ContextVar[Mapping[str, str]] = ContextVar("countersign_about", default=_NOTHING)


class _Switch:
    """Whether spans are made in this process."""

    on = False


def switch_on() -> None:
    """Switches spans on, made by the tracer provider of this process."""
    _Switch.on = True


def traced() -> bool:
    """Whether spans are made."""
    return _Switch.on


def about() -> Mapping[str, str]:
    """The IDs of the present work, by their names in the log."""
    return _about.get()


@contextmanager
def work(ids: Mapping[str, str]) -> Iterator[None]:
    """A context whose log lines carry these IDs, besides those of the enclosing work."""
    token = _about.set({**_about.get(), **ids})
    try:
        yield
    finally:
        _about.reset(token)


def concerns(instance_id: str) -> None:
    """Adds the instance's ID to the rest of the present work: to its log lines, and to the open span."""
    _about.set({**_about.get(), "instance_id": instance_id})
    describe(INSTANCE, instance_id)


def describe(attribute: str, value: str) -> None:
    """Sets an attribute of the open span."""
    if _Switch.on:
        trace.get_current_span().set_attribute(attribute, value)


def no_span() -> AbstractContextManager[Span]:
    """Takes the place of a span, for work that needs none."""
    return nullcontext(trace.INVALID_SPAN)


def class_of(error: Exception) -> str:
    """The name of the error's class. Its text is left out, as it may hold anything."""
    return type(error).__name__


@contextmanager
def span(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    *,
    attributes: Mapping[str, str | int] = _NOTHING,
    parent: Context | None = None,
    links: Sequence[Link] = (),
    why: Callable[[Exception], str] = class_of,
) -> Iterator[Span]:
    """A span around the work in this context; nothing where traces are off. `parent` is by default the present span.

    An exception marks the span as failed. `why` returns the error's code, or an empty text if the exception is no
    failure.
    """
    if not _Switch.on:
        yield trace.INVALID_SPAN
        return
    with trace.get_tracer("countersign").start_as_current_span(
        name,
        context=parent,
        kind=kind,
        attributes=attributes,
        links=links,
        record_exception=False,
        set_status_on_exception=False,
    ) as made:
        try:
            yield made
        except Exception as error:
            if code := why(error):
                failed(made, code)
            raise


def call(
    name: str, why: Callable[[Exception], str] = class_of, attributes: Mapping[str, str | int] = _NOTHING
) -> AbstractContextManager[Span]:
    """A span of one call to the outside. It is made only within an open trace, so background calls begin no trace."""
    if not _Switch.on or not trace.get_current_span().get_span_context().is_valid:
        return no_span()
    return span(name, SpanKind.CLIENT, attributes=attributes, why=why)


def failed(made: Span, why: str) -> None:
    """Marks the span as failed. `why` is a code, or the name of a class."""
    made.set_attribute(ERROR, why)
    made.set_status(StatusCode.ERROR)


def traceparent() -> str:
    """The present span as a W3C `traceparent`; empty where there is none."""
    return written(trace.get_current_span().get_span_context()) if _Switch.on else ""


def written(context: SpanContext) -> str:
    """The span as a W3C `traceparent`; empty if it is not valid."""
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 1:02x}"


def read(text: str) -> SpanContext | None:
    """The span that a `traceparent` names; None if the text is not valid."""
    found = _TRACEPARENT.fullmatch(text)
    if found is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags & 1))
    return context if context.is_valid else None


def within(parent: SpanContext) -> Context:
    """The context with which a child span of `parent` is begun."""
    return trace.set_span_in_context(trace.NonRecordingSpan(parent), Context())

"""What the present work is about, for the lines of the log; and its spans, where traces are on.

Each way in begins a `work`: an HTTP request, an interaction in Slack, a turn, an activity. What begins within it is
about the same. IDs, names of ours and codes go into a span, and never what people wrote: `bot.telemetry` lets no other
attribute out.
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

INSTANCE: Final = "durabletask.task.instance_id"  # as the SDK names it in spans of its own
ACTION: Final = "countersign.action"
POLICY: Final = "countersign.policy"
STATUS: Final = "countersign.status"
ERROR: Final = "error.type"

# What W3C Trace Context calls version 00, and no other: it travels in one text that ends at a quote.
_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_NOTHING: Final[Mapping[str, str]] = {}
_about: ContextVar[Mapping[str, str]] = ContextVar("countersign_about", default=_NOTHING)


class _Switch:
    """Whether spans are made in this process."""

    on = False


def switch_on() -> None:
    """Has spans made from now on, by the tracer provider of this process."""
    _Switch.on = True


def traced() -> bool:
    """Whether spans are made."""
    return _Switch.on


def about() -> Mapping[str, str]:
    """What the present work is about: IDs by their names in the log."""
    return _about.get()


@contextmanager
def work(ids: Mapping[str, str]) -> Iterator[None]:
    """Lines that are logged meanwhile have these IDs, besides those that are there already."""
    token = _about.set({**_about.get(), **ids})
    try:
        yield
    finally:
        _about.reset(token)


def concerns(instance_id: str) -> None:
    """The rest of the present work is about this instance: its lines, and the span that is open."""
    _about.set({**_about.get(), "instance_id": instance_id})
    describe(INSTANCE, instance_id)


def describe(attribute: str, value: str) -> None:
    """Says that of the span that is open."""
    if _Switch.on:
        trace.get_current_span().set_attribute(attribute, value)


def no_span() -> AbstractContextManager[Span]:
    """In place of one, for what is not worth a span."""
    return nullcontext(trace.INVALID_SPAN)


def class_of(error: Exception) -> str:
    """The name of its class: the text may say anything."""
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
    """A span of what is done meanwhile; nothing where traces are off. `parent` is the present span, if it is not given.

    What is raised makes it a failed one. `why` gives a code for that; an empty one where it is no failure.
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
    """A span of one call to the outside, if a trace is open: calls that nobody's act has made begin none."""
    if not _Switch.on or not trace.get_current_span().get_span_context().is_valid:
        return no_span()
    return span(name, SpanKind.CLIENT, attributes=attributes, why=why)


def failed(made: Span, why: str) -> None:
    """Says that what the span is of has failed. `why` is a code, or the name of a class."""
    made.set_attribute(ERROR, why)
    made.set_status(StatusCode.ERROR)


def traceparent() -> str:
    """The present span, as W3C Trace Context writes it; empty where there is none."""
    return written(trace.get_current_span().get_span_context()) if _Switch.on else ""


def written(context: SpanContext) -> str:
    """The same for any span; empty for one that is not valid."""
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 1:02x}"


def read(text: str) -> SpanContext | None:
    """The span that a `traceparent` names; None where it names none."""
    found = _TRACEPARENT.fullmatch(text)
    if found is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags & 1))
    return context if context.is_valid else None


def within(parent: SpanContext) -> Context:
    """What a span is begun with, to be a child of that one."""
    return trace.set_span_in_context(trace.NonRecordingSpan(parent), Context())

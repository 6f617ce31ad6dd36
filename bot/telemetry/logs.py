"""The log: one line an event on standard error, as JSON or as text.

Every module logs through `logging`, as libraries do. Each line names its request or instance (see
`orchestration.telemetry`) and its trace. Secrets are removed in the last step.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, TextIO

import structlog
from opentelemetry import trace
from structlog.typing import EventDict, WrappedLogger

from bot.telemetry.log_formats import JSON, TEXT
from bot.terminal import plain
from orchestration import telemetry

# The general members of a line, in the order in which they are written.
_HEAD: Final = ("time", "level", "logger", "message")
_TAIL: Final = ("exception", "stack")
# Members that this module makes. They need no redaction.
_OURS: Final = frozenset({"time", "level", "request_id", "trace_id", "span_id"})

_WORD: Final = re.compile(r"[^\s\"=]+")

log = logging.getLogger(__name__)


def set_up(form: str | None, redact: Callable[[str], str]) -> None:
    """Sets the root logger up, from level INFO. Without a given format, a terminal gets text and anything else JSON."""
    handler = _StandardError()
    handler.setFormatter(formatter(form or (TEXT if _on_a_terminal() else JSON), redact))
    root = logging.getLogger()
    for other in [*root.handlers]:
        if type(other) in {
            logging.StreamHandler,
            _StandardError,
        }:  # the command line's handlers; a test's own handler is neither
            root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    threading.excepthook = _log_of_thread


def formatter(form: str, redact: Callable[[str], str]) -> logging.Formatter:
    """Returns a formatter for any handler. `redact` removes secrets from a text."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            _add_time,
            _add_context,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("message"),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _Redaction(redact),
            _as_json if form == JSON else _as_text,
        ],
    )


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to standard error.

    If a line cannot be formatted, it writes that the line is missing, without its content.
    """

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - as logging calls it
        """Reports a line that failed. The default of `logging` would print its values without redaction."""
        with suppress(Exception):
            self.stream.write(
                f"a line of {record.name} could not be written ({record.pathname}:{record.lineno})\n"
            )


class _Redaction:
    """Redacts every value, and removes control characters from values that others wrote."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        """Returns all values as redacted text."""
        return {name: self._clean(name, str(value)) for name, value in event.items()}

    def _clean(self, name: str, value: str) -> str:
        if name in _OURS:
            return value
        value = self._redact(value)
        # Redacts a second time: a removed control character may have split a secret.
        return self._redact("\n".join(map(plain, value.splitlines())) if name in _TAIL else plain(value))


def _as_json(_: WrappedLogger, __: str, event: EventDict) -> str:
    order = [*_HEAD, *(name for name in event if name not in {*_HEAD, *_TAIL}), *_TAIL]
    return json.dumps({name: event[name] for name in order if name in event}, ensure_ascii=False)


def _as_text(_: WrappedLogger, __: str, event: EventDict) -> str:
    """Returns the line as text, with values that others wrote at the end.

    Lines of a traceback start with a space: none looks like an event.
    """
    about = "".join(
        f" {name}={_in_one_word(value)}" for name, value in event.items() if name not in {*_HEAD, *_TAIL}
    )
    tail = "".join(f"\n {row}" for name in _TAIL for row in event.get(name, "").splitlines())
    return f"{event['time']} {event['level'].upper():<7} {event['logger']}{about}  {event['message']}{tail}"


def _in_one_word(value: str) -> str:
    """Returns the ID unchanged; in quotes if it has blanks."""
    return value if _WORD.fullmatch(value) else json.dumps(value, ensure_ascii=False)


def _on_a_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _add_time(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Adds the time in UTC, with milliseconds."""
    at = datetime.fromtimestamp(event["_record"].created, UTC)
    event["time"] = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return event


def _add_context(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Adds the context of the current thread and task: the request or instance that the work is about."""
    event.update(telemetry.about())
    if telemetry.traced() and (context := trace.get_current_span().get_span_context()).is_valid:
        event["trace_id"] = f"{context.trace_id:032x}"
        event["span_id"] = f"{context.span_id:016x}"
    return event


def _log_of_thread(failed: threading.ExceptHookArgs) -> None:
    """Logs the error that ended a thread, so that its traceback is redacted too."""
    if failed.exc_value is not None and not isinstance(failed.exc_value, SystemExit):
        name = failed.thread.name if failed.thread else "?"
        log.error("the thread %s has failed", name, exc_info=failed.exc_value)

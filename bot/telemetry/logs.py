"""The log: one line an event on standard error, as JSON or as text.

Every module logs through `logging`, as libraries do. Each line says what it is about (see `orchestration.telemetry`)
and in which trace; secrets are taken out of it last.
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

# Members of a line that are not what the work is about, in the order in which they are written.
_HEAD: Final = ("time", "level", "logger", "message")
_TAIL: Final = ("exception", "stack")
# Made here, so there is nothing in them to look for.
_OURS: Final = frozenset({"time", "level", "request_id", "trace_id", "span_id"})

_WORD: Final = re.compile(r"[^\s\"=]+")

log = logging.getLogger(__name__)


def set_up(form: str | None, redact: Callable[[str], str]) -> None:
    """Has the root logger write lines of that form, from INFO on. Without one it is text on a terminal, else JSON."""
    handler = _StandardError()
    handler.setFormatter(formatter(form or (TEXT if _on_a_terminal() else JSON), redact))
    root = logging.getLogger()
    for other in [*root.handlers]:
        if type(other) in {
            logging.StreamHandler,
            _StandardError,
        }:  # of the command line; a test's own handler is neither
            root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    threading.excepthook = _log_of_thread


def formatter(form: str, redact: Callable[[str], str]) -> logging.Formatter:
    """For a handler of any logger. `redact` takes what must not be seen out of a text."""
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
    """Writes to standard error. A line that cannot be made is said to be missing, without what was to be in it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - as logging calls it
        """Logging itself would print the values, which nothing is taken out of then."""
        with suppress(Exception):
            self.stream.write(
                f"a line of {record.name} could not be written ({record.pathname}:{record.lineno})\n"
            )


class _Redaction:
    """Takes what must not be seen out of every value, and the control characters of what others wrote."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        """All values as text."""
        return {name: self._clean(name, str(value)) for name, value in event.items()}

    def _clean(self, name: str, value: str) -> str:
        if name in _OURS:
            return value
        value = self._redact(value)
        # Again, as what is taken out may have stood in the middle of what must not be seen.
        return self._redact("\n".join(map(plain, value.splitlines())) if name in _TAIL else plain(value))


def _as_json(_: WrappedLogger, __: str, event: EventDict) -> str:
    order = [*_HEAD, *(name for name in event if name not in {*_HEAD, *_TAIL}), *_TAIL]
    return json.dumps({name: event[name] for name in order if name in event}, ensure_ascii=False)


def _as_text(_: WrappedLogger, __: str, event: EventDict) -> str:
    """What others wrote stands last. A traceback follows on lines of its own, each behind a space: none is an event."""
    about = "".join(
        f" {name}={_in_one_word(value)}" for name, value in event.items() if name not in {*_HEAD, *_TAIL}
    )
    tail = "".join(f"\n {row}" for name in _TAIL for row in event.get(name, "").splitlines())
    return f"{event['time']} {event['level'].upper():<7} {event['logger']}{about}  {event['message']}{tail}"


def _in_one_word(value: str) -> str:
    """An ID as it is; in quotes where somebody has given it blanks."""
    return value if _WORD.fullmatch(value) else json.dumps(value, ensure_ascii=False)


def _on_a_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _add_time(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """UTC, with milliseconds."""
    at = datetime.fromtimestamp(event["_record"].created, UTC)
    event["time"] = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return event


def _add_context(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """What the work is about that logs this, in the thread and the task that do."""
    event.update(telemetry.about())
    if telemetry.traced() and (context := trace.get_current_span().get_span_context()).is_valid:
        event["trace_id"] = f"{context.trace_id:032x}"
        event["span_id"] = f"{context.span_id:016x}"
    return event


def _log_of_thread(failed: threading.ExceptHookArgs) -> None:
    """A thread that ends by an error is an event like any other, and its traceback goes through the redaction."""
    if failed.exc_value is not None and not isinstance(failed.exc_value, SystemExit):
        name = failed.thread.name if failed.thread else "?"
        log.error("the thread %s has failed", name, exc_info=failed.exc_value)

"""Shortens the SDK's log to one line for a hub that is away, or that has given the work to another worker."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Final

import grpc

SDK_LOG: Final = logging.getLogger("durabletask")

# Seconds between two lines that say that the hub does not answer.
SELDOM: Final = 60.0

_CANCELLED_TIMER: Final = "Ignoring unexpected timerFired"
_UNDELIVERED: Final = re.compile(r"Failed to deliver (?P<what>.+) to sidecar: ")
_AWAY: Final = re.compile(
    r"Failed to create connection|Connection failed, retrying|Connection timeout to|"
    r"The sidecar at address .+ is unavailable|Connection-level gRPC error|"
    r"Error in work item stream: <_MultiThreadedRendezvous"
)
_DETAILS: Final = re.compile(r'details = "(.*)"')


class ForeseenTroubleFilter(logging.Filter):
    """Shortens the SDK worker's messages about a hub that is away or refuses an answer; drops needless ones.

    `now` returns seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._said_at: float | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log the record. May change the record."""
        message = record.getMessage()
        if _CANCELLED_TIMER in message:  # the hub is never told that a timer was cancelled, so it fires
            return False
        if _AWAY.match(message):
            return self._away(record, message)
        error = record.exc_info[1] if record.exc_info else None
        undelivered = _UNDELIVERED.match(message)
        if undelivered and isinstance(error, grpc.RpcError):
            _undelivered(record, undelivered["what"], error)
        return True

    def _away(self, record: logging.LogRecord, message: str) -> bool:
        """Whether to log this failed try: the worker tries again and again, and logs several lines for each try."""
        now = self._now()
        if self._said_at is not None and now < self._said_at + SELDOM:
            return False
        self._said_at = now
        why = _DETAILS.search(message)
        record.msg = "the worker has no connection to the task hub, and tries until it has: %s"
        record.args = (why[1] if why else message.partition("\n")[0],)
        return True


def _undelivered(record: logging.LogRecord, what: str, error: grpc.RpcError) -> None:
    if error.code() is grpc.StatusCode.FAILED_PRECONDITION:
        record.msg = "the task hub has no use for the %s: %s"
    else:
        record.msg = "the task hub did not take the %s, and has it done again: %s"
    record.args = (what, error.details())
    record.exc_info = record.exc_text = None
    record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)


SDK_LOG.addFilter(ForeseenTroubleFilter())

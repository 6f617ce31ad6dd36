"""Limits the logs of libraries to warnings and worse, with a traceback only for unforeseen errors."""

from __future__ import annotations

import logging
from typing import Final

from orchestration.domain.errors import CountersignError

LIBRARIES: Final = ("durabletask", "azure", "mcp", "slack_sdk.web", "twilio")


def quieten() -> None:
    """Limits them for this process. Call it once, after the root logger has its handlers."""
    for library in LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.getLogger("durabletask").addFilter(without_foreseen_tracebacks)


def without_foreseen_tracebacks(record: logging.LogRecord) -> bool:
    """Turns the record of an error that we raise on purpose into a one-line warning without a traceback."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, CountersignError):
        record.msg, record.args = "%s: %s", (type(error).__name__, str(error))
        record.exc_info, record.exc_text = None, None
        record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
    return True

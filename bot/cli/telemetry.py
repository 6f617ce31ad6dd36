"""The log and the traces of `countersign run`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from bot.cli.library_logs import quieten
from bot.config import Settings
from bot.setting_list import DEFAULTS
from bot.telemetry import logs, tracing
from bot.telemetry.redaction import Redactor


@contextmanager
def observed(settings: Settings, environment: Mapping[str, str]) -> Iterator[Callable[[], None]]:
    """Sets up the log and the traces by the settings until the context is left.

    Raises `CountersignError` where a setting is wrong. Yields a function that sends the last traces, for a process
    that ends before it leaves the context.
    """
    digits = settings.sms.get("COUNTERSIGN_SMS_DIGITS", "")
    redact = Redactor(
        [*settings.secrets, *tracing.secrets_in(environment)],
        int(digits) if digits.isdecimal() and digits.isascii() else int(DEFAULTS["COUNTERSIGN_SMS_DIGITS"]),
    )
    logs.set_up(settings.log_format, redact)
    quieten()
    logging.captureWarnings(capture=True)
    end = tracing.start(environment, redact)
    try:
        yield end
    finally:
        end()

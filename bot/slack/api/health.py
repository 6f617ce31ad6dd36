"""Watches our calls to Slack: counts them, logs a warning now and then, and notices a token that is not valid."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from slack_sdk.web import SlackResponse
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.slack.api.codes import DEAD_TOKEN, REFUSALS, Meaning
from bot.slack.api.errors import SLACK_FAILURES, code_of
from bot.slack.api.pooled_client import PooledWebClient
from bot.slack.api.slack_time import SlackTime
from orchestration import telemetry

log = logging.getLogger(__name__)

WARN_AGAIN: Final = 3600.0  # seconds until the same failure of the same method is warned of again
OK: Final = "ok"
NO_ANSWER: Final = "no_answer"


class SlackHealth:
    """The health of our calls, and Slack's `time`. The clients below report every call. Safe to share by threads."""

    def __init__(self, called: Callable[[str, str], None] = lambda _method, _code: None) -> None:
        """`called` is given each call's method, and `OK`, `NO_ANSWER` or Slack's error code, which may be any text."""
        self.time = SlackTime()
        self._called = called
        self._lock = threading.Lock()
        self._failures: Counter[tuple[str, str]] = Counter()
        self._warned: dict[tuple[str, str], float] = {}
        self._dead = ""

    @property
    def problem(self) -> str | None:
        """Why Slack refuses all our calls, as a sentence that names the remedy; None where it does not."""
        with self._lock:
            code = self._dead
        return f"{REFUSALS[code].remedy} ({code})." if code else None

    def worked(self, method: str) -> None:
        """Notes that a call succeeded, so the token is valid."""
        self._called(method, OK)
        with self._lock:
            self._dead = ""

    def failed(self, method: str, error: BaseException) -> None:
        """Counts the failure. Logs a warning for the first of each method and code, then at most one an hour."""
        code = code_of(error) or NO_ANSWER
        refusal = REFUSALS.get(code)
        what, now = (method, code), time.monotonic()
        self._called(method, code)
        with self._lock:
            self._failures[what] += 1
            count = self._failures[what]
            if code in DEAD_TOKEN:
                self._dead = code
            told = refusal is not None and refusal.meaning in {
                Meaning.WAIT,
                Meaning.NEVER,
            }  # the caller reports these
            warn = not told and now - self._warned.get(what, -WARN_AGAIN) >= WARN_AGAIN
            if warn:
                self._warned[what] = now
        if warn:
            remedy = refusal.remedy if refusal else "Slack did not answer as it should"
            log.warning("%s: %s (%s), %d times so far", method, remedy, code, count)


class WatchedWebClient(PooledWebClient):
    """A Web API client that reports each of its calls to `health`."""

    def __init__(self, health: SlackHealth, **given: Any) -> None:
        super().__init__(**given)
        self._health = health

    def api_call(self, api_method: str, **given: Any) -> SlackResponse:
        """Calls a method as the SDK's client does, and reports how it went."""
        called_at = self._health.time.since_boot()
        try:
            with _spanned(api_method):
                answer = super().api_call(api_method, **given)
        except SLACK_FAILURES as error:
            self._health.failed(api_method, error)
            raise
        self._health.worked(api_method)
        self._health.time.heard(answer.headers, called_at)
        return answer


class WatchedAsyncWebClient(AsyncWebClient):
    """An asynchronous Web API client that reports each of its calls to `health`."""

    def __init__(self, health: SlackHealth, **given: Any) -> None:
        super().__init__(**given)
        self._health = health

    async def api_call(self, api_method: str, **given: Any) -> AsyncSlackResponse:
        """Calls a method as the SDK's client does, and reports how it went."""
        called_at = self._health.time.since_boot()
        try:
            with _spanned(api_method):
                answer = await super().api_call(api_method, **given)
        except (*SLACK_FAILURES, TimeoutError) as error:
            self._health.failed(api_method, error)
            raise
        self._health.worked(api_method)
        self._health.time.heard(answer.headers, called_at)
        return answer


def _spanned(method: str) -> AbstractContextManager[Any]:
    """A span of one call. If the call fails, the span has Slack's code."""

    def why(error: Exception) -> str:
        return _label(code_of(error) or "") or telemetry.class_of(error)

    return telemetry.call(f"slack {method}", why, attributes={"slack.method": method})


def _label(code: str) -> str:
    """The code without characters that could break the format of a span: Slack's codes are words."""
    return "".join(letter for letter in code if letter.isalnum() or letter == "_")[:64]

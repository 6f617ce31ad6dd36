"""Counts what this process does. Each label value is from a fixed list, or is a policy's name in the file."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Collection
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Final, Literal, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from bot.metrics import catalog
from bot.metrics.catalog import Described
from bot.slack.api.codes import REFUSALS
from bot.slack.api.health import NO_ANSWER, OK
from orchestration.challenge.models import Trouble
from orchestration.domain.commands import ACCEPTED, BEGUN, Reason
from orchestration.domain.effects import SignReceiptInput
from orchestration.domain.gathering import AnswerWay, RecordGatheringInput
from orchestration.domain.request import Status, Via

OTHER: Final = "other"  # the label value for anything in no list
UNKNOWN: Final = "unknown"
_VIA: Final = frozenset({*Via, *AnswerWay})
_DECIDED: Final = frozenset({Status.APPROVED, Status.REJECTED})
M = TypeVar("M", Counter, Gauge, Histogram)


class Meters:
    """The registry, and what is counted into it. Safe to share between threads; nothing here raises.

    A policy that is not in `policies` (it was removed from the file) is counted as `other`.
    """

    def __init__(self, policies: Callable[[], Collection[str]]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each counter, which nobody reads
        self.registry = CollectorRegistry()
        self._policies = policies
        self._requests = self._made(Counter, catalog.REQUESTS)
        self._escalated = self._made(Counter, catalog.ESCALATED)
        self._decision = Histogram(
            catalog.DECISION.name,
            catalog.DECISION.help,
            catalog.DECISION.labels,
            buckets=catalog.DECISION_BUCKETS,
            registry=self.registry,
        )
        self._gatherings = self._made(Counter, catalog.GATHERINGS)
        self._commands = self._made(Counter, catalog.COMMANDS)
        self._codes_sent = self._made(Counter, catalog.CODES_SENT)
        self._codes_undelivered = self._made(Counter, catalog.CODES_UNDELIVERED)
        self._codes_checked = self._made(Counter, catalog.CODES_CHECKED)
        self._slack_calls = self._made(Counter, catalog.SLACK_CALLS)
        self._slack_failures = self._made(Counter, catalog.SLACK_FAILURES)
        self._twilio_calls = self._made(Counter, catalog.TWILIO_CALLS)
        self._made(Gauge, catalog.BUILD).labels(version("countersign")).set(1)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    def _made(self, kind: type[M], described: Described) -> M:
        return kind(described.name, described.help, described.labels, registry=self.registry)

    def policy(self, name: str | None) -> str:
        """The value of the label `policy`."""
        return name if name is not None and name in self._policies() else OTHER

    # ---- what ends -------------------------------------------------------------------------------------------

    def recorded(self, given: SignReceiptInput | RecordGatheringInput) -> None:
        """Counts an outcome, or a gathering's result, that was put on record for the first time."""
        policy = self.policy(given.policy)
        if isinstance(given, RecordGatheringInput):
            self._gatherings.labels(policy, given.result.status.value).inc()
            return
        outcome = given.outcome
        self._requests.labels(policy, outcome.status.value).inc()
        causes = {level.escalated_because for level in outcome.levels}
        for cause in sorted(cause.value for cause in causes if cause is not None):
            self._escalated.labels(policy, cause).inc()
        if outcome.status in _DECIDED and outcome.processed_by is not None:
            took = (outcome.processed_at - given.asked_at).total_seconds()
            self._decision.labels(policy, outcome.status.value).observe(max(took, 0.0))

    # ---- what people and programs do -------------------------------------------------------------------------

    def command(self, via: str, reason: Reason) -> None:
        """Counts a command whose verdict was reported to its sender."""
        result = "accepted" if reason in ACCEPTED else "code" if reason in BEGUN else "refused"
        self._commands.labels(str(via) if via in _VIA else OTHER, result, reason.value).inc()

    # ---- codes; see `orchestration.ports.CodeTally` ----------------------------------------------------------

    def code_sent(self, result: Literal["sent", "refused", "failed"], *, email: bool) -> None:
        """Counts an attempt to send a code."""
        self._codes_sent.labels("email" if email else "sms", result).inc()

    def code_undelivered(self, trouble: Trouble) -> None:
        """Counts a code that Twilio reports as not delivered."""
        self._codes_undelivered.labels(trouble.value).inc()

    def code_checked(self, result: Literal["right", "wrong", "over"], *, email: bool) -> None:
        """Counts an answer to a challenge."""
        self._codes_checked.labels("email" if email else "sms", result).inc()

    # ---- calls -----------------------------------------------------------------------------------------------

    def slack_call(self, method: str, code: str) -> None:
        """Counts a call of a Slack method; `code` is `OK`, `NO_ANSWER` or Slack's error code."""
        refusal = REFUSALS.get(code)
        known = code if refusal is not None or code in {OK, NO_ANSWER} else UNKNOWN
        self._slack_calls.labels(method, known if refusal is None else refusal.meaning.value).inc()
        if code != OK:
            self._slack_failures.labels(method, known).inc()

    def twilio_answered(self, status: int | None) -> None:
        """Counts a text message sent to Twilio, by the HTTP status of its answer; None for no answer."""
        self._twilio_calls.labels("messages.create", _of_status(status)).inc()

    # ---- what is looked up at each scrape --------------------------------------------------------------------

    def watch(self, described: Described, look: Callable[[], float]) -> None:
        """Adds a gauge whose value is what `look` returns at each scrape."""
        self._made(Gauge, described).set_function(look)

    def watch_disk(self, folder: Path) -> None:
        """Adds gauges for the disk that the folder is on."""
        self.watch(catalog.DISK_FREE, lambda: _disk(folder)[1])
        self.watch(catalog.DISK_SIZE, lambda: _disk(folder)[0])


def _disk(folder: Path) -> tuple[float, float]:
    """Returns the disk's total and free bytes; NaN if the disk cannot be read."""
    try:
        found = shutil.disk_usage(folder)
    except OSError:
        return math.nan, math.nan
    return found.total, found.free


def _of_status(status: int | None) -> str:
    if status is None:
        return NO_ANSWER
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "wait"
    of_hundred = {2: OK, 4: "refused", 5: "again"}
    return of_hundred.get(status // 100, UNKNOWN)

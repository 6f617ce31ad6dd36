"""Lists every metric: its name, meaning and labels. `docs/reference/metrics.md` is generated from this list."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = 86_400.0
# Seconds, the upper ends of the buckets: people decide within minutes, or within days.
DECISION_BUCKETS: Final = (
    MINUTE,
    5 * MINUTE,
    15 * MINUTE,
    HOUR,
    2 * HOUR,
    4 * HOUR,
    8 * HOUR,
    DAY,
    2 * DAY,
    3 * DAY,
    7 * DAY,
    14 * DAY,
)


class MetricKind(StrEnum):
    """The Prometheus type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class MetricScope(StrEnum):
    """What a metric describes: this process or the hub."""

    PROCESS = "process"  # what this process did since it started: sum it over the replicas
    HUB = "hub"  # what the hub knows: every replica reports the same, so do not sum


@dataclass(frozen=True)
class Described:
    """One metric. A counter's name ends with `_total`, as its samples' names do."""

    name: str
    kind: MetricKind
    scope: MetricScope
    help: str
    labels: tuple[str, ...] = ()


def _process(name: str, kind: MetricKind, words: str, *labels: str) -> Described:
    return Described(name, kind, MetricScope.PROCESS, words, labels)


def _hub(name: str, words: str, *labels: str, kind: MetricKind = MetricKind.GAUGE) -> Described:
    return Described(name, kind, MetricScope.HUB, words, labels)


REQUESTS: Final = _process(
    "countersign_requests_total",
    MetricKind.COUNTER,
    "Requests that ended, counted when their outcome goes on record. `outcome` is its status.",
    "policy",
    "outcome",
)
ESCALATED: Final = _process(
    "countersign_requests_escalated_total",
    MetricKind.COUNTER,
    "Of those, the requests that were escalated on the way. `cause` is `silence` or `too_few_left`.",
    "policy",
    "cause",
)
DECISION: Final = _process(
    "countersign_decision_seconds",
    MetricKind.HISTOGRAM,
    "From the request to the decision that ended it, where people `approved` or `rejected` it.",
    "policy",
    "outcome",
)
GATHERINGS: Final = _process(
    "countersign_gatherings_total",
    MetricKind.COUNTER,
    "Gatherings that ended, counted when their result goes on record. `outcome` is its status.",
    "policy",
    "outcome",
)
COMMANDS: Final = _process(
    "countersign_commands_total",
    MetricKind.COUNTER,
    "Clicks, forms and API calls on a request, counted when somebody is told what came of them. `via` is `chat`, `api` "
    "or `hook`, `result` is `accepted`, `code` (a code has to confirm it first) or `refused`, and `reason` says why.",
    "via",
    "result",
    "reason",
)
CODES_SENT: Final = _process(
    "countersign_codes_sent_total",
    MetricKind.COUNTER,
    "Tries to send a code. `channel` is `sms` or `email`. `result` is `sent`, `refused` (it will never be sent) or "
    "`failed` (it is tried again).",
    "channel",
    "result",
)
CODES_UNDELIVERED: Final = _process(
    "countersign_codes_undelivered_total",
    MetricKind.COUNTER,
    "Reports by Twilio that a code did not arrive. `trouble` says why, such as `unreachable` or `filtered`.",
    "trouble",
)
CODES_CHECKED: Final = _process(
    "countersign_codes_checked_total",
    MetricKind.COUNTER,
    "Answers to codes. `result` is `right`, `wrong` or `over` (the code had ended).",
    "channel",
    "result",
)
SLACK_CALLS: Final = _process(
    "countersign_slack_calls_total",
    MetricKind.COUNTER,
    "Calls to Slack's Web API. `result` is `ok`; `wait` (429); `never` (refused for good); `token` (somebody has to "
    "mend the token, the app or the workspace); `again` (Slack's own trouble); `unknown` (another code); `no_answer`.",
    "method",
    "result",
)
SLACK_FAILURES: Final = _process(
    "countersign_slack_failures_total",
    MetricKind.COUNTER,
    "Those that failed, by Slack's code: one that Countersign knows, else `unknown`, or `no_answer`.",
    "method",
    "code",
)
SLACK_TOKEN_DEAD: Final = _process(
    "countersign_slack_token_dead", MetricKind.GAUGE, "1 while Slack does not accept the bot's token."
)
SLACK_CONNECTED: Final = _process(
    "countersign_slack_connected",
    MetricKind.GAUGE,
    "1 while Slack can reach this process, as far as it can tell; as `slack` in `/readyz`.",
)
TWILIO_CALLS: Final = _process(
    "countersign_twilio_calls_total",
    MetricKind.COUNTER,
    "Calls to Twilio. `method` is `messages.create`; `result` is `ok`, `wait` (429), `refused` (another 4xx), `again` "
    "(5xx), `unknown` or `no_answer`.",
    "method",
    "result",
)
RECORDS_UNAVAILABLE: Final = _process(
    "countersign_records_unavailable",
    MetricKind.GAUGE,
    "1 while nothing can be put on record here, so that no outcome goes out.",
)
RECORDS_CONFLICTS: Final = _process(
    "countersign_records_conflicts",
    MetricKind.GAUGE,
    "Requests of which a second outcome came since this process started. It was not signed.",
)
RECORDS_COPY_FAILING: Final = _process(
    "countersign_records_copy_failing",
    MetricKind.GAUGE,
    "1 while heads of the records cannot be signed, or heads or entries cannot be copied to the store or the webhook.",
)
DISK_FREE: Final = _process(
    "countersign_data_disk_free_bytes",
    MetricKind.GAUGE,
    "Bytes that are free on the disk of the data directory.",
)
DISK_SIZE: Final = _process(
    "countersign_data_disk_size_bytes",
    MetricKind.GAUGE,
    "Bytes that the disk of the data directory has in all.",
)
KEYS_FIT: Final = _process(
    "countersign_keys_fit",
    MetricKind.GAUGE,
    "1 while the keys of this process fit those on the hub; while it is 0, no work is taken.",
)
BUILD: Final = _process(
    "countersign_build_info", MetricKind.GAUGE, "Always 1; the label is the version.", "version"
)

HUB_UP: Final = _hub(
    "countersign_hub_up",
    "1 where the hub gave its figures within the last five minutes; while it is 0, the other figures of the hub are "
    "left out. Not there on Durable Task Scheduler.",
)
HUB_RECORDING: Final = _hub(
    "countersign_hub_recording", "0 while the hub records nothing, as its disk is full."
)
WAITING: Final = _hub(
    "countersign_requests_waiting", "Requests and gatherings that wait for people now.", "policy"
)
WAITING_OLDEST: Final = _hub(
    "countersign_requests_waiting_oldest_seconds", "For how long the oldest of them has waited.", "policy"
)
OVERDUE: Final = _hub(
    "countersign_requests_overdue_seconds",
    "For how long the deadline of one of them has passed; 0 where none has. A deadline is acted on within seconds.",
    "policy",
)
OWING: Final = _hub(
    "countersign_requests_owing",
    "Requests and gatherings that are decided, and of which something is still to be done: a message, an action, a "
    "callback, or a failed action that its owner may have tried again.",
    "policy",
)
OWING_OLDEST: Final = _hub(
    "countersign_requests_owing_oldest_seconds", "For how long the first of them has been decided.", "policy"
)
INSTANCES: Final = _hub(
    "countersign_instances",
    "Orchestrations that have not ended, by their name. `owed_answer` are answers that somebody has not been told yet.",
    "orchestration",
)
INSTANCES_OLDEST: Final = _hub(
    "countersign_instances_oldest_seconds", "How long ago the oldest of them was made.", "orchestration"
)
HUB_QUEUED: Final = _hub(
    "countersign_hub_work_queued", "Turns, activities and entity operations that wait for a worker.", "kind"
)
HUB_HELD: Final = _hub("countersign_hub_work_held", "Those that a worker has.", "kind")
HUB_WORKERS: Final = _hub("countersign_hub_workers", "Workers that are connected.")
HUB_COMMITS: Final = _hub(
    "countersign_hub_commit_seconds",
    "How long the hub's commits took, since the hub started.",
    kind=MetricKind.HISTOGRAM,
)
HUB_FILE: Final = _hub(
    "countersign_hub_file_bytes", "Bytes of the hub's file; `part` is `file` or `log` (SQLite's WAL).", "part"
)
HUB_DISK_FREE: Final = _hub(
    "countersign_hub_disk_free_bytes", "Bytes that are free on the disk of the hub's file."
)
HUB_DISK_SIZE: Final = _hub("countersign_hub_disk_size_bytes", "Bytes that this disk has in all.")

CATALOG: Final = tuple(one for one in list(globals().values()) if isinstance(one, Described))

"""Every setting: its name, its meaning and its default, for the reference page and for the code.

`make reference` writes `docs/reference/generated/settings.md` from this list. `bot.setting_sources` takes from it
which names are settings and which are secrets. The code that reads a setting takes its default from `DEFAULTS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Setting:
    """One setting. `meaning` is one line of Markdown.

    `default` is the value where the setting is not set; if that is not a value, `unset` describes it in words.
    `page` is the page of the documentation that says more, below `docs`.
    """

    name: str
    meaning: str
    default: str | None = None
    unset: str = "none"
    secret: bool = False
    page: str | None = None


@dataclass(frozen=True)
class SettingGroup:
    """A section of the page. `words` stand above its table; `of_server` says whether `countersign run` reads it."""

    title: str
    words: str
    settings: tuple[Setting, ...]
    of_server: bool = True


GROUPS: Final = (
    SettingGroup(
        "Slack",
        "",
        (
            Setting(
                "SLACK_BOT_TOKEN",
                "the bot token of your Slack app, `xoxb-…`",
                unset="required",
                secret=True,
                page="guides/install.md#2-make-the-slack-app",
            ),
            Setting(
                "SLACK_APP_TOKEN",
                "the app-level token, `xapp-…`. With it the bot uses Socket Mode, and Slack needs no address of yours",
                secret=True,
            ),
            Setting(
                "SLACK_SIGNING_SECRET",
                "checks that a call over HTTP comes from Slack",
                unset="required without Socket Mode",
                secret=True,
            ),
            Setting(
                "COUNTERSIGN_SLACK_API_URL",
                "another server that speaks Slack's Web API, such as a simulator",
                default="https://slack.com/api/",
                page="guides/simulator.md",
            ),
        ),
    ),
    SettingGroup(
        "Policies and data",
        "",
        (
            Setting(
                "COUNTERSIGN_POLICIES",
                "the path of the policy file",
                unset="required",
                page="guides/policies.md",
            ),
            Setting(
                "COUNTERSIGN_DATA_DIR",
                "where the hub's file, the keys, the tokens and the records are. Its mode is 0700",
                unset="`~/.local/share/countersign`",
            ),
            Setting(
                "COUNTERSIGN_TOKENS",
                "the file of the API tokens, where several servers share one. It has to be there, and only its owner "
                "may be able to write it",
                unset="`tokens.toml` in the data directory",
            ),
            Setting(
                "COUNTERSIGN_SECRET",
                "signs addresses and callbacks, and makes request IDs from idempotency keys. 32 bytes or more. "
                "Several are separated by spaces, the newest first",
                unset="made in the data directory",
                secret=True,
                page="guides/operate.md#rotate-keys-and-tokens",
            ),
            Setting(
                "COUNTERSIGN_SIGNING_KEY",
                "signs receipts: a private Ed25519 JWK, or a set of them, the newest first",
                unset="made in the data directory",
                secret=True,
                page="guides/receipts.md#the-keys",
            ),
        ),
    ),
    SettingGroup(
        "HTTP",
        "",
        (
            Setting("COUNTERSIGN_LISTEN", "`HOST:PORT` of the HTTP port", default="127.0.0.1:3000"),
            Setting(
                "COUNTERSIGN_PUBLIC_URL",
                "the address at which that port is reached from outside. Codes by SMS need it. Without it the API "
                "gives out relative addresses, and messages have no link to a record",
            ),
            Setting(
                "COUNTERSIGN_METRICS_TOKEN",
                "the token that lets a scraper read `/metrics`, 20 characters or more. Without it there is no "
                "`/metrics`",
                secret=True,
                page="guides/monitor.md#scrape",
            ),
            Setting(
                "COUNTERSIGN_STOP_DELAY",
                "how long everything goes on after a SIGTERM while `/readyz` says 503, from `0s` to `300s`. Set it a "
                "little longer than your load balancer needs to notice",
                default="0s",
            ),
        ),
    ),
    SettingGroup(
        "The task hub",
        "",
        (
            Setting(
                "COUNTERSIGN_HUB",
                "`embedded`; or the `unix:PATH` or `grpc://HOST:PORT` of a `countersign hub`; or the connection string "
                "of a Durable Task Scheduler",
                default="embedded",
                page="guides/hub.md",
            ),
            Setting(
                "DURABLE_TASK_SCHEDULER_CONNECTION_STRING",
                "another name of `COUNTERSIGN_HUB`, for a Durable Task Scheduler only. Set one of the two",
                page="guides/scheduler.md",
            ),
            Setting(
                "COUNTERSIGN_HUB_TOKEN",
                "the token for a hub at `grpc://`",
                unset="`hub.db.token` in the data directory, if it is there",
                secret=True,
                page="guides/hub.md#who-can-reach-it",
            ),
            Setting(
                "COUNTERSIGN_PAYLOAD_STORE",
                "where the bot keeps what is too large for a Durable Task Scheduler: "
                "`https://ACCOUNT.blob.core.windows.net`, or the connection string of a storage account",
                secret=True,
                page="guides/scheduler.md#what-is-too-large",
            ),
            Setting(
                "COUNTERSIGN_RETENTION",
                "how many days the embedded hub keeps what has ended",
                default="400d",
                page="guides/operate.md#retention",
            ),
            Setting(
                "COUNTERSIGN_WORK_LIMIT",
                "how long a live worker may take for one activity, turn or batch of entity operations, such as `90m`, "
                "`24h` or `7d`. After that the embedded hub gives the work to another worker",
                default="24h",
                page="guides/hub.md#how-long-a-worker-keeps-its-work",
            ),
            Setting(
                "COUNTERSIGN_HUB_CLOCK",
                "`system`, or `skippable` for a demo or a test that skips the embedded hub's time",
                default="system",
            ),
        ),
    ),
    SettingGroup(
        "Limits",
        "",
        (
            Setting(
                "COUNTERSIGN_OPEN_PER_PERSON",
                "how many requests that were asked without a token one person may have open, 1 to 1000",
                default="100",
            ),
            Setting(
                "COUNTERSIGN_OPEN_PER_TOKEN",
                "how many requests one API token may have open, 1 to 1000",
                default="500",
            ),
        ),
    ),
    SettingGroup(
        "Callbacks and outcome actions",
        "",
        (
            Setting(
                "COUNTERSIGN_CALLBACK_HOSTS",
                "the only hosts that may be called, such as `erp.example.com *.hooks.example.com`. Separate several "
                "by spaces or commas",
                unset="every public host",
                page="guides/outcomes.md#callbacks",
            ),
            Setting(
                "COUNTERSIGN_CALLBACK_NETWORKS",
                "networks that may be called though they are not public, such as `10.0.0.0/8`. Separate several by "
                "spaces or commas",
            ),
        ),
    ),
    SettingGroup(
        "Records and logs",
        "",
        (
            Setting(
                "COUNTERSIGN_RECORDS_STORE",
                "where the records are copied to: `s3://…`, `az://…` or `file://…`",
                page="guides/records.md#copies-elsewhere",
            ),
            Setting(
                "COUNTERSIGN_RECORDS_WEBHOOK",
                "an address that is sent every head of the records",
                page="guides/records.md#copies-elsewhere",
            ),
            Setting(
                "COUNTERSIGN_LOG_FORMAT",
                "`json` or `text`. `countersign hub` reads it from the environment only",
                unset="`text` on a terminal, else `json`",
                page="guides/logs.md",
            ),
            Setting(
                "COUNTERSIGN_ACCESS_LOG",
                "`on`: the log has a line for each HTTP request; or `off`",
                default="off",
                page="guides/logs.md",
            ),
        ),
    ),
    SettingGroup(
        "SMS",
        "You need them only where a policy sends codes, or where programs have codes sent by SMS. [Confirm by "
        "SMS](../../guides/sms.md) has the steps.",
        (
            Setting("TWILIO_ACCOUNT_SID", "the account at Twilio"),
            Setting(
                "TWILIO_AUTH_TOKEN",
                "its token. It also checks that a call comes from Twilio",
                unset="required with an account",
                secret=True,
            ),
            Setting("TWILIO_API_KEY", "codes are sent with this key instead of the token"),
            Setting(
                "TWILIO_API_SECRET",
                "the secret of that key. Set both or neither",
                secret=True,
            ),
            Setting(
                "TWILIO_FROM",
                "the number that codes come from, in E.164, or a short code. People reply to it, so it cannot be a "
                "name",
                unset="required, or the next one",
            ),
            Setting(
                "TWILIO_MESSAGING_SERVICE_SID",
                "the messaging service that codes come from",
                unset="required, or the one before",
            ),
            Setting(
                "COUNTERSIGN_SMS_DIGITS",
                "how many digits a code has, by SMS and by e-mail, 4 to 8",
                default="6",
            ),
            Setting(
                "COUNTERSIGN_SMS_API_PER_TOKEN",
                "how many codes one API token may have sent in an hour, by SMS and e-mail together, 0 to 1000",
                default="20",
                page="guides/codes.md",
            ),
            Setting(
                "COUNTERSIGN_SMS_API_IN_ALL",
                "how many codes all programs may have sent in an hour, by SMS and e-mail together, 0 to 1000. `0` "
                "sends none",
                default="100",
                page="guides/codes.md",
            ),
            Setting(
                "COUNTERSIGN_SMS_COUNTRIES",
                "the countries that codes may be sent to, as two-letter codes separated by commas",
                unset="those of the enrolled numbers",
            ),
            Setting(
                "COUNTERSIGN_TWILIO_API_URL", "another server that speaks Twilio's API", unset="Twilio's"
            ),
        ),
    ),
    SettingGroup(
        "E-mail",
        "You need them only where programs have codes sent by e-mail. [Codes for your own "
        "programs](../../guides/codes.md) has the steps.",
        (
            Setting("COUNTERSIGN_SMTP_HOST", "the mail server, `HOST` or `HOST:PORT`"),
            Setting(
                "COUNTERSIGN_SMTP_FROM",
                "the address that codes come from, such as `Acme <no-reply@example.com>`",
                unset="required with a mail server",
            ),
            Setting(
                "COUNTERSIGN_SMTP_TLS",
                "`starttls` (port 587), `implicit` (port 465), or `none` (port 25), which is only for a server on this "
                "machine",
                default="starttls",
            ),
            Setting("COUNTERSIGN_SMTP_USER", "the user to log in as", unset="no login"),
            Setting(
                "COUNTERSIGN_SMTP_PASSWORD",
                "the password of that user. Set both or neither",
                unset="no login",
                secret=True,
            ),
            Setting(
                "COUNTERSIGN_SMTP_CA",
                "a file of certificates (PEM): the authorities that may have signed the mail server's certificate",
                unset="those of the system",
            ),
        ),
    ),
    SettingGroup(
        "Traces",
        "These are OpenTelemetry's own variables, [as its specification has "
        "them](https://opentelemetry.io/docs/languages/sdk-configuration/), and are read from the environment only. "
        "They switch on [traces](../../guides/trace.md). The ones that matter most:",
        (
            Setting(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "the address of the collector, OTLP over HTTP. Spans go to `/v1/traces` below it",
                unset="none: no traces",
            ),
            Setting("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "the same, with its path"),
            Setting(
                "OTEL_EXPORTER_OTLP_HEADERS",
                "headers that the collector asks for, such as `authorization=…`. They are never logged",
            ),
            Setting(
                "OTEL_TRACES_EXPORTER",
                "`otlp`, `console` or `none`. Separate several by commas",
                unset="`otlp` with an endpoint, else `none`",
            ),
            Setting(
                "OTEL_EXPORTER_OTLP_PROTOCOL",
                "`http/protobuf`. No other protocol is supported",
                default="http/protobuf",
            ),
            Setting("OTEL_SERVICE_NAME", "the name of the service in the traces", unset="`countersign`"),
            Setting("OTEL_RESOURCE_ATTRIBUTES", "further attributes of the service in the traces"),
            Setting("OTEL_TRACES_SAMPLER", "which traces are kept", unset="all"),
            Setting("OTEL_TRACES_SAMPLER_ARG", "the argument of that sampler"),
            Setting("OTEL_SDK_DISABLED", "`true`: no traces, whatever else is set", default="false"),
        ),
        of_server=False,
    ),
    SettingGroup(
        "Where the settings are",
        "Only in the environment.",
        (
            Setting(
                "COUNTERSIGN_CONFIG",
                "the path of a TOML file with settings of the sections above, but not of *Traces*",
            ),
        ),
        of_server=False,
    ),
    SettingGroup(
        "The command line",
        "Commands that call a server, such as `ask` and `status`, read these from the environment only. `token`, `key` "
        "and `audit` work on the data directory of this machine, so they read the settings of the server too.",
        (
            Setting("COUNTERSIGN_URL", "the address of the server", default="http://127.0.0.1:3000"),
            Setting(
                "COUNTERSIGN_TOKEN",
                "an API token, `csn_…`",
                unset="required, but not for `verify` and `audit`",
                secret=True,
            ),
        ),
        of_server=False,
    ),
)

OF_SERVER: Final = tuple(one for group in GROUPS if group.of_server for one in group.settings)
DEFAULTS: Final = {
    one.name: one.default for group in GROUPS for one in group.settings if one.default is not None
}

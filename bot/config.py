"""The settings: from the environment, or from the TOML file that COUNTERSIGN_CONFIG names. The environment wins.

Every fault is one line that names the setting and says what to do.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bot.security import data_dir as data_dir_check
from bot.security import tokens as token_file
from bot.security.tokens import PREFIX as API_TOKEN
from bot.setting_list import DEFAULTS
from bot.setting_sources import SECRETS, SettingError, gather
from bot.telemetry.log_formats import FORMATS
from orchestration.hub import parse_retention, parse_work_limit
from orchestration.service.open_limits import OpenLimits

SLACK_API_URL: Final = DEFAULTS["COUNTERSIGN_SLACK_API_URL"]
LISTEN: Final = DEFAULTS["COUNTERSIGN_LISTEN"]
# The usual name of the connection string, which other programs on Durable Task Scheduler use.
SCHEDULER: Final = "DURABLE_TASK_SCHEDULER_CONNECTION_STRING"
CLOCKS: Final = ("system", "skippable")

LONGEST_STOP_DELAY: Final = 300  # seconds
# An asker's worklist stores the IDs of its open requests.
MOST_OPEN: Final = 1000
SHORTEST_TOKEN: Final = 20  # characters, of the token that a scraper sends
SMTP: Final = "COUNTERSIGN_SMTP_"  # those that `bot.mail` reads
SMS: Final = ("COUNTERSIGN_SMS_", "COUNTERSIGN_TWILIO_", "TWILIO_")  # those that `bot.twilio` reads


@dataclass(frozen=True)
class Settings:
    """What `countersign run` needs, checked."""

    bot_token: str = field(repr=False)
    signing_secret: str | None = field(repr=False)
    app_token: str | None = field(repr=False)
    slack_api_url: str
    host: str
    port: int
    public_url: str | None
    data_dir: Path
    hub: str
    hub_setting: str
    hub_token: str | None = field(repr=False)
    payload_store: str | None = field(repr=False)
    skippable_clock: bool
    retention: timedelta
    work_limit: timedelta
    policies: Path
    tokens: Path
    sms: Mapping[str, str] = field(repr=False)
    smtp: Mapping[str, str] = field(repr=False)
    secret: str | None = field(repr=False)
    signing_key: str | None = field(repr=False)
    callback_networks: str | None
    records_store: str | None
    records_webhook: str | None
    callback_hosts: str | None
    metrics_token: str | None = field(repr=False)
    open_limits: OpenLimits
    stop_delay: timedelta
    log_format: str | None
    access_log: bool

    @property
    def secrets(self) -> list[str]:
        """The values that must not appear in a log line or a span."""
        given = {**self.sms, **self.smtp}
        kept = [given[name] for name in SECRETS if name in given]
        own = (
            self.bot_token,
            self.signing_secret,
            self.app_token,
            self.hub_token,
            self.secret,
            self.signing_key,
            self.metrics_token,
            self.payload_store,
        )
        return [one for value in (*own, *kept) if value for one in (value, *value.split())]

    @property
    def issuer(self) -> str:
        """The address that names this server in receipts: the public one, or else the one that it listens on."""
        return self.public_url or _local_url(self.host, self.port)

    @property
    def socket_mode(self) -> bool:
        """Whether Slack is reached over a WebSocket that we open. Otherwise Slack calls us over HTTP."""
        return self.app_token is not None


def read(environment: Mapping[str, str]) -> Settings:
    """The checked settings. Raises `SettingError`."""
    given = gather(environment)
    bot_token = _require(given, "SLACK_BOT_TOKEN", 'copy the "Bot User OAuth Token" from your Slack app')
    if not bot_token.startswith("xoxb-"):
        raise SettingError(
            'SLACK_BOT_TOKEN: is not a bot token; copy the one that starts with "xoxb-" from your Slack app.'
        )
    app_token = given.get("SLACK_APP_TOKEN")
    if app_token is not None and not app_token.startswith("xapp-"):
        raise SettingError(
            'SLACK_APP_TOKEN: is not an app-level token; copy the one that starts with "xapp-" from your Slack app.'
        )
    signing_secret = given.get("SLACK_SIGNING_SECRET")
    if app_token is None and signing_secret is None:
        raise SettingError(
            "SLACK_APP_TOKEN and SLACK_SIGNING_SECRET: neither is set; for Socket Mode set the first, for HTTP the "
            "second, both from your Slack app's Basic Information."
        )
    host, port = _listen(_given(given, "COUNTERSIGN_LISTEN"))
    clock = _given(given, "COUNTERSIGN_HUB_CLOCK")
    if clock not in CLOCKS:
        raise SettingError('COUNTERSIGN_HUB_CLOCK: must be "system", or "skippable" for demos and tests.')
    hub_setting, hub = _hub(given)
    if "COUNTERSIGN_HUB_TOKEN" in given and not hub.startswith("grpc://"):
        raise SettingError(
            "COUNTERSIGN_HUB_TOKEN: goes with a COUNTERSIGN_HUB that starts with grpc://; remove it, or name such "
            "a hub."
        )
    return Settings(
        bot_token=bot_token,
        signing_secret=signing_secret,
        app_token=app_token,
        slack_api_url=_url("COUNTERSIGN_SLACK_API_URL", _given(given, "COUNTERSIGN_SLACK_API_URL")) + "/",
        host=host,
        port=port,
        public_url=_url("COUNTERSIGN_PUBLIC_URL", given["COUNTERSIGN_PUBLIC_URL"])
        if "COUNTERSIGN_PUBLIC_URL" in given
        else None,
        data_dir=_data_dir(given),
        hub=hub,
        hub_setting=hub_setting,
        hub_token=given.get("COUNTERSIGN_HUB_TOKEN"),
        payload_store=given.get("COUNTERSIGN_PAYLOAD_STORE"),
        skippable_clock=clock == "skippable",
        retention=_retention(_given(given, "COUNTERSIGN_RETENTION")),
        work_limit=_work_limit(_given(given, "COUNTERSIGN_WORK_LIMIT")),
        policies=_policies(given),
        tokens=_tokens(given),
        sms={name: value for name, value in given.items() if name.startswith(SMS)},
        smtp={name: value for name, value in given.items() if name.startswith(SMTP)},
        secret=given.get("COUNTERSIGN_SECRET"),
        signing_key=given.get("COUNTERSIGN_SIGNING_KEY"),
        callback_networks=given.get("COUNTERSIGN_CALLBACK_NETWORKS"),
        records_store=given.get("COUNTERSIGN_RECORDS_STORE"),
        records_webhook=_url("COUNTERSIGN_RECORDS_WEBHOOK", given["COUNTERSIGN_RECORDS_WEBHOOK"])
        if "COUNTERSIGN_RECORDS_WEBHOOK" in given
        else None,
        callback_hosts=given.get("COUNTERSIGN_CALLBACK_HOSTS"),
        metrics_token=_metrics_token(given.get("COUNTERSIGN_METRICS_TOKEN")),
        open_limits=OpenLimits(
            per_person=_most_open(given, "COUNTERSIGN_OPEN_PER_PERSON"),
            per_token=_most_open(given, "COUNTERSIGN_OPEN_PER_TOKEN"),
        ),
        stop_delay=_stop_delay(_given(given, "COUNTERSIGN_STOP_DELAY")),
        log_format=_log_format(given),
        access_log=_one_of(given, "COUNTERSIGN_ACCESS_LOG", ("on", "off")) == "on",
    )


def _log_format(given: Mapping[str, str]) -> str | None:
    return _one_of(given, "COUNTERSIGN_LOG_FORMAT", FORMATS)


def _one_of(given: Mapping[str, str], name: str, words: Sequence[str]) -> str | None:
    """The value of the setting, if it is given. Raises `SettingError` for an unknown word."""
    word = given.get(name)
    if word is not None and word not in words:
        raise SettingError(f"{name}: must be {' or '.join(words)}; set one of them, or remove it.")
    return word


def _metrics_token(token: str | None) -> str | None:
    if token is None:
        return None
    if len(token) < SHORTEST_TOKEN or not (token.isascii() and token.isprintable()) or " " in token:
        raise SettingError(
            f"COUNTERSIGN_METRICS_TOKEN: must be at least {SHORTEST_TOKEN} characters of ASCII without a space; "
            "make one with `openssl rand -hex 32`."
        )
    if token.startswith(API_TOKEN):
        raise SettingError(
            "COUNTERSIGN_METRICS_TOKEN: is an API token, which whoever scrapes must not have; make another "
            "with `openssl rand -hex 32`."
        )
    return token


def _stop_delay(text: str) -> timedelta:
    seconds = text.removesuffix("s")
    if (
        not (text.endswith("s") and seconds.isascii() and seconds.isdigit())
        or int(seconds) > LONGEST_STOP_DELAY
    ):
        raise SettingError(f"COUNTERSIGN_STOP_DELAY: must be from 0s to {LONGEST_STOP_DELAY}s, such as 5s.")
    return timedelta(seconds=int(seconds))


def _hub(given: Mapping[str, str]) -> tuple[str, str]:
    """The name and the value of the setting for the hub."""
    if SCHEDULER in given and "COUNTERSIGN_HUB" in given:
        raise SettingError(f"{SCHEDULER}: is set, and so is COUNTERSIGN_HUB; keep one of them.")
    name = SCHEDULER if SCHEDULER in given else "COUNTERSIGN_HUB"
    hub = given.get(name, DEFAULTS["COUNTERSIGN_HUB"])
    named = is_scheduler(hub)
    if name == SCHEDULER and not named:
        raise SettingError(
            f"{SCHEDULER}: is not a connection string, such as Endpoint=https://…;Authentication=ManagedIdentity;"
            "TaskHub=…; correct it, or name another hub as COUNTERSIGN_HUB."
        )
    if "COUNTERSIGN_PAYLOAD_STORE" in given and not named:
        raise SettingError(
            "COUNTERSIGN_PAYLOAD_STORE: goes with a Durable Task Scheduler; remove it, or name one as COUNTERSIGN_HUB."
        )
    return name, hub


def is_scheduler(hub: str) -> bool:
    """Whether the setting is the connection string of a Durable Task Scheduler."""
    return "=" in hub and not hub.startswith(("unix:", "grpc://"))


def _most_open(given: Mapping[str, str], name: str) -> int:
    text = _given(given, name)
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= MOST_OPEN:
        raise SettingError(f"{name}: must be a number of requests from 1 to {MOST_OPEN}.")
    return int(text)


def data_dir(environment: Mapping[str, str]) -> Path:
    """Only the data directory, for commands that need nothing else. Raises `SettingError`."""
    return _data_dir(gather(environment))


def data_dir_path(environment: Mapping[str, str]) -> Path:
    """The path of the data directory. Creates and checks nothing there. Raises `SettingError`."""
    return _data_dir_path(gather(environment))


def tokens(environment: Mapping[str, str]) -> Path:
    """Only the file of the API tokens, which need not exist yet. Raises `CountersignError`."""
    return _tokens(gather(environment), may_be_made=True)


def policies(environment: Mapping[str, str]) -> Path:
    """Only the policy file. Raises `SettingError`."""
    return _policies(gather(environment))


def _policies(given: Mapping[str, str]) -> Path:
    return Path(
        _require(given, "COUNTERSIGN_POLICIES", "give the path of your policy file (TOML)")
    ).expanduser()


def _tokens(given: Mapping[str, str], *, may_be_made: bool = False) -> Path:
    """The token file: in the data directory, unless several servers share one file, which must be private."""
    if "COUNTERSIGN_TOKENS" not in given:
        return _data_dir(given) / token_file.FILE
    path = Path(given["COUNTERSIGN_TOKENS"]).expanduser().absolute()
    if path.exists() or not may_be_made:
        data_dir_check.check_given(path, "COUNTERSIGN_TOKENS")
    return path


def secret(environment: Mapping[str, str]) -> str | None:
    """Only COUNTERSIGN_SECRET. Raises `SettingError`."""
    return gather(environment).get("COUNTERSIGN_SECRET")


def signing_key(environment: Mapping[str, str]) -> str | None:
    """Only COUNTERSIGN_SIGNING_KEY. Raises `SettingError`."""
    return gather(environment).get("COUNTERSIGN_SIGNING_KEY")


def log_format(environment: Mapping[str, str]) -> str | None:
    """COUNTERSIGN_LOG_FORMAT of the environment, for a process that reads no other setting. Raises `SettingError`."""
    name = "COUNTERSIGN_LOG_FORMAT"
    return _log_format({name: word} if (word := environment.get(name, "").strip()) else {})


def issuer(environment: Mapping[str, str]) -> str:
    """Only `Settings.issuer`. Raises `SettingError`."""
    given = gather(environment)
    public = given.get("COUNTERSIGN_PUBLIC_URL")
    if public is not None:
        return _url("COUNTERSIGN_PUBLIC_URL", public)
    return _local_url(*_listen(_given(given, "COUNTERSIGN_LISTEN")))


def _given(given: Mapping[str, str], name: str) -> str:
    """The setting, or its default where it is not set."""
    return given.get(name, DEFAULTS[name])


def _require(given: Mapping[str, str], name: str, remedy: str) -> str:
    try:
        return given[name]
    except KeyError:
        raise SettingError(f"{name}: is not set; {remedy}.") from None


def _listen(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise SettingError(f"COUNTERSIGN_LISTEN: {text!r} is not HOST:PORT, such as {LISTEN}.")
    return host.strip("[]"), int(port)


def _local_url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _retention(text: str) -> timedelta:
    try:
        return parse_retention(text)
    except ValueError as error:
        raise SettingError(f"COUNTERSIGN_RETENTION: {error}") from error


def _work_limit(text: str) -> timedelta:
    try:
        return parse_work_limit(text)
    except ValueError as error:
        raise SettingError(f"COUNTERSIGN_WORK_LIMIT: {error}") from error


def _url(name: str, text: str) -> str:
    """The URL without its last slash."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise SettingError(
            f"{name}: {text!r} is not an http:// or https:// address; give one such as https://example.com."
        )
    return text.rstrip("/")


def _data_dir_path(given: Mapping[str, str]) -> Path:
    default = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "countersign"
    return Path(given.get("COUNTERSIGN_DATA_DIR") or default).expanduser().absolute()


def _data_dir(given: Mapping[str, str]) -> Path:
    """The data directory, created if missing. Only its owner can read it: it holds every request and decision."""
    path = _data_dir_path(given)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(
            f"COUNTERSIGN_DATA_DIR: {path} cannot be made ({error.strerror}); give a directory that this user can make."
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise SettingError(
            f"COUNTERSIGN_DATA_DIR: {path} cannot be written to by this user; give a directory that can."
        )
    data_dir_check.check(path)
    return path

"""Where settings come from: the environment, the files that secrets are in, and the file of COUNTERSIGN_CONFIG."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from orchestration.domain.errors import CountersignError

SETTINGS: Final = frozenset(
    {
        "SLACK_BOT_TOKEN",
        "SLACK_SIGNING_SECRET",
        "SLACK_APP_TOKEN",
        "COUNTERSIGN_SLACK_API_URL",
        "COUNTERSIGN_ACCESS_LOG",
        "COUNTERSIGN_LISTEN",
        "COUNTERSIGN_LOG_FORMAT",
        "COUNTERSIGN_PUBLIC_URL",
        "COUNTERSIGN_DATA_DIR",
        "COUNTERSIGN_HUB",
        "COUNTERSIGN_HUB_CLOCK",
        "COUNTERSIGN_HUB_TOKEN",
        "COUNTERSIGN_METRICS_TOKEN",
        "COUNTERSIGN_PAYLOAD_STORE",
        "DURABLE_TASK_SCHEDULER_CONNECTION_STRING",
        "COUNTERSIGN_OPEN_PER_PERSON",
        "COUNTERSIGN_OPEN_PER_TOKEN",
        "COUNTERSIGN_POLICIES",
        "COUNTERSIGN_RETENTION",
        "COUNTERSIGN_SECRET",
        "COUNTERSIGN_SMS_API_IN_ALL",
        "COUNTERSIGN_SMS_API_PER_TOKEN",
        "COUNTERSIGN_SMS_COUNTRIES",
        "COUNTERSIGN_SMS_DIGITS",
        "COUNTERSIGN_SMTP_CA",
        "COUNTERSIGN_SMTP_FROM",
        "COUNTERSIGN_SMTP_HOST",
        "COUNTERSIGN_SMTP_PASSWORD",
        "COUNTERSIGN_SMTP_TLS",
        "COUNTERSIGN_SMTP_USER",
        "COUNTERSIGN_TOKENS",
        "COUNTERSIGN_TWILIO_API_URL",
        "TWILIO_ACCOUNT_SID",
        "TWILIO_API_KEY",
        "TWILIO_API_SECRET",
        "TWILIO_AUTH_TOKEN",
        "TWILIO_FROM",
        "TWILIO_MESSAGING_SERVICE_SID",
        "COUNTERSIGN_SIGNING_KEY",
        "COUNTERSIGN_STOP_DELAY",
        "COUNTERSIGN_CALLBACK_HOSTS",
        "COUNTERSIGN_CALLBACK_NETWORKS",
        "COUNTERSIGN_RECORDS_STORE",
        "COUNTERSIGN_RECORDS_WEBHOOK",
        "COUNTERSIGN_WORK_LIMIT",
    }
)
SECRETS: Final = (
    "COUNTERSIGN_HUB_TOKEN",
    "COUNTERSIGN_METRICS_TOKEN",
    "COUNTERSIGN_PAYLOAD_STORE",
    "COUNTERSIGN_SECRET",
    "COUNTERSIGN_SIGNING_KEY",
    "COUNTERSIGN_SMTP_PASSWORD",
    "SLACK_APP_TOKEN",
    "SLACK_BOT_TOKEN",
    "SLACK_SIGNING_SECRET",
    "TWILIO_API_SECRET",
    "TWILIO_AUTH_TOKEN",
)


class SettingError(CountersignError):
    """A setting is missing or wrong."""


def sources(environment: Mapping[str, str]) -> list[Mapping[str, str]]:
    """Where settings come from, what counts more last: the file of COUNTERSIGN_CONFIG, the environment.

    Raises `SettingError` when the file cannot be used.
    """
    config = environment.get("COUNTERSIGN_CONFIG")
    return [*([_config_file(Path(config).expanduser())] if config else []), environment]


def gather(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings as given, not yet checked. The file's values, and over them the environment's."""
    given: dict[str, str] = {}
    for source in sources(environment):
        given |= _with_secrets(source)
    return given


def _with_secrets(source: Mapping[str, str]) -> dict[str, str]:
    """The settings that one source has, with those secrets that it keeps in files. An empty one counts as not set."""
    given = {name: value for name in SETTINGS if (value := source.get(name, "").strip())}
    for name in SECRETS:
        if place := source.get(f"{name}_FILE"):
            if name in given:
                raise SettingError(f"{name}: is set, and so is {name}_FILE; keep one of them.")
            try:
                given[name] = Path(place).expanduser().read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                # The value is not repeated: by mistake it may be the secret itself.
                raise SettingError(
                    f"{name}_FILE: names no file that can be read ({_reason(error)}); "
                    "give the path of a file that this user can read."
                ) from error
            if not given[name]:
                raise SettingError(f"{name}_FILE: names a file that is empty; write the secret into it.")
    return given


def _reason(error: OSError | UnicodeDecodeError) -> str:
    """Why a file cannot be read, without its path: the error text names it already."""
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8 text"


def _config_file(path: Path) -> dict[str, str]:
    try:
        table = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(
            f"COUNTERSIGN_CONFIG: {path} cannot be read ({_reason(error)}); give a file that this user can read."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingError(f"COUNTERSIGN_CONFIG: {path} is not valid TOML; correct it ({error}).") from error
    known = SETTINGS | {f"{name}_FILE" for name in SECRETS}
    for name, value in table.items():
        if name not in known:
            raise SettingError(
                f"COUNTERSIGN_CONFIG: {path} has {name}, which is not a setting; correct its name or remove it."
            )
        if not isinstance(value, str):
            raise SettingError(f"COUNTERSIGN_CONFIG: {name} in {path} must be a string in quotes.")
    return table

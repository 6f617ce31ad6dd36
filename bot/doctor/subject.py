"""The set-up to check: every setting that can be read, even if others are wrong."""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self, TypeVar

from bot import config, policy_reloading, setting_sources
from bot.config import Settings
from bot.mail.settings import MailSettings, read_mail
from bot.outbound import actions
from bot.security import keys, secrets
from bot.security.keys import SigningKeys
from bot.security.secrets import Secrets
from bot.security.tokens import FILE as TOKENS
from bot.set_up import SetUp
from bot.setting_list import GROUPS
from bot.setting_sources import SettingError
from bot.twilio.account import NO_PUBLIC_URL
from bot.twilio.settings import TwilioSettings, read_api_limits, read_digits, read_twilio
from orchestration.domain.errors import CountersignError, PolicyError
from orchestration.domain.policy_book import PolicyBook

T = TypeVar("T")

# Placeholders for settings that are missing or wrong, so that the others can be read. They are not used.
_STAND_INS: Final = {
    "SLACK_BOT_TOKEN": "xoxb-",
    "SLACK_APP_TOKEN": "xapp-",
    "SLACK_SIGNING_SECRET": "-",
    "COUNTERSIGN_POLICIES": "-",
}
PREFIXES: Final = ("COUNTERSIGN_", "SLACK_", "TWILIO_")
# Settings of the command line, not of the server.
_OTHERS: Final = frozenset(one.name for group in GROUPS if not group.of_server for one in group.settings)


@dataclass(frozen=True)
class Subject:
    """A set-up to check. `settings` has placeholders for settings that are `wrong` or missing.

    `faults` (about those settings) and `warnings` are sentences. What could not be read is None. So are `secrets`
    and `keys` before the first start, and `twilio` and `mail` where nothing is set. `book` is None where
    `policy_faults` gives a reason.
    """

    environment: Mapping[str, str]
    given: Mapping[str, str]
    settings: Settings
    faults: tuple[str, ...]
    warnings: tuple[str, ...]
    wrong: frozenset[str]
    secrets: Secrets | None
    keys: SigningKeys | None
    set_up: SetUp | None
    twilio: TwilioSettings | None
    mail: MailSettings | None
    book: PolicyBook | None
    policy_faults: tuple[str, ...]

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Reads what exists and creates nothing. Raises `SettingError` where the settings cannot be read at all."""
        given, faults, wrong = _gathered(environment)
        settings = _settings(given, faults, wrong)
        tried = _Tries(faults)
        tried.read(lambda: read_digits(settings.sms))
        tried.read(lambda: read_api_limits(settings.sms))
        twilio = tried.read(lambda: read_twilio(settings.sms))
        if twilio and not settings.public_url and "COUNTERSIGN_PUBLIC_URL" not in wrong:
            faults.append(NO_PUBLIC_URL)
        set_up = tried.read(lambda: SetUp.of(settings))
        book, policy_faults = _policies(settings, tried, wrong)
        return cls(
            environment=environment,
            given=given,
            settings=settings,
            secrets=tried.read(lambda: _secrets(settings)),
            keys=tried.read(lambda: _keys(settings)),
            set_up=set_up,
            twilio=twilio,
            mail=tried.read(lambda: read_mail(settings.smtp)),
            book=book,
            policy_faults=policy_faults,
            faults=tuple(dict.fromkeys(faults)),
            warnings=tuple(_oddities(environment, wrong)),
            wrong=frozenset(wrong),
        )

    def usable(self, *names: str) -> str | None:
        """None if these settings are given and valid; else a sentence that names those that are not."""
        missing = [name for name in names if name in self.wrong]
        return f"Not checked, as {' and '.join(missing)} cannot be used." if missing else None


class _Tries:
    """Reads one thing after the other, and goes on after a fault."""

    def __init__(self, faults: list[str]) -> None:
        self._faults = faults

    def read(self, reading: Callable[[], T]) -> T | None:
        """Returns what was read; None where it has a fault, which is added to the faults."""
        try:
            return reading()
        except CountersignError as error:
            self._faults.append(str(error))
        except (OSError, UnicodeDecodeError) as error:
            self._faults.append(f"{error}.")
        return None


def _gathered(environment: Mapping[str, str]) -> tuple[dict[str, str], list[str], set[str]]:
    """The given settings, the faults of their sources, and the settings lost by these faults."""
    faults: list[str] = []
    wrong: set[str] = set()
    left = dict(environment)
    while True:
        try:
            return setting_sources.gather(left), faults, wrong
        except SettingError as error:
            name = str(error).partition(":")[0]
            lost = name if name.endswith("_FILE") else f"{name}_FILE"
            if left.pop(lost, None) is None:
                raise  # the fault is in the file of the settings, or is that file itself
            faults.append(str(error))
            wrong.add(lost.removesuffix("_FILE"))


def _settings(given: Mapping[str, str], faults: list[str], wrong: set[str]) -> Settings:
    """Reads the settings repeatedly, each time without those found wrong. Does not touch the data directory."""
    place = config.data_dir_path(given)
    with tempfile.TemporaryDirectory() as nowhere:
        left = {**given, "COUNTERSIGN_DATA_DIR": nowhere}
        while True:
            for name in wrong:
                left.pop(name, None)
                if name in _STAND_INS:
                    left[name] = _STAND_INS[name]
            try:
                found = config.read(left)
            except CountersignError as error:
                named = {
                    name
                    for name in str(error).partition(":")[0].split(" and ")
                    if name in setting_sources.SETTINGS
                }
                if named <= wrong:
                    raise
                faults.append(str(error))
                wrong |= named
            else:
                elsewhere = "COUNTERSIGN_TOKENS" in left
                return replace(found, data_dir=place, tokens=found.tokens if elsewhere else place / TOKENS)


def _secrets(settings: Settings) -> Secrets | None:
    there = settings.secret or (settings.data_dir / secrets.FILE).exists()
    return Secrets.load(settings.secret, settings.data_dir) if there else None


def _keys(settings: Settings) -> SigningKeys | None:
    there = settings.signing_key or (settings.data_dir / keys.FILE).exists()
    return SigningKeys.load(settings.signing_key, settings.data_dir) if there else None


def _policies(
    settings: Settings, tried: _Tries, wrong: set[str]
) -> tuple[PolicyBook | None, tuple[str, ...]]:
    known = tried.read(actions.installed)
    if "COUNTERSIGN_POLICIES" in wrong or known is None:
        return None, ()
    has_sms = any(name.startswith("TWILIO_") for name in settings.sms)
    try:
        return policy_reloading.load(settings.policies, known, sms=has_sms), ()
    except PolicyError as error:
        return None, tuple(str(error).splitlines())


def _oddities(environment: Mapping[str, str], wrong: set[str]) -> Iterator[str]:
    """Warnings for unknown setting names and for placeholders that nobody has replaced."""
    known = setting_sources.SETTINGS | {f"{name}_FILE" for name in setting_sources.SECRETS} | _OTHERS
    for name in sorted(environment):
        if name.startswith(PREFIXES) and name not in known:
            yield f"{name}: is not a setting, so nothing reads it; correct its name, or remove it."
    try:
        found = setting_sources.sources(environment)
    except SettingError:
        return
    for name in sorted({name for source in found for name, value in source.items() if not value.strip()}):
        filled = any((source.get(name) or source.get(f"{name}_FILE") or "").strip() for source in found)
        if name in setting_sources.SETTINGS and name not in wrong and not filled:
            yield f"{name}: is empty, which counts as not set; fill it in, or remove it."


def files_of(environment: Mapping[str, str]) -> dict[str, Path]:
    """The files that hold secrets, by the setting that names them."""
    found: dict[str, Path] = {}
    for source in setting_sources.sources(environment):
        found |= {
            f"{name}_FILE": Path(place).expanduser()
            for name in setting_sources.SECRETS
            if (place := source.get(f"{name}_FILE"))
        }
    place = environment.get("COUNTERSIGN_CONFIG")
    if place and set(tomllib.loads(Path(place).expanduser().read_text())) & set(setting_sources.SECRETS):
        found["COUNTERSIGN_CONFIG"] = Path(place).expanduser()
    return found

"""The settings of SMS, and the secret that codes are made with."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import phonenumbers

from bot.config import SettingError
from orchestration.codes import MAX_DIGITS, MIN_DIGITS, MIN_SECRET

SECRET_FILE: Final = "secret"  # noqa: S105 - the name of a file


@dataclass(frozen=True)
class TwilioSettings:
    """An account at Twilio, or at anything that speaks its API."""

    account_sid: str
    auth_token: str
    api_key: str | None
    api_secret: str | None
    sender: str | None
    messaging_service_sid: str | None
    api_url: str | None


def read_twilio(given: Mapping[str, str]) -> TwilioSettings | None:
    """The account, or None where none is set. Raises `SettingError` naming what is missing."""
    if not any(name.startswith("TWILIO_") for name in given):
        return None
    for name in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"):
        if name not in given:
            raise SettingError(
                f"{name}: is not set, but other TWILIO_ settings are; it also checks what Twilio sends."
            )
    if ("TWILIO_API_KEY" in given) != ("TWILIO_API_SECRET" in given):
        raise SettingError("TWILIO_API_KEY and TWILIO_API_SECRET: go together; set both or neither.")
    if "TWILIO_FROM" not in given and "TWILIO_MESSAGING_SERVICE_SID" not in given:
        raise SettingError(
            "TWILIO_FROM: is not set; give the number to send from, or TWILIO_MESSAGING_SERVICE_SID."
        )
    return TwilioSettings(
        account_sid=given["TWILIO_ACCOUNT_SID"],
        auth_token=given["TWILIO_AUTH_TOKEN"],
        api_key=given.get("TWILIO_API_KEY"),
        api_secret=given.get("TWILIO_API_SECRET"),
        sender=given.get("TWILIO_FROM"),
        messaging_service_sid=given.get("TWILIO_MESSAGING_SERVICE_SID"),
        api_url=given.get("COUNTERSIGN_TWILIO_API_URL"),
    )


def read_digits(given: Mapping[str, str]) -> int:
    """How long a code is; 6 unless said otherwise."""
    text = given.get("COUNTERSIGN_SMS_DIGITS", "6")
    if not text.isdigit() or not MIN_DIGITS <= int(text) <= MAX_DIGITS:
        raise SettingError(f"COUNTERSIGN_SMS_DIGITS: must be {MIN_DIGITS} to {MAX_DIGITS}.")
    return int(text)


def read_countries(given: Mapping[str, str]) -> frozenset[str]:
    """The two-letter codes of the countries that may be sent to; empty means those of the enrolled numbers."""
    codes = frozenset(
        code.strip().upper() for code in given.get("COUNTERSIGN_SMS_COUNTRIES", "").split(",") if code.strip()
    )
    if unknown := codes - phonenumbers.SUPPORTED_REGIONS:
        raise SettingError(
            f"COUNTERSIGN_SMS_COUNTRIES: {', '.join(sorted(unknown))} is no country's two-letter code."
        )
    return codes


def countries_of(numbers: Iterable[str]) -> frozenset[str]:
    """The countries that these E.164 numbers are in."""
    return frozenset(
        region
        for number in numbers
        if (region := phonenumbers.region_code_for_number(phonenumbers.parse(number)))
    )


def read_secrets(given: Mapping[str, str], data_dir: Path) -> list[bytes]:
    """COUNTERSIGN_SECRET, newest first, separated by commas; made in the data directory on first start when not given.

    An older secret still opens what it sealed and confirms the codes it made.
    """
    place = data_dir / SECRET_FILE
    text = given.get("COUNTERSIGN_SECRET")
    if text is None:
        if not place.exists():
            # Created with its mode, not changed to it: there is no moment in which others could read it.
            with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(MIN_SECRET) + "\n")
        text = place.read_text()
    found = [part.strip().encode() for part in text.split(",") if part.strip()]
    if not found or any(len(secret) < MIN_SECRET for secret in found):
        raise SettingError(f"COUNTERSIGN_SECRET: each secret needs at least {MIN_SECRET} characters.")
    return found

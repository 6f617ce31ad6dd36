"""Reads and checks the settings of SMS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import phonenumbers

from bot.config import SettingError
from orchestration.challenge.codes import MAX_DIGITS, MIN_DIGITS


@dataclass(frozen=True)
class TwilioSettings:
    """An account at Twilio, or at anything that speaks its API."""

    account_sid: str
    auth_token: str = field(repr=False)
    api_key: str | None
    api_secret: str | None = field(repr=False)
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
                f"{name}: is not set, but other TWILIO_ settings are; set it, or none of them."
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
    """How many digits a code has; 6 unless set."""
    text = given.get("COUNTERSIGN_SMS_DIGITS", "6")
    if not text.isdigit() or not MIN_DIGITS <= int(text) <= MAX_DIGITS:
        raise SettingError(f"COUNTERSIGN_SMS_DIGITS: must be a number from {MIN_DIGITS} to {MAX_DIGITS}.")
    return int(text)


def read_countries(given: Mapping[str, str]) -> frozenset[str]:
    """The two-letter codes of the countries that may be sent to; empty means those of the enrolled numbers."""
    codes = frozenset(
        code.strip().upper() for code in given.get("COUNTERSIGN_SMS_COUNTRIES", "").split(",") if code.strip()
    )
    if unknown := codes - phonenumbers.SUPPORTED_REGIONS:
        raise SettingError(
            f"COUNTERSIGN_SMS_COUNTRIES: {', '.join(sorted(unknown))} is no country's two-letter code; "
            "give codes such as US, DE."
        )
    return codes


def countries_of(numbers: Iterable[str]) -> frozenset[str]:
    """The countries that these E.164 numbers are in."""
    return frozenset(
        region
        for number in numbers
        if (region := phonenumbers.region_code_for_number(phonenumbers.parse(number)))
    )

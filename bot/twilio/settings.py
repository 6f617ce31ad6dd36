"""Reads and checks the settings of SMS."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import phonenumbers

from bot.setting_list import DEFAULTS
from bot.setting_sources import SettingError
from orchestration.challenge.codes import MAX_DIGITS, MIN_DIGITS
from orchestration.domain.people import e164
from orchestration.service.challenges import ApiLimits

FORMS: Final = {
    "TWILIO_ACCOUNT_SID": (
        re.compile(r"AC[0-9a-fA-F]{32}"),
        'is no SID of an account; copy the "Account SID" from Twilio\'s console, "AC" and 32 digits of 0-9 and a-f',
    ),
    "TWILIO_API_KEY": (
        re.compile(r"SK[0-9a-fA-F]{32}"),
        'is no SID of an API key; copy the one that begins with "SK" from Twilio\'s console',
    ),
    "TWILIO_MESSAGING_SERVICE_SID": (
        re.compile(r"MG[0-9a-fA-F]{32}"),
        'is no SID of a messaging service; copy the one that begins with "MG" from Twilio\'s console',
    ),
}
SHORT_CODE: Final = re.compile(r"[1-9][0-9]{2,7}")
CHANNEL: Final = re.compile(r"[a-z]+:.*", re.IGNORECASE)

# An entity keeps the time of each code of the last hour.
MOST_CODES: Final = 1000


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
    for name, (form, remedy) in FORMS.items():
        if name in given and not form.fullmatch(given[name]):
            raise SettingError(f"{name}: {remedy}.")
    if "TWILIO_FROM" in given:
        _check_sender(given["TWILIO_FROM"])
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


def _check_sender(sender: str) -> None:
    """Codes are answered by a reply, so the sender has to be a number that texts can be sent to.

    Raises `SettingError`, which says how it is written.
    """
    if SHORT_CODE.fullmatch(sender):
        return
    if CHANNEL.fullmatch(sender):
        channel = sender.partition(":")[0]
        raise SettingError(
            f"TWILIO_FROM: begins with {channel}:, but codes go by SMS; give the number alone, such as +12025550100."
        )
    if FORMS["TWILIO_MESSAGING_SERVICE_SID"][0].fullmatch(sender):
        raise SettingError(
            "TWILIO_FROM: is the SID of a messaging service; set it as TWILIO_MESSAGING_SERVICE_SID instead."
        )
    try:
        e164(sender)
    except ValueError as error:
        if re.search("[A-Za-z]", sender):
            raise SettingError(
                "TWILIO_FROM: is a name, to which nobody can reply with a code; give a number, such as +12025550100."
            ) from error
        raise SettingError(
            "TWILIO_FROM: is not written in E.164; give plus, country code and number without spaces, such as "
            "+12025550100, or a short code."
        ) from error


def read_digits(given: Mapping[str, str]) -> int:
    """How many digits a code has."""
    text = given.get("COUNTERSIGN_SMS_DIGITS", DEFAULTS["COUNTERSIGN_SMS_DIGITS"])
    if not text.isdigit() or not MIN_DIGITS <= int(text) <= MAX_DIGITS:
        raise SettingError(f"COUNTERSIGN_SMS_DIGITS: must be a number from {MIN_DIGITS} to {MAX_DIGITS}.")
    return int(text)


def read_api_limits(given: Mapping[str, str]) -> ApiLimits:
    """How many codes an hour programs may have sent."""
    return ApiLimits(
        per_token=_codes_an_hour(given, "COUNTERSIGN_SMS_API_PER_TOKEN"),
        in_all=_codes_an_hour(given, "COUNTERSIGN_SMS_API_IN_ALL"),
    )


def _codes_an_hour(given: Mapping[str, str], name: str) -> int:
    text = given.get(name, DEFAULTS[name])
    if not (text.isascii() and text.isdigit()) or int(text) > MOST_CODES:
        raise SettingError(f"{name}: must be a number of codes an hour, from 0 to {MOST_CODES}.")
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

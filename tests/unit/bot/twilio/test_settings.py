"""SMS settings that can never work are refused at the start, with the remedy."""

from __future__ import annotations

import pytest

from bot.setting_sources import SettingError
from bot.twilio.settings import read_twilio

SERVICE = "MG" + "0a" * 16
ACCOUNT = {"TWILIO_ACCOUNT_SID": "AC" + "0" * 32, "TWILIO_AUTH_TOKEN": "token"}


@pytest.mark.parametrize(
    "given",
    [
        {"TWILIO_FROM": "+12025550100"},
        {"TWILIO_FROM": "+4915112345678"},
        {"TWILIO_FROM": "12345"},
        {"TWILIO_MESSAGING_SERVICE_SID": SERVICE},
        {"TWILIO_FROM": "+12025550100", "TWILIO_API_KEY": "SK" + "0" * 32, "TWILIO_API_SECRET": "x"},
    ],
)
def test_what_can_send_codes(given: dict[str, str]) -> None:
    twilio = read_twilio({**ACCOUNT, **given})
    assert twilio is not None
    assert (twilio.sender, twilio.messaging_service_sid) == (
        given.get("TWILIO_FROM"),
        given.get("TWILIO_MESSAGING_SERVICE_SID"),
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"TWILIO_FROM": "Countersign"}, "TWILIO_FROM: is a name, to which nobody can reply"),
        ({"TWILIO_FROM": "ACME 24"}, "TWILIO_FROM: is a name"),
        ({"TWILIO_FROM": "whatsapp:+12025550100"}, "TWILIO_FROM: begins with whatsapp:, but codes go by SMS"),
        ({"TWILIO_FROM": "rcs:acme_agent"}, "TWILIO_FROM: begins with rcs:"),
        ({"TWILIO_FROM": "Messenger:1234"}, "TWILIO_FROM: begins with Messenger:"),
        (
            {"TWILIO_FROM": SERVICE},
            "TWILIO_FROM: is the SID of a messaging service; set it as TWILIO_MESSAGING",
        ),
        ({"TWILIO_FROM": "+1 (202) 555-0100"}, "TWILIO_FROM: is not written in E.164"),
        ({"TWILIO_FROM": "12025550100"}, "TWILIO_FROM: is not written in E.164"),
        ({"TWILIO_FROM": "2025550100"}, "TWILIO_FROM: is not written in E.164"),
        ({"TWILIO_FROM": "0012025550100"}, "TWILIO_FROM: is not written in E.164"),
        ({"TWILIO_FROM": "+1202555010"}, "TWILIO_FROM: is not written in E.164"),
        ({"TWILIO_FROM": "Acme", "TWILIO_MESSAGING_SERVICE_SID": SERVICE}, "TWILIO_FROM: is a name"),
        ({"TWILIO_MESSAGING_SERVICE_SID": "+12025550100"}, "TWILIO_MESSAGING_SERVICE_SID: is no SID"),
        ({"TWILIO_MESSAGING_SERVICE_SID": SERVICE[:-1]}, "TWILIO_MESSAGING_SERVICE_SID: is no SID"),
        ({"TWILIO_FROM": "+12025550100", "TWILIO_ACCOUNT_SID": SERVICE}, "TWILIO_ACCOUNT_SID: is no SID"),
        (
            {"TWILIO_FROM": "+12025550100", "TWILIO_API_KEY": "AC" + "0" * 32, "TWILIO_API_SECRET": "x"},
            "TWILIO_API_KEY: is no SID",
        ),
    ],
)
def test_what_can_send_none_is_refused_with_the_remedy(given: dict[str, str], words: str) -> None:
    with pytest.raises(SettingError) as refused:
        read_twilio({**ACCOUNT, **given})
    assert str(refused.value).startswith(words)
    assert str(refused.value).endswith(".")

"""Every Twilio error code of a text message is classified, and no advice is given that cannot help."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.twilio.error_codes import SMS_ERRORS, UNKNOWN, refused_with, remedy_for, reported_with
from orchestration.challenge.models import OF_A_NUMBER, OF_THE_ACCOUNT, Trouble
from orchestration.service.messages import why_not

DOCUMENTED = {
    int(code): who
    for line in (Path(__file__).parent / "message_error_codes.txt").read_text().splitlines()
    if not line.startswith("#")
    for who, codes in [line.split(" ", 1)]
    for code in codes.split()
}
# The code of Twilio's client for an answer without a Twilio code.
HTTP_STATUSES = {401, 408, 429}


def test_every_documented_code_is_classified_and_nothing_else() -> None:
    assert set(SMS_ERRORS) - HTTP_STATUSES == set(DOCUMENTED)


@pytest.mark.parametrize("who", ["wait", "phone", "operator", "nobody"])
def test_who_can_do_something_about_it_is_told_so_and_nobody_else(who: str) -> None:
    for code in (code for code, whose in DOCUMENTED.items() if whose == who):
        trouble = SMS_ERRORS[code].trouble
        words = why_not(trouble)
        assert ("press again" in words) == (who in {"wait", "phone"}), (code, words)
        assert ("ask who runs Countersign" in words) == (who in {"operator", "nobody"}), (code, words)
        if who == "operator":
            assert trouble in OF_A_NUMBER | OF_THE_ACCOUNT, code
        if who == "phone":
            assert trouble not in OF_A_NUMBER | OF_THE_ACCOUNT, code
        assert SMS_ERRORS[code].again <= (who == "wait"), code


@pytest.mark.parametrize(
    ("status", "code", "trouble", "again"),
    [
        (401, 20003, Trouble.ACCOUNT, False),
        (400, 21606, Trouble.ACCOUNT, False),
        (400, 21408, Trouble.REGION, False),
        (400, 21635, Trouble.NOT_MOBILE, False),
        (429, 20429, Trouble.UNSENT, True),
        (401, 401, Trouble.ACCOUNT, False),
        (429, None, Trouble.UNSENT, True),
        (502, 502, Trouble.UNSENT, True),
        (504, None, Trouble.UNSENT, True),
        (400, 29999, Trouble.UNDELIVERABLE, False),
        (403, 29999, Trouble.ACCOUNT, False),
        (409, 29999, Trouble.UNDELIVERABLE, False),
        (418, None, Trouble.UNDELIVERABLE, False),
        (301, None, Trouble.UNDELIVERABLE, False),
    ],
)
def test_a_send_that_is_refused(status: int, code: int | None, trouble: Trouble, again: bool) -> None:
    error = refused_with(status, code)
    assert (error.trouble, error.again) == (trouble, again)


@pytest.mark.parametrize(
    ("code", "trouble"),
    [
        (30003, Trouble.UNREACHABLE),
        (30005, Trouble.NOT_MOBILE),
        (30006, Trouble.NOT_MOBILE),
        (30007, Trouble.FILTERED),
        (30034, Trouble.ACCOUNT),
        (30008, Trouble.UNDELIVERABLE),
        (39999, Trouble.UNDELIVERABLE),
        (None, Trouble.UNDELIVERABLE),
    ],
)
def test_a_delivery_that_failed(code: int | None, trouble: Trouble) -> None:
    assert reported_with(code).trouble is trouble


def test_an_operator_reads_what_to_do_and_where_twilio_says_more() -> None:
    assert remedy_for(30006, Trouble.NOT_MOBILE) == (
        "Ask them for the number of a mobile phone of theirs, and correct `phone` in the policy file. "
        "Twilio's error 30006: https://www.twilio.com/docs/api/errors/30006"
    )
    assert "errors/39999" in remedy_for(39999, Trouble.UNDELIVERABLE)
    assert "http" not in remedy_for(401, Trouble.ACCOUNT)
    assert "passes by itself" in remedy_for(None, Trouble.UNSENT)
    assert remedy_for(None, Trouble.UNDELIVERABLE) == UNKNOWN.remedy.value

"""Secrets in unforeseen places of a log line are removed, and what operators need stays."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from bot.telemetry.redaction import Redactor

SECRET = "s3cret-of-32-bytes-that-is-known"
HEX = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("token xoxb-1-2-abc refused", "token [hidden] refused"),
        ("xapp-1-A0-9-f00 and xoxe.xoxp-1-Mi0y", "[hidden] and [hidden]"),
        ("POST https://hooks.slack.com/actions/T0/1/x?y", "POST https://hooks.slack.com/[hidden]"),
        ("csn_Ab-9_z sent", "[hidden] sent"),
        ("whsec_c2VjcmV0/+=", "[hidden]"),
        (f"Account AC{HEX}, key SK{HEX}", "Account [hidden], key [hidden]"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer [hidden]"),
        ("{'Authorization': 'Basic dXNlcjpwYXNz'}", "{'Authorization': '[hidden]'}"),
        (f"X-Slack-Signature v0={HEX}{HEX}", "X-Slack-Signature [hidden]"),
        ("postgres://me:pass@db/x", "postgres://[hidden]@db/x"),
        ("GET /requests/p-1?for=U0ADA&key=17.abc HTTP", "GET /requests/p-1?for=[hidden]&key=[hidden] HTTP"),
        ('{"response_url": "http://127.0.0.1/r/abc"}', '{"response_url": "[hidden]"}'),
        (r'"{\"access_token\": \"tok-12345\", \"n\": 1}"', r'"{\"access_token\": \"[hidden]\", \"n\": 1}"'),
        ("Client(auth_token='tok-12345', n=1)", "Client(auth_token='[hidden]', n=1)"),
        (r"{'password': 'ab\\cd'}", "{'password': '[hidden]'}"),
        ("password=hunter22 here", "password=[hidden] here"),
        ("eyJhbGciOiJ.eyJzdWIi.c2ln", "[hidden]"),
        ('{"kty":"OKP","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}', '{"kty":"OKP","d":"[hidden]"}'),
        ("-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----\nrest", "[hidden]\nrest"),
        (f"it is {SECRET}.", "it is [hidden]."),
        ("to +12025550142 failed", "to [number] failed"),
        ("To=%2B12025550142&Body=x", "To=[number]&Body=x"),
        ("call +49 (151) 123-45678 now", "call [number] now"),
        ("mail to ada.lovelace+x@example.co.uk bounced", "mail to [address] bounced"),
        ("Your code is 123456.", "Your code is [code]."),
        ("Body: '004711'", "Body: '[code]'"),
        ("input_value='918273', input_type=str", "input_value='[code]', input_type=str"),
    ],
)
def test_it_goes(text: str, shown: str) -> None:
    assert Redactor([SECRET])(text) == shown


def test_a_secret_goes_however_it_is_written() -> None:
    secret = 'a/b+c="d\\e=='
    for written in (secret, quote(secret, safe=""), repr(secret)[1:-1], json.dumps(secret)[1:-1]):
        assert Redactor([secret])(f"it is {written}.") == "it is [hidden]."


@pytest.mark.parametrize(
    "text",
    [
        "purchase-k7m2x9qd: post_card, try 3: slow; the next in 4.204144 s",
        "listening on http://127.0.0.1:43275",
        "Twilio answered 400 with code 21610.",
        "clock: this machine's clock is 3600 s behind 2026-11-27T18:51:02+01:00",
        "U0ADA in C0PURCHASES at 1764269462.123456",
        "@person@U0ADA: its state has no seal of ours and is dropped",
        "sealed with the key 0a1b2c3d, entry 123456 of the log",
        "12400 USD, 1 + 2 = 3, +2 more",
    ],
)
def test_what_operators_need_stays(text: str) -> None:
    assert Redactor([SECRET])(text) == text


def test_a_code_is_as_long_as_the_setting_says() -> None:
    assert Redactor(digits=4)("the code 1234, the code 123456") == "the code [code], the code 123456"


def test_a_short_secret_is_not_looked_for_inside_words() -> None:
    assert Redactor(["a"])("a banana") == "a banana"

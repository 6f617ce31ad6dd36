"""What anybody may send to the open routes: each probe is refused in a 4xx, with at most a line in the log."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import logging
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import pytest_asyncio
import urllib3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from tests.fuzz.payloads import spoilt
from tests.support import PATIENCE_S
from tests.support.slack import signed
from tests.support.world import TWILIO_TOKEN, World, policies

PROOF = bool(os.environ.get("COUNTERSIGN_PROOF"))
FORM = "application/x-www-form-urlencoded"
NOW = str(int(time.time()))
SIGNED = {
    "X-Slack-Request-Timestamp": NOW,
    "X-Slack-Signature": "v0=" + "0" * 64,
    "X-Twilio-Signature": "AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
}
ROUTES = [
    "/slack/events",
    "/twilio/sms",
    "/twilio/status?challenge=x",
    "/hooks/x/Paid?code=x",
    "/api/approvals",
    "/api/hooks",
    "/api/challenges",
    "/runtime/webhooks/durabletask/instances/x/raiseEvent/Paid?code=x",
    "/requests/x",
    "/healthz",
    "/readyz",
    "/nothing",
]
PROBES: dict[str, tuple[bytes, dict[str, str]]] = {
    "nothing": (b"", {}),
    "half of an object": (b"payload=%7B", {"Content-Type": FORM}),
    "null": (b"payload=null", {"Content-Type": FORM}),
    "a list": (b"payload=%5B%5D", {"Content-Type": FORM}),
    "a number": (b"1", {"Content-Type": "application/json"}),
    "null as JSON": (b"null", {"Content-Type": "application/json"}),
    "broken JSON": (b'{"a":', {"Content-Type": "application/json"}),
    "deep JSON": (b"[" * 5000, {"Content-Type": "application/json"}),
    "a bogus charset": (b"payload=%7B%7D", {"Content-Type": f"{FORM}; charset=klingon"}),
    "UTF-16": ("payload={}".encode("utf-16"), {"Content-Type": f"{FORM}; charset=utf-16"}),
    "no UTF-8": (b"payload=\xff\xfe", {"Content-Type": FORM}),
    "escaped no UTF-8": (b"payload=%ff%fe", {"Content-Type": FORM}),
    "NUL": (b"payload=\x00", {"Content-Type": FORM}),
    "many fields": (b"&".join(b"f%d=1" % n for n in range(5000)), {"Content-Type": FORM}),
    "a field twice": (b"Body=1&Body=2", {"Content-Type": FORM}),
    "broken multipart": (
        b"--x\r\nContent-Disposition: ",
        {"Content-Type": "multipart/form-data; boundary=x"},
    ),
    "multipart without a boundary": (b"--x--", {"Content-Type": "multipart/form-data"}),
    "a file": (
        b'--x\r\nContent-Disposition: form-data; name="Body"; filename="f"\r\n\r\n1\r\n--x--\r\n',
        {"Content-Type": "multipart/form-data; boundary=x"},
    ),
    "no content type": (b"payload=%7B%7D", {"Content-Type": ""}),
    "a bad content type": (b"x", {"Content-Type": "///;;;"}),
    "a timestamp that is none": (b"payload=%7B%7D", {"Content-Type": FORM, "X-Slack-Request-Timestamp": "x"}),
    "a timestamp of other digits": (
        b"a=b",
        {"Content-Type": FORM, "X-Slack-Request-Timestamp": "\u0661\u0662"},
    ),
    "a huge timestamp": (b"a=b", {"Content-Type": FORM, "X-Slack-Request-Timestamp": "9" * 400}),
    "a timestamp of the past": (b"a=b", {"Content-Type": FORM, "X-Slack-Request-Timestamp": "-1"}),
    "a signature that is none": (b"a=b", {"Content-Type": FORM, "X-Slack-Signature": "v0=\u00e9"}),
    "gzip": (gzip.compress(b"0" * 1024 * 1024), {"Content-Type": FORM, "Content-Encoding": "gzip"}),
    "broken gzip": (b"\x1f\x8bx", {"Content-Type": FORM, "Content-Encoding": "gzip"}),
    "deflate": (b"x", {"Content-Type": "application/json", "Content-Encoding": "deflate"}),
    "an unknown encoding": (b"x", {"Content-Type": "application/json", "Content-Encoding": "br, gzip"}),
    "over a megabyte": (b"a=" + b"x" * 1_100_000, {"Content-Type": FORM}),
    "a bad token": (b"{}", {"Content-Type": "application/json", "Authorization": "Bearer \u00e9\u00e9"}),
    "a retry of Slack's": (b"a=b", {"Content-Type": FORM, "X-Slack-Retry-Num": "x"}),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with World(Path(tmp_path_factory.mktemp("open")), policies("life"), sms=True) as found:
        yield found


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("route", ROUTES)
async def test_whatever_anybody_sends_is_refused_in_words(
    open_world: World, caplog: pytest.LogCaptureFixture, route: str
) -> None:
    async with aiohttp.ClientSession() as http:
        for name, (body, headers) in PROBES.items():
            if len(body) > 1_000_000 and route not in ROUTES[:2]:
                continue  # the server waits a second for what is left of it
            caplog.clear()
            answer = await http.post(open_world.url + route, data=io.BytesIO(body), headers=SIGNED | headers)
            async with answer:
                said = await answer.text()
            assert 400 <= answer.status < 500, (name, answer.status, said)
            assert "Traceback" not in said, name
            lines = [record for record in caplog.records if record.levelno >= logging.WARNING]
            assert len(lines) <= 1, (name, lines)
            assert not any(record.exc_info for record in lines), (name, lines)
    assert not open_world.cards()


async def test_a_compressed_body_is_refused_before_any_of_it_is_read(open_world: World) -> None:
    """The answer comes though the body never does."""
    host, port = open_world.url.removeprefix("http://").split(":")

    async def refused(route: str) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        head = (
            f"POST {route} HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 1000000\r\n\r\n"
        )
        writer.write(head.encode())
        line = await asyncio.wait_for(reader.readline(), PATIENCE_S)
        assert line.split()[1] == b"415", route
        assert await asyncio.wait_for(reader.read(), PATIENCE_S)  # and the connection ends with it
        writer.close()

    await asyncio.gather(*(refused(route) for route in ROUTES))


def _form(payload: dict[str, Any]) -> str:
    """As Slack sends it: a command and an event are bodies of their own, all else is one field of a form."""
    if "command" in payload:
        return urlencode({name: str(value) for name, value in payload.items()}, errors="replace")
    if payload.get("type") in ("event_callback", "url_verification"):
        return json.dumps(payload)
    return urlencode({"payload": json.dumps(payload)})


@pytest.mark.timeout(1200 if PROOF else 120)
async def test_what_slack_signs_and_is_not_as_slack_says_is_refused_in_words(
    open_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Every press, form and command of ours, with parts of it left out or replaced."""
    posts = urllib3.PoolManager(1)

    @settings(
        max_examples=3000 if PROOF else 40,
        derandomize=not PROOF,
        suppress_health_check=list(HealthCheck),
    )
    @given(payload=spoilt())
    def send(payload: dict[str, Any]) -> None:
        caplog.clear()
        body = _form(payload)
        kind = "application/json" if body.startswith("{") else FORM
        answer = posts.request(
            "POST",
            f"{open_world.url}/slack/events",
            body=body.encode(),
            headers={"Content-Type": kind, **signed(body)},
        )
        said = answer.data.decode()
        traces = [record.getMessage() for record in caplog.records if record.exc_info]
        assert (answer.status < 500, "Traceback" in said, traces) == (True, False, []), (
            answer.status,
            said,
            body,
        )

    await asyncio.to_thread(send)


TEXTS = st.sampled_from(
    ["123456", "１２３ 456", "\u0664\u0662", "STOP", "", "+12025550142", "rcs:", "\x00", "\u202e", "9" * 2000]
)
FIELDS = st.dictionaries(
    st.sampled_from(["MessageSid", "From", "To", "Body", "MessageStatus", "ErrorCode"]) | st.text(max_size=5),
    TEXTS | st.text(max_size=20),
    max_size=7,
)


@pytest.mark.timeout(1200 if PROOF else 120)
async def test_whatever_twilio_signs_is_answered(open_world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Replies and delivery reports, with any number, any text and any fields."""
    posts, validator = urllib3.PoolManager(1), RequestValidator(TWILIO_TOKEN)

    @settings(
        max_examples=3000 if PROOF else 25, derandomize=not PROOF, suppress_health_check=list(HealthCheck)
    )
    @given(
        fields=FIELDS, path=st.sampled_from(["/twilio/sms", "/twilio/status?challenge=x", "/twilio/status"])
    )
    def send(fields: dict[str, str], path: str) -> None:
        caplog.clear()
        url = open_world.url + path
        headers = {"Content-Type": FORM, "X-Twilio-Signature": validator.compute_signature(url, fields)}
        answer = posts.request("POST", url, body=urlencode(fields), headers=headers)
        traces = [record.getMessage() for record in caplog.records if record.exc_info]
        assert (answer.status in {200, 204}, traces) == (True, []), (answer.status, answer.data, fields)

    await asyncio.to_thread(send)

"""The record of a request: who gets it, what is on it, and that what people wrote stays text."""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from hashlib import sha256
from html import unescape

import pytest

from bot.http.pages import page
from bot.http.pages.links import RecordLinks
from bot.security.secrets import Secrets
from orchestration.domain.request import ApprovalRequest
from tests.support import PATIENCE_S
from tests.support.api_world import NEW_SECRET, OLD_SECRET, ApiWorld
from tests.support.records import RecordReader, approved, asked
from tests.support.simulated import fault

pytestmark = pytest.mark.asyncio(loop_scope="session")

UNDECIDED = "It gets one when it is decided."
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"


def words(html: str) -> str:
    """What a person reads."""
    body = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


@pytest.fixture
def reader(api: ApiWorld) -> RecordReader:
    return RecordReader(api)


# ---- who gets it -----------------------------------------------------------------------------------------


async def test_an_address_is_for_one_request_one_person_and_an_hour(reader: RecordReader) -> None:
    mine, other = await asked(reader.api), await asked(reader.api, title="Secret plan")
    address = reader.address(mine)
    assert (await reader.get(address)).status == 200
    forged = [
        address.replace(mine, other),
        address.replace("U0RITA", "U0SAM"),
        address[:-1] + ("A" if address[-1] != "A" else "B"),
        re.sub(r"key=\d+", "key=99999999999", address),
        address.split("?")[0],
        address.split("&")[0],
        address.replace("for=U0RITA", f"for={mine}"),
    ]
    for wrong in forged:
        await refused(reader, wrong)
    assert (await reader.get(reader.address(mine, minutes_ago=59))).status == 200
    await refused(reader, reader.address(mine, minutes_ago=61))


async def refused(reader: RecordReader, address: str) -> None:
    """A page without any data, which says how to get a new link."""
    seen = await reader.get(address)
    assert seen.status == 403, address
    assert page.GONE_NEXT in unescape(seen.text)
    assert "Secret" not in seen.text
    assert "U0RITA" not in seen.text
    assert seen.headers["Cache-Control"] == "no-store"


async def test_a_link_of_a_rotated_secret_holds_and_one_of_another_server_does_not(
    reader: RecordReader,
) -> None:
    request_id = await asked(reader.api)
    before = RecordLinks(reader.api.url, Secrets(OLD_SECRET.encode())).make(request_id, "U0RITA")
    elsewhere = RecordLinks(reader.api.url, Secrets(b"x" * 32)).make(request_id, "U0RITA")
    assert before is not None
    assert elsewhere is not None
    assert (await reader.get(before)).status == 200
    assert (await reader.get(elsewhere)).status == 403


async def test_two_pairs_never_share_a_key() -> None:
    """A name that ends where an ID begins must not make one link good for another request."""
    links = RecordLinks("https://approvals.example", Secrets(NEW_SECRET.encode()))
    key = (links.make("deploy-1\0U0ADA", "U0RITA") or "").rpartition("key=")[2]
    assert links.good_until("deploy-1\0U0ADA", "U0RITA", key) is not None
    assert links.good_until("deploy-1", "U0ADA\0U0RITA", key) is None


async def test_without_a_public_address_no_link_is_made() -> None:
    assert RecordLinks(None, Secrets(NEW_SECRET.encode())).make("deploy-1", "U0RITA") is None


async def test_a_request_that_was_removed_is_said_to_be(reader: RecordReader) -> None:
    seen = await reader.get(reader.address("deploy-00000000"))
    assert (seen.status, page.UNKNOWN in seen.text) == (404, True)


# ---- what is on it ---------------------------------------------------------------------------------------


async def test_all_of_a_decided_request_is_on_it(reader: RecordReader) -> None:
    api = reader.api
    fields = {
        "service": "web",
        "until": "2026-12-24",
        "reviewer": "U0ADA",
        "ticket": "https://t.example/7?a=1&b=2",
    }
    request_id = await asked(
        api, title="Deploy 4f2c1a?", description="First line.\nSecond line.", fields=fields
    )
    ask = api.token("ada", "U0ADA", "decide:deploy")
    question = {"kind": "question", "text": "Is it tested?"}
    assert (await api.call("POST", f"/api/approvals/{request_id}/comment", ask, json=question)).status == 200
    open_page = words(await reader.read(request_id))
    assert "○ Waiting for On call, until 20" in open_page
    assert UNDECIDED in open_page
    await approved(api, request_id, "Go ahead.")
    async with asyncio.timeout(PATIENCE_S):
        while "Everything done" not in (html := await reader.read(request_id)):
            await asyncio.sleep(0.02)
    said = words(html)
    assert 'href="https://t.example/7?a=1&amp;b=2" rel="noopener noreferrer nofollow"' in html
    outcome = (await api.service.status(request_id)).outcome
    assert outcome is not None
    assert outcome.receipt is not None
    for expected in (
        "Deploy 4f2c1a?",
        "✓ Approved by Ada Okafor U0ADA , 20",
        "Asked by Rita Moreno U0RITA , by API with the token ci-",
        "Service web",
        "Until Thursday, 24 December 2026",
        "Reviewer Ada Okafor U0ADA",
        "Ticket https://t.example/7?a=1&b=2",
        "First line. Second line.",
        "On call ✓ Approved · needs 1 Approvers: Ada Okafor U0ADA ✓ Ada Okafor U0ADA approved, ",
        "✓ Ada Okafor U0ADA approved, 20",
        "by API with the token ada-",
        "Go ahead.",
        "Ada Okafor U0ADA asks, 20",
        "Is it tested?",
        f"--id {request_id} \\ --nonce {outcome.nonce} \\ --digest {outcome.digest} \\ < receipt.txt",
        outcome.receipt,
        f"of the log {next((api.data / 'records').iterdir()).name} , signed 20",
        f"for {api.url}.",
        "Receipt signed",
        "Card posted · # deploys C0DEPLOYS",
        "Notified · Rita Moreno U0RITA",
        "Made for Rita Moreno U0RITA ; this address is good until 20",
    ):
        assert expected in said, expected
    assert said.count("Is it tested?") == 2, "once where it is said, and once in the timeline"
    assert re.search(
        r'<time datetime="20\d\d-\d\d-\d\dT[\d:]{8}\+00:00">20[\d-]{8} [\d:]{5} UTC</time>', html
    )


async def test_slack_being_away_leaves_the_ids(own_api: ApiWorld) -> None:
    request_id = await asked(own_api)
    for method in ("users.info", "usergroups.list", "conversations.info"):
        await fault(own_api.simulator, method, "http_500", count=-1)
    said = words(await RecordReader(own_api).read(request_id))
    assert "Asked by U0RITA" in said
    assert "Card posted · C0DEPLOYS" in said


async def test_one_that_was_stopped_says_so(reader: RecordReader) -> None:
    api = reader.api
    request_id = await asked(api)
    admin = api.token("admin", "U0OLGA", "admin")
    stop = f"/runtime/webhooks/durabletask/instances/{request_id}/terminate"
    assert (await api.call("POST", stop, admin)).status == 202
    said = words(await reader.read(request_id))
    assert "– Stopped by an operator , 20" in said


# ---- nothing on it is more than text ---------------------------------------------------------------------


async def test_what_people_write_stays_text(reader: RecordReader) -> None:
    api = reader.api
    request = ApprovalRequest(
        policy="deploy",
        title=EVIL,
        description=f"{EVIL}\u202e",  # which Slack's form takes, and would turn an amount around
        fields={"service": f'"{EVIL}'},
        requester="U0RITA",
    )
    request_id = await api.service.start(request)
    await api.until(request_id, lambda progress: len(progress.cards) == 1)
    talk = api.token("ada", "U0ADA", "decide:deploy")
    remark = {"kind": "comment", "text": f"</blockquote>{EVIL}"}
    await api.call("POST", f"/api/approvals/{request_id}/comment", talk, json=remark)
    await approved(api, request_id, f"'{EVIL}")
    html = await reader.read(request_id)
    assert html.count("&lt;script&gt;alert(1)") >= 6
    made = set(re.findall(r"<([a-z0-9]+)", html))
    assert not made & {"script", "img", "iframe", "form", "link", "a", "svg", "object"}
    assert "\u202e" not in html


async def test_the_browser_is_told_to_take_nothing_but_the_style(reader: RecordReader) -> None:
    seen = await reader.get(reader.address(await asked(reader.api)))
    [style] = re.findall(r"<style>(.*?)</style>", seen.text, flags=re.DOTALL)
    policy = seen.headers["Content-Security-Policy"]
    assert f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" in policy
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert seen.headers["Referrer-Policy"] == "no-referrer"
    assert seen.headers["Cache-Control"] == "no-store"
    assert " style=" not in seen.text

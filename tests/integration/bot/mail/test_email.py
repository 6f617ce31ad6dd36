"""Codes by e-mail: the real bot, its API alone, and a real mail server over TLS."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.mail.sender import SmtpSender
from bot.mail.settings import read_mail
from orchestration.domain.errors import MailRefusedError
from tests.support import PATIENCE_S
from tests.support.api_world import NEW_SECRET, OLD_SECRET, ApiWorld
from tests.support.mail_server import SENDER, MailServer

FUTURE_SECRET = "f" * 32
RITA = "rita.holt@example.com"


@pytest.fixture
def mail(tmp_path: Path) -> Iterator[MailServer]:
    with MailServer(tmp_path) as found:
        yield found


@pytest.fixture
async def api(tmp_path: Path, mail: MailServer) -> AsyncIterator[ApiWorld]:
    """With a mail server and no SMS account."""
    async with ApiWorld(tmp_path / "data", settings=mail.settings, sms=False) as found:
        yield found


async def begin(api: ApiWorld, token: str, address: str = RITA) -> str:
    answer = await api.call("POST", "/api/challenges", token, json={"email": address})
    assert answer.status == 202, answer.body
    found: str = answer.body["id"]
    return found


async def coded(api: ApiWorld, mail: MailServer, token: str, address: str = RITA) -> tuple[str, str]:
    """A challenge, and its code once the mail is there."""
    before = len(mail.messages)
    challenge = await begin(api, token, address)
    await api.eventually(lambda: len(mail.messages) > before)
    code = mail.code_for(address)
    assert code is not None
    return challenge, code


async def answer(api: ApiWorld, token: str, challenge: str, code: str) -> Any:
    return (await api.call("POST", f"/api/challenges/{challenge}/response", token, json={"code": code})).body


async def ended(api: ApiWorld, token: str, challenge: str) -> dict[str, Any]:
    """Skips to what is tried again, until it has ended."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found: dict[str, Any] = (await api.call("GET", f"/api/challenges/{challenge}", token)).body
            if found["status"] != "waiting":
                return found
            if api.is_due_within(minutes=3):
                await api.skip(minutes=2)
            await asyncio.sleep(0.02)


def wrong(code: str) -> str:
    return str((int(code) + 1) % 10**6).zfill(6)


async def test_a_code_by_mail_is_answered_by_api_and_survives_a_restart(
    api: ApiWorld, mail: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = api.token("site", "U0RITA", "challenge")
    challenge, code = await coded(api, mail, token)
    [message] = mail.messages
    assert message["To"] == RITA
    assert SENDER in message["From"]
    assert (message["Auto-Submitted"], code in message["Subject"]) == ("auto-generated", False)
    assert "It ends in 10 minutes." in message.get_content()
    seen = (await api.call("GET", f"/api/challenges/{challenge}", token)).body
    assert (seen["masked"], seen["status"]) == ("r•••@example.com", "waiting")
    assert (await answer(api, token, challenge, wrong(code)))["attempts_left"] == 2
    # It is stopped between the mail and the answer, and two minutes are no end.
    await api.stop()
    await api.start()
    await api.skip(minutes=9)
    result = await answer(api, token, challenge, code)
    assert (result["right"], result["status"]) == (True, "verified")
    # Neither is anywhere else.
    kept = b"".join(
        file.read_bytes() for file in api.data.iterdir() if file.name.startswith("hub") and file.is_file()
    )
    # The mail server of the tests writes a log of its own here.
    logged = "\n".join(one.getMessage() for one in caplog.records if not one.name.startswith("mail."))
    said = logged.encode() + kept
    assert RITA.encode() not in said
    assert b"rita.holt" not in said
    for form in (f'"{code}"', f" {code} ", f"{code}."):
        assert form.encode() not in said


async def test_a_code_ends_after_ten_minutes(api: ApiWorld, mail: MailServer) -> None:
    token = api.token("site", "U0RITA", "challenge")
    challenge, code = await coded(api, mail, token)
    await api.skip(minutes=10)
    assert (await ended(api, token, challenge))["status"] == "expired"
    refused = await api.call("POST", f"/api/challenges/{challenge}/response", token, json={"code": code})
    assert refused.status == 409


async def test_three_wrong_codes_end_it(api: ApiWorld, mail: MailServer) -> None:
    token = api.token("site", "U0RITA", "challenge")
    challenge, code = await coded(api, mail, token)
    left = [(await answer(api, token, challenge, wrong(code)))["attempts_left"] for _ in range(3)]
    assert left == [2, 1, 0]
    assert (await ended(api, token, challenge))["trouble"] == "wrong"


async def test_an_address_gets_five_an_hour_however_it_is_written(api: ApiWorld, mail: MailServer) -> None:
    token = api.token("site", "U0RITA", "challenge")
    for number in range(5):
        await coded(api, mail, token, RITA if number % 2 else RITA.upper())
    refused = await ended(api, token, await begin(api, token))
    assert (refused["status"], refused["trouble"]) == ("failed", "quota")
    await coded(api, mail, token, "ada@example.com")
    assert len(mail.messages) == 6


async def test_a_repeat_with_the_same_key_sends_one_code_and_costs_one_attempt(
    api: ApiWorld, mail: MailServer
) -> None:
    """Also over a rotation of the secret, and never another's challenge."""
    site, shop = api.token("site", "U0RITA", "challenge"), api.token("shop", "U0RITA", "challenge")

    async def begun(token: str, key: str, address: str = RITA) -> Any:
        body = {"email": address}
        return await api.call("POST", "/api/challenges", token, json=body, headers={"Idempotency-Key": key})

    async def answered(key: str, digits: str) -> Any:
        path = f"/api/challenges/{challenge}/response"
        given = {"json": {"code": digits}, "headers": {"Idempotency-Key": key}}
        return await api.call("POST", path, site, **given)

    twice = await asyncio.gather(begun(site, "k-1"), begun(site, "k-1"))
    [challenge] = {one.body["id"] for one in twice}
    other = (await begun(shop, "k-1")).body["id"]
    assert other != challenge
    assert (await begun(site, "k-1", "ada@example.com")).status == 422
    assert (await begun(site, "k 1")).status == 422
    await api.eventually(lambda: len(mail.messages) == 2)
    codes = {one["Message-ID"].split("@")[0][1:]: one.get_content().split()[3] for one in mail.messages}
    assert set(codes) == {challenge, other}
    # Learned first, as others on the hub would need it.
    for secrets in (
        f"{NEW_SECRET} {OLD_SECRET} {FUTURE_SECRET}",
        f"{FUTURE_SECRET} {NEW_SECRET} {OLD_SECRET}",
    ):
        await api.stop()
        api.set(COUNTERSIGN_SECRET=secrets)
        await api.start()
    assert (await begun(site, "k-1")).body["id"] == challenge
    for key, left in (("a-1", 2), ("a-1", 2), ("a-2", 1)):
        assert (await answered(key, wrong(codes[challenge]))).body["attempts_left"] == left
    for _ in range(2):
        assert (await answered("a-3", codes[challenge])).body["right"]
    assert (await answered("a-3", wrong(codes[challenge]))).status == 409
    assert (await answered("a-4", codes[challenge])).status == 409
    assert (await begun(site, "k-1")).body["status"] == "verified"
    assert len(mail.messages) == 2
    # Once it is forgotten, the key begins anew, with another code.
    await api.client.purge_orchestration(challenge)
    again = (await begun(site, "k-1")).body["id"]
    await api.eventually(lambda: len(mail.messages) == 3)
    assert mail.code_for(RITA) != codes[challenge]
    assert (await api.call("GET", f"/api/challenges/{again}", site)).body["status"] == "waiting"


async def test_a_refusal_for_now_is_tried_again_and_the_same_code_comes(
    api: ApiWorld, mail: MailServer
) -> None:
    """Greylisting: a stranger is to come again after some minutes."""
    token = api.token("site", "U0RITA", "challenge")
    mail.refusals = ["451 4.7.1 Greylisted, come again"] * 4
    challenge = await begin(api, token)
    async with asyncio.timeout(PATIENCE_S):
        while not mail.messages:
            if api.is_due_within(minutes=3):
                await api.skip(seconds=60)
            await asyncio.sleep(0.02)
    assert mail.tried == 5
    code = mail.code_for(RITA)
    assert code is not None
    assert (await answer(api, token, challenge, code))["right"]


@pytest.mark.parametrize(
    ("refusal", "data", "trouble", "words"),
    [
        ("550 5.1.1 <rita.holt@example.com> unknown", "", "no_mailbox", "knows no such address"),
        ("552 5.2.2 over quota", "", "mailbox_full", "full or disabled"),
        ("", "554 5.7.1 looks like spam", "mail_filtered", "blocks the message"),
    ],
)
async def test_a_refusal_for_good_is_said_in_words(
    api: ApiWorld, mail: MailServer, refusal: str, data: str, trouble: str, words: str
) -> None:
    token = api.token("site", "U0RITA", "challenge")
    mail.refusals, mail.data_refusals = [refusal] if refusal else [], [data] if data else []
    found = await ended(api, token, await begin(api, token))
    assert (found["status"], found["trouble"]) == ("failed", trouble)
    assert words in found["words"]
    assert "rita.holt" not in str(found)
    assert mail.tried == 1


async def test_what_is_no_address_or_no_way_is_refused_with_its_field(
    api: ApiWorld, mail: MailServer
) -> None:
    token = api.token("site", "U0RITA", "challenge")
    for body, field, words in (
        ({"email": "rita@example.com\nBcc: ada@example.com"}, "email", "such as rita@example.com"),
        ({"email": "Rita <rita@example.com>"}, "email", "such as rita@example.com"),
        ({"number": "+12025550142"}, "number", "TWILIO_"),
        ({}, "body", "either a number or an email"),
        ({"number": "+12025550142", "email": RITA}, "body", "either a number or an email"),
    ):
        refused = await api.call("POST", "/api/challenges", token, json=body)
        assert refused.status in {400, 422}, refused.body
        assert words in str(refused.body["errors"])
        assert field in refused.fields
    assert mail.tried == 0


async def test_without_a_mail_server_an_address_is_refused(tmp_path: Path) -> None:
    async with ApiWorld(tmp_path / "data") as api:
        token = api.token("site", "U0RITA", "challenge")
        refused = await api.call("POST", "/api/challenges", token, json={"email": RITA})
        assert refused.fields == {"email"}
        assert "COUNTERSIGN_SMTP_HOST" in str(refused.body["errors"])


# ---- how it is sent ------------------------------------------------------------------------------------------


def sender(server: MailServer, timeout: float = 10.0, **changes: str | None) -> SmtpSender:
    given = {**server.settings, **{f"COUNTERSIGN_SMTP_{name}": value for name, value in changes.items()}}
    settings = read_mail({name: value for name, value in given.items() if value is not None})
    assert settings is not None
    return SmtpSender(settings, timeout)


@pytest.mark.parametrize("tls", ["starttls", "implicit", "none"])
def test_each_way_of_encryption_delivers(tmp_path: Path, tls: str) -> None:
    with MailServer(tmp_path, tls) as server:
        changes: dict[str, Any] = {} if tls == "starttls" else {"USER": None, "PASSWORD": None}
        sender(server, **changes).send(RITA, "123456", 10, "challenge-x")
        assert server.code_for(RITA) == "123456"
        assert server.messages[0]["Message-ID"] == "<challenge-x@acme.example>"


@pytest.mark.parametrize("goodbye", ["250 fine", "421 4.3.2 closing", "502 5.5.1 what?"])
def test_a_message_that_was_taken_is_sent_whatever_the_goodbye(tmp_path: Path, goodbye: str) -> None:
    with MailServer(tmp_path) as server:
        server.goodbye = goodbye
        sender(server).send(RITA, "123456", 10, "challenge-x")
        assert len(server.messages) == 1


def test_a_server_that_looks_through_a_message_has_more_time_than_for_its_other_answers(
    tmp_path: Path,
) -> None:
    with MailServer(tmp_path) as server:
        server.looking = 1.0
        sender(server, timeout=0.5).send(RITA, "123456", 10, "challenge-x")
        assert len(server.messages) == 1


def test_nothing_goes_out_in_the_clear_or_to_whom_the_certificate_does_not_name(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with MailServer(tmp_path, "none") as plain:
        # It offers no STARTTLS, as where somebody on the way took the offer out.
        with pytest.raises(MailRefusedError) as refused:
            sender(plain, TLS="starttls").send(RITA, "123456", 10, "challenge-x")
        assert (refused.value.trouble, plain.tried) == ("mail_refused", 0)
    with MailServer(tmp_path) as server, MailServer(tmp_path / "other") as other:
        for wrong_ca in (None, str(other.pem)):
            with pytest.raises(MailRefusedError) as refused:
                sender(server, CA=wrong_ca).send(RITA, "123456", 10, "challenge-x")
            assert refused.value.trouble == "mail_refused"
        with pytest.raises(MailRefusedError) as refused:
            sender(server, PASSWORD="guessed").send(RITA, "123456", 10, "challenge-x")
        assert (refused.value.trouble, refused.value.code) == ("mail_refused", 535)
        assert server.tried == 0

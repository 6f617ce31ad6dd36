"""Sending with Twilio's own client: the resource, every refusal, and trouble on demand."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from twilio.base.exceptions import TwilioRestException

from bot.simulator import ActionRefusedError, Person, Simulator, SmsAccount, Workspace
from bot.simulator.sms.rest_errors import KNOWN_CODES
from bot.simulator.sms.segments import count_segments
from tests.support import PATIENCE_S

ADA, FROM = "+12025550142", "+12025550100"


async def test_a_text_is_queued_and_reaches_the_phone(twilio: Any, ada: Person) -> None:
    sent = await twilio.send(body="Reply 481926 to approve. Expires in 2 min.")
    assert (sent.status, sent.direction, sent.num_segments) == ("queued", "outbound-api", "1")
    assert (sent.from_, sent.to, sent.error_code, sent.date_sent) == (FROM, ADA, None, None)
    assert sent.sid.startswith("SM")
    assert len(sent.sid) == 34
    assert sent.uri == f"/2010-04-01/Accounts/{sent.account_sid}/Messages/{sent.sid}.json"
    assert abs((datetime.now(UTC) - sent.date_created).total_seconds()) < 60
    text = await ada.wait_for_text(lambda text: "481926" in text["body"])
    assert (text["id"], text["with"], text["direction"]) == (sent.sid, FROM, "in")
    later = await twilio.fetch(sent.sid)
    assert (later.status, later.date_sent is not None) == ("delivered", True)


async def test_two_creates_are_two_texts(twilio: Any, ada: Person) -> None:
    """Twilio knows no idempotency key, so whoever retries a send must reckon with this."""
    first, second = [await twilio.send() for _ in range(2)]
    assert first.sid != second.sid

    async def both(person: Person) -> bool:
        return len(await person.texts()) == 2

    await ada.wait_for(both)


async def test_a_messaging_service_accepts_before_it_chooses_a_number(
    twilio: Any, account: SmsAccount
) -> None:
    sent = await twilio.send(from_=None, messaging_service_sid=account.messaging_service_sid)
    assert (sent.status, sent.from_, sent.num_segments) == ("accepted", None, "0")
    assert sent.messaging_service_sid == account.messaging_service_sid
    async with asyncio.timeout(PATIENCE_S):
        while (found := await twilio.fetch(sent.sid)).status != "delivered":
            await asyncio.sleep(0.005)
    assert (found.from_, found.num_segments) == (FROM, "1")


async def test_an_api_key_is_as_good_as_the_token(
    sim: Simulator, twilio_at: Any, account: SmsAccount
) -> None:
    [(key, secret)] = account.api_keys.items()
    assert (await twilio_at(sim, key, secret).send()).status == "queued"
    refused = await twilio_at(sim, key, account.auth_token).refused()
    assert (refused.status, refused.code) == (401, 20003)


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ({"to": ""}, 21604, "A 'To' phone number is required."),
        ({"to": "12025550142"}, 21211, "The 'To' number 12025550142 is not a valid phone number."),
        ({"to": "+1555"}, 21211, "The 'To' number +1555 is not a valid phone number."),
        ({"body": ""}, 21602, "Message body is required."),
        ({"from_": None}, 21603, "A 'From' phone number is required."),
        ({"from_": "+12025550199"}, 21606, "not a valid, SMS-capable"),
        (
            {"from_": None, "messaging_service_sid": "MG" + "0" * 32},
            21705,
            "Messaging Service Sid is invalid",
        ),
        ({"status_callback": "ftp://example.com/"}, 21609, "is not a valid URL"),
        ({"to": "+447700900123"}, 21408, "has not been enabled for the region"),
        ({"body": "x" * 1601}, 21617, "exceeds the 1600 character limit"),
        ({"to": "+15005550001"}, 21211, "is not a valid phone number"),
        ({"to": "+15005550002"}, 21612, "not currently reachable"),
        ({"to": "+15005550003"}, 21408, "has not been enabled for the region"),
        ({"to": "+15005550004"}, 21610, "Attempt to send to unsubscribed recipient"),
        ({"to": "+15005550009"}, 21614, "is not a valid mobile number"),
    ],
)
async def test_every_refusal_has_twilios_code_and_words(
    twilio: Any, given: dict[str, Any], code: int, words: str
) -> None:
    error: TwilioRestException = await twilio.refused(**given)
    assert (error.status, error.code) == (400, code)
    assert words in error.msg


async def test_a_refusal_has_twilios_shape(sim: Simulator, account: SmsAccount) -> None:
    url = f"{sim.sms_api_url}/2010-04-01/Accounts/{account.account_sid}/Messages.json"
    async with aiohttp.ClientSession() as session, session.post(url, data={"To": ADA}) as response:
        assert response.status == 401
        assert await response.json() == {
            "code": 20003,
            "message": "Authenticate",
            "more_info": "https://www.twilio.com/docs/errors/20003",
            "status": 401,
        }


async def test_strangers_and_unknown_texts(
    sim: Simulator, twilio: Any, twilio_at: Any, account: SmsAccount
) -> None:
    assert (await twilio_at(sim, account.account_sid, "guessed").refused()).code == 20003
    with pytest.raises(TwilioRestException) as caught:
        await twilio.fetch("SM" + "0" * 32)
    assert (caught.value.status, caught.value.code) == (404, 20404)
    elsewhere = twilio_at(sim)
    elsewhere.client.api.account._solution["sid"] = "AC" + "0" * 32
    assert (await elsewhere.refused()).code == 20404


async def test_a_longest_text_and_a_foreign_country(start: Any, twilio_at: Any, account: SmsAccount) -> None:
    open_to_all = SmsAccount(account.account_sid, account.auth_token, regions={"1": "US", "44": "GB"})
    async with start(sms=open_to_all) as sim:
        client = twilio_at(sim)
        assert (await client.send(body="x" * 1600)).num_segments == "11"
        assert (await client.send(to="+447700900123")).status == "queued"


@pytest.mark.parametrize(
    ("body", "segments"),
    [
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 306, 2),
        ("x" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("é" * 160, 1),
        ("“" * 70, 1),
        ("“" + "x" * 70, 2),
        ("🙂" * 35, 1),
        ("🙂" * 36, 2),
        ("x" * 152 + "€" + "x" * 152, 3),
    ],
)
def test_segments_are_counted_as_they_are_billed(body: str, segments: int) -> None:
    """The last: an escaped character moves whole into the second segment, which pushes one over into a third."""
    assert count_segments(body) == segments


async def test_a_rate_limit_says_when_to_come_back(twilio: Any, plan: Any) -> None:
    await plan(kind="ratelimited", retry_after=7)
    error = await twilio.refused()
    assert (error.status, error.code) == (429, 20429)
    assert twilio.http._test_only_last_response.headers["Retry-After"] == "7"
    assert (await twilio.send()).status == "queued"


async def test_a_breakdown_takes_nothing_but_a_lost_answer_does(twilio: Any, plan: Any, ada: Person) -> None:
    await plan(kind="http_500", count=2)
    assert [(await twilio.refused(body="never")).status for _ in range(2)] == [500, 500]
    await plan(kind="lost_answer")
    assert (await twilio.refused(body="and yet")).status == 500
    assert (await ada.wait_for_text(lambda _: True))["body"] == "and yet"


@pytest.mark.parametrize("code", [21610, 21614, 21408])
async def test_any_refusal_for_one_number_only(twilio: Any, plan: Any, code: int) -> None:
    await plan(kind="refuse", code=code, to=ADA, count=-1)
    assert (await twilio.send(to="+12025550143")).status == "queued"
    assert [(await twilio.refused()).code for _ in range(2)] == [code, code]


async def test_faults_are_forgotten_on_request(sim: Simulator, twilio: Any, plan: Any) -> None:
    await plan(kind="refuse", count=-1)
    async with aiohttp.ClientSession() as session:
        await session.delete(f"{sim.url}/sim/faults")
    assert (await twilio.send()).status == "queued"


@pytest.mark.parametrize("code", sorted(KNOWN_CODES))
async def test_each_refusal_is_played_or_refused_when_it_is_planned(
    twilio: Any, plan: Any, code: int
) -> None:
    try:
        await plan(kind="refuse", code=code)
    except AssertionError as refused:
        assert "send such a request instead" in str(refused)  # noqa: PT017 - either is right, a crash is not
        assert code in {20404, 21606, 21609}
        return
    error = await twilio.refused()
    assert (error.code, "{" in error.msg) == (code, False)


@pytest.mark.parametrize(
    "nonsense",
    [
        {"kind": "explode"},
        {"kind": "refuse", "code": 1},
        {"kind": "drop", "count": "2"},
        {"kind": "drop", "count": 0},
        {"kind": "drop", "code": 30003},
        {"kind": "drop", "to": "555-0142"},
        {"kind": "undeliverable", "code": 21610},
        {"kind": "undeliverable", "code": -1},
        {},
    ],
)
async def test_a_fault_must_make_sense(plan: Any, nonsense: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="400"):
        await plan(**nonsense)


async def test_sends_are_on_record(sim: Simulator, twilio: Any) -> None:
    await twilio.send()
    await twilio.refused(to="")
    url = f"{sim.url}/sim/calls?method=sms.messages.create"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        calls = (await response.json())["calls"]
    assert [(call["ok"], call["error"]) for call in calls] == [(True, None), (False, "21604")]
    assert calls[0]["args"] == {"To": ADA, "From": FROM, "Body": "hello"}


async def test_without_an_account_there_are_no_phones(start: Any, plan_at: Any) -> None:
    async with start() as sim, Person(sim.url, "U0ADA") as ada:
        assert (await ada.state())["phones"] is False
        with pytest.raises(ActionRefusedError):
            await ada.phone()
        with pytest.raises(AssertionError, match="no phones"):
            await plan_at(sim, kind="drop")
        with pytest.raises(Exception, match="SmsAccount"):
            _ = sim.sms_api_url


async def test_the_seed_numbers_are_the_peoples(sim: Simulator) -> None:
    texts = sim.workspace.texts
    numbers = {person.id: texts.number_of(person.id) for person in sim.workspace.people.all()}
    assert numbers == {
        "U0ADA": "+12025550142",
        "U0FIN": "+12025550143",
        "U0DIRK": "+12025550144",
        "U0FAY": "+12025550145",
        "U0SAM": "+12025550146",
        "U0RITA": "+12025550147",
        "U0BOT": None,
    }


async def test_a_frozen_clock_is_the_one_on_the_texts(
    start: Any, twilio_at: Any, account: SmsAccount
) -> None:
    async with start(Workspace.open(None, now=lambda: 1796382000.25), sms=account) as sim:
        sent = await twilio_at(sim).send()
        assert sent.date_created == datetime.fromtimestamp(1796382000, UTC)

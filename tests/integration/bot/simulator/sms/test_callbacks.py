"""Status callbacks for sent texts. The webhook of the tests checks every signature."""

import asyncio
from typing import Any

import pytest

from bot.simulator import Person, Simulator, SmsAccount

ADA, FROM, FIN, NOBODY = "+12025550142", "+12025550100", "+12025550143", "+12025550199"


async def test_a_delivered_text_is_told_of_twice(twilio: Any, hook: Any, account: SmsAccount) -> None:
    """The first status is in the answer to the create, so no callback has it."""
    text = await twilio.send(status_callback=hook.url)
    sent, delivered = await hook.seen(2)
    common = {
        "AccountSid": account.account_sid,
        "ApiVersion": "2010-04-01",
        "From": FROM,
        "MessageSid": text.sid,
        "SmsSid": text.sid,
        "To": ADA,
    }
    assert sent == common | {"MessageStatus": "sent", "SmsStatus": "sent"}
    done = delivered.pop("RawDlrDoneDate")
    assert delivered == common | {"MessageStatus": "delivered", "SmsStatus": "delivered"}
    assert len(done) == 10
    assert hook.tokens[0] != hook.tokens[1]


async def test_the_query_of_the_url_is_signed_too(twilio: Any, hook: Any) -> None:
    await twilio.send(status_callback=f"{hook.url}?ref=a%2Fb&empty=")
    assert len(await hook.seen(2)) == 2


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({}, [("sent", None), ("undelivered", "30003")]),
        ({"code": 30006}, [("sent", None), ("undelivered", "30006")]),
        ({"code": 30001, "status": "failed"}, [("failed", "30001")]),
    ],
)
async def test_an_undeliverable_text(
    twilio: Any, plan: Any, hook: Any, ada: Person, fault: dict[str, Any], told: list[Any]
) -> None:
    await plan(kind="undeliverable", **fault)
    text = await twilio.send(body="481926", status_callback=hook.url)
    forms = await hook.seen(len(told))
    assert [(form["MessageStatus"], form.get("ErrorCode")) for form in forms] == told
    status, code = told[-1]
    assert (found := await twilio.fetch(text.sid)).error_code == int(code)
    assert found.status == status
    [shown] = await ada.texts()
    assert (shown["status"], shown["error"], shown["body"]) == (status, int(code), "")
    assert (await ada.phone())["unread"] == 0
    with pytest.raises(TimeoutError):
        await ada.wait_for_text(lambda _: True, timeout=0.05)


async def test_a_number_that_is_nobodys(twilio: Any, hook: Any) -> None:
    await twilio.send(to=NOBODY, status_callback=hook.url)
    assert (await hook.seen(2))[-1]["ErrorCode"] == "30005"


async def test_a_dropped_text_is_never_heard_of_again(twilio: Any, plan: Any, hook: Any, ada: Person) -> None:
    await plan(kind="drop", to=ADA)
    dropped = await twilio.send(status_callback=hook.url)
    after = await twilio.send(status_callback=hook.url)
    forms = await hook.seen(2)
    assert {form["MessageSid"] for form in forms} == {after.sid}
    assert [text["id"] for text in await ada.texts()] == [after.sid]
    assert (await twilio.fetch(dropped.sid)).status == "queued"


async def test_late_callbacks_delay_no_text(twilio: Any, plan: Any, hook: Any, ada: Person) -> None:
    await plan(kind="delay", delay=0.3)
    await twilio.send(status_callback=hook.url)
    await ada.wait_for_text(lambda _: True)
    assert hook.forms == []
    assert [form["MessageStatus"] for form in await hook.seen(2)] == ["sent", "delivered"]


async def test_callbacks_arrive_in_order_although_the_app_is_slow(
    twilio: Any, hook: Any, ada: Person
) -> None:
    hook.hold = asyncio.Event()
    await twilio.send(status_callback=hook.url)
    await ada.wait_for_text(lambda _: True)
    assert [form["MessageStatus"] for form in await hook.seen(1)] == ["sent"]
    hook.hold.set()
    assert [form["MessageStatus"] for form in await hook.seen(2)] == ["sent", "delivered"]


async def test_an_app_in_trouble_is_told_once_more(twilio: Any, hook: Any) -> None:
    hook.answers += [(503, "text/plain", "later")]
    await twilio.send(status_callback=hook.url)
    assert [form["MessageStatus"] for form in await hook.seen(3)] == ["sent", "sent", "delivered"]
    assert hook.tokens[0] == hook.tokens[1]


async def test_a_messaging_service_calls_back_by_itself(
    start: Any, twilio_at: Any, hook: Any, account: SmsAccount
) -> None:
    with_url = SmsAccount(
        account.account_sid,
        account.auth_token,
        messaging_service_sid=account.messaging_service_sid,
        status_url=hook.url,
    )
    async with start(sms=with_url) as sim:
        await twilio_at(sim).send(from_=None, messaging_service_sid=account.messaging_service_sid)
        forms = await hook.seen(3)
    assert [form["MessageStatus"] for form in forms] == ["queued", "sent", "delivered"]
    assert {form["MessagingServiceSid"] for form in forms} == {account.messaging_service_sid}


async def test_nothing_is_told_where_nobody_asked(twilio: Any, hook: Any, sim: Simulator) -> None:
    sim.sms_inbound_url = hook.url
    async with Person(sim.url, "U0FIN") as fin:
        await twilio.send(to=FIN)
        await fin.wait_for_text(lambda _: True)
    assert hook.forms == []

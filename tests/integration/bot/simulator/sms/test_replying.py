"""What people write from their phones, and what the app answers. The hook checks every signature."""

import asyncio
from typing import Any

import pytest

from bot.simulator import ActionRefusedError, Person, Simulator, SmsAccount

ADA, FROM = "+12025550142", "+12025550100"
STOPPED = "You have successfully been unsubscribed."
BACK = "You have successfully been re-subscribed"


@pytest.fixture
def hook(hook: Any, sim: Simulator) -> Any:
    sim.sms_inbound_url = hook.url
    return hook


async def bodies(person: Person) -> list[str]:
    return [text["body"] for text in await person.texts() if text["direction"] == "in"]


async def test_a_reply_reaches_the_app_and_its_answer_the_phone(
    hook: Any, ada: Person, says: Any, account: SmsAccount
) -> None:
    hook.answers.append(says("Thanks, approved.", "2 &amp; 3"))
    sent = await ada.reply_sms("481926 🙂")
    [form] = hook.forms
    assert form == {
        "AccountSid": account.account_sid,
        "ApiVersion": "2010-04-01",
        "Body": "481926 🙂",
        "From": ADA,
        "FromCity": "",
        "FromCountry": "US",
        "FromState": "",
        "FromZip": "",
        "MessageSid": sent["id"],
        "MessagingServiceSid": account.messaging_service_sid,
        "NumMedia": "0",
        "NumSegments": "1",
        "SmsMessageSid": sent["id"],
        "SmsSid": sent["id"],
        "SmsStatus": "received",
        "To": FROM,
        "ToCity": "",
        "ToCountry": "US",
        "ToState": "",
        "ToZip": "",
    }
    assert (sent["status"], sent["error"]) == ("received", None)
    assert await bodies(ada) == ["Thanks, approved.", "2 & 3"]
    assert (await ada.phone())["unread"] == 2
    await ada.read_phone()
    assert (await ada.phone())["unread"] == 0


async def test_answers_are_no_sends_of_the_app(hook: Any, ada: Person, says: Any, twilio: Any) -> None:
    hook.answers.append(says("Thanks."))
    await ada.reply_sms("481926")
    [answer] = [text for text in await ada.texts() if text["direction"] == "in"]
    assert (await twilio.fetch(answer["id"])).direction == "outbound-reply"


async def test_an_inbound_text_can_be_asked_after(ada: Person, twilio: Any) -> None:
    sent = await ada.reply_sms("481926")
    found = await twilio.fetch(sent["id"])
    assert (found.direction, found.status, found.from_, found.body) == ("inbound", "received", ADA, "481926")


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ((200, "text/xml", ""), []),
        ((204, "text/xml", ""), []),
        ((200, "text/plain", "OK"), ["OK"]),
        ((200, "application/xml", "<Response><Message><Body>One</Body></Message></Response>"), ["One"]),
        ((200, "text/xml", "<Response><Redirect>/x</Redirect><Message> </Message></Response>"), []),
    ],
)
async def test_what_counts_as_an_answer(
    hook: Any, ada: Person, answer: tuple[int, str, str], shown: list[str]
) -> None:
    """A plain "OK" becomes a text to the person, as at Twilio. Whoever makes that mistake sees it on the phone."""
    hook.answers.append(answer)
    assert (await ada.reply_sms("hi"))["status"] == "received"
    assert await bodies(ada) == shown


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((200, "text/xml", "<Response><Message>open"), 12100),
        ((200, "text/xml", "<html/>"), 12100),
        ((200, "application/json", "{}"), 12300),
    ],
)
async def test_nonsense_is_marked(hook: Any, ada: Person, answer: tuple[int, str, str], error: int) -> None:
    hook.answers.append(answer)
    sent = await ada.reply_sms("hi")
    assert (sent["status"], sent["error"]) == ("failed", error)
    assert await bodies(ada) == []


async def test_an_app_in_trouble_is_tried_once_more(hook: Any, ada: Person, says: Any) -> None:
    hook.answers += [(500, "text/plain", "oops"), says("Thanks.")]
    assert (await ada.reply_sms("481926"))["status"] == "received"
    assert await bodies(ada) == ["Thanks."]
    first, second = hook.forms
    assert first == second
    assert hook.tokens[0] == hook.tokens[1]


async def test_an_app_that_never_takes_it(hook: Any, ada: Person, sim: Simulator) -> None:
    hook.answers += [(500, "text/plain", ""), (404, "text/plain", "")]
    sent = await ada.reply_sms("481926")
    assert (sent["status"], sent["error"], len(hook.forms)) == ("failed", 11200, 2)
    sim.sms_inbound_url = "http://127.0.0.1:1/hook"
    assert (await ada.reply_sms("481926"))["error"] == 11200


async def test_an_app_that_does_not_answer_in_time(hook: Any, ada: Person) -> None:
    hook.hold = asyncio.Event()
    sent = await ada.reply_sms("481926")
    assert (sent["status"], sent["error"], len(hook.forms)) == ("failed", 11200, 2)
    hook.hold.set()


async def test_a_text_may_be_delivered_again(hook: Any, ada: Person, says: Any) -> None:
    hook.answers += [says("Thanks."), says()]
    sent = await ada.reply_sms("481926")
    again = await ada.redeliver_last()
    assert again["id"] == sent["id"]
    first, second = hook.forms
    assert first == second
    assert hook.tokens[0] == hook.tokens[1]
    assert len([text for text in await ada.texts() if text["direction"] == "out"]) == 1


async def test_different_texts_have_different_tokens(hook: Any, ada: Person) -> None:
    for _ in range(2):
        await ada.reply_sms("481926")
    assert len(set(hook.tokens)) == 2


async def test_nothing_to_send_or_to_deliver_again(ada: Person) -> None:
    with pytest.raises(ActionRefusedError, match="nothing to send"):
        await ada.reply_sms(" ")
    with pytest.raises(ActionRefusedError, match="Ada Okafor has sent no text yet"):
        await ada.redeliver_last()


@pytest.mark.parametrize("word", ["STOP", "stopall", " Unsubscribe ", "CANCEL", "END", "quit"])
async def test_a_person_may_opt_out(hook: Any, ada: Person, twilio: Any, says: Any, word: str) -> None:
    """The app hears of it, and what it answers is held back."""
    hook.answers.append(says("Are you sure?"))
    await ada.reply_sms(word)
    [reply] = await bodies(ada)
    assert reply.startswith(STOPPED)
    assert hook.forms[0]["Body"] == word.strip()
    assert "OptOutType" not in hook.forms[0]
    assert (await ada.phone())["opted_out"] is True
    assert (await twilio.refused()).code == 21610


@pytest.mark.parametrize("word", ["START", "yes", "UNSTOP"])
async def test_and_in_again(hook: Any, ada: Person, twilio: Any, says: Any, word: str) -> None:
    await ada.reply_sms("STOP")
    hook.answers.append(says("Welcome back."))
    await ada.reply_sms(word)
    _, back, welcome = await bodies(ada)
    assert (back.startswith(BACK), welcome) == (True, "Welcome back.")
    assert (await ada.phone())["opted_out"] is False
    assert (await twilio.send()).status == "queued"


async def test_only_a_change_is_answered(hook: Any, ada: Person) -> None:
    await ada.reply_sms("YES")
    assert await bodies(ada) == []
    await ada.reply_sms("STOP")
    await ada.reply_sms("STOP")
    await ada.reply_sms("HELP")
    assert len(await bodies(ada)) == 1
    assert len(hook.forms) == 4


async def test_help_is_answered_and_a_sentence_is_no_keyword(ada: Person) -> None:
    await ada.reply_sms("Help")
    await ada.reply_sms("please stop")
    assert await bodies(ada) == ["Reply STOP to unsubscribe. Msg&Data Rates May Apply."]
    assert (await ada.phone())["opted_out"] is False


async def test_opting_out_is_one_persons_own(ada: Person, twilio: Any) -> None:
    await ada.reply_sms("STOP")
    assert (await twilio.send(to="+12025550143")).status == "queued"


async def test_advanced_opt_out_names_the_keyword(start: Any, hook: Any, account: SmsAccount) -> None:
    advanced = SmsAccount(
        account.account_sid, account.auth_token, inbound_url=hook.url, advanced_opt_out=True
    )
    async with start(sms=advanced) as sim, Person(sim.url, "U0FIN") as fin:
        for word in ("quit", "yes", "info", "481926"):
            await fin.reply_sms(word)
    assert [form.get("OptOutType") for form in hook.forms] == ["STOP", "START", "HELP", None]


async def test_an_opt_out_holds_for_the_number_that_was_answered(
    start: Any, twilio_at: Any, account: SmsAccount
) -> None:
    """Without a messaging service; and a reply goes to the number that wrote last."""
    two = SmsAccount(account.account_sid, account.auth_token, numbers=(FROM, "+12025550101"))
    async with start(sms=two) as sim, Person(sim.url, "U0ADA") as ada:
        client = twilio_at(sim)
        await client.send(from_="+12025550101")
        await ada.wait_for_text(lambda _: True)
        assert (await ada.reply_sms("STOP"))["with"] == "+12025550101"
        assert (await client.refused(from_="+12025550101")).code == 21610
        assert (await client.send()).status == "queued"

"""A code by SMS, end to end: the real bot and Twilio's real client, a simulated workspace with phones."""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from durabletask import history as past
from twilio.request_validator import RequestValidator

from bot.http.pages.page import Viewer, record_page
from bot.http.pages.record import read_record
from bot.records.entries import unchecked_claims
from bot.security.tokens import FILE as TOKENS
from bot.security.tokens import TokenFile
from bot.simulator import ActionRefusedError
from bot.simulator.control.person import Person
from orchestration.service.operations import Operations
from orchestration.service.wrong_codes import AT_ONCE, LOOKED_AT, wrong_codes
from tests.support.board import Board, BoardOutcomes
from tests.support.messages import actions_of, text_of
from tests.support.slack import PURCHASES, ask, decided, ephemeral, is_card
from tests.support.world import TWILIO_NUMBER, TWILIO_TOKEN, World, policies

LARGE = "purchase 12400 Steel for hall 3"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A workspace with phones, and a bot that Twilio reaches."""
    async with World(tmp_path, policies("sms"), sms=True) as found:
        yield found


def code_of(text: dict[str, Any]) -> str:
    found = re.search(r"reply (\d{6}) to approve", text["body"])
    assert found, text
    return found.group(1)


def is_code(text: dict[str, Any]) -> bool:
    return "reply" in text["body"]


async def press(person: Person, card: dict[str, Any]) -> str:
    """Presses Approve, and gives the code that arrives on the phone."""
    before = len([text for text in await person.texts() if is_code(text)])
    await person.click(PURCHASES, card["ts"], "approve")
    text = await person.wait_for(lambda someone: nth_code(someone, before))
    return code_of(text)


async def nth_code(person: Person, n: int) -> dict[str, Any] | None:
    codes = [text for text in await person.texts() if text["direction"] == "in" and is_code(text)]
    return codes[n] if len(codes) > n else None


async def answer_to(person: Person, text: str) -> str:
    """Replies by SMS, and gives the words that come back."""
    await person.reply_sms(text)
    said: str = [text for text in await person.texts() if text["direction"] == "in"][-1]["body"]
    return said


async def undecided_still(person: Person) -> bool:
    return any(
        is_card(message) and "approve" in actions_of(message) for message in await person.messages(PURCHASES)
    )


async def test_a_reply_with_the_code_approves_and_the_card_says_so(world: World) -> None:
    async with world.person("U0RITA") as rita, world.person("U0ADA") as ada:
        card = await ask(rita, LARGE)
        code = await press(ada, card)
        await ephemeral(ada, PURCHASES, "texted you a code")
        waiting = await rita.wait_for_message(
            PURCHASES, lambda m: is_card(m) and "to confirm by SMS" in text_of(m)
        )
        assert "enter_code" in actions_of(waiting)
        assert await answer_to(ada, "maybe?") == "Please reply with the 6 digits of the code, nothing else."
        assert (
            await answer_to(ada, str((int(code) + 1) % 10**6).zfill(6))
            == "That code isn't right, 2 tries left."
        )
        assert await undecided_still(rita)
        assert await answer_to(ada, f"{code[:3]} {code[3:]}") == "Thanks, confirmed."
        ended = await rita.wait_for_message(PURCHASES, decided)
        assert "<@U0ADA>" in text_of(ended)
        await on_record(world, ended["metadata"]["event_payload"]["instance_id"])
        assert await answer_to(ada, code) == "That code has been used already. Nothing is waiting for it."
        assert (
            await answer_to(ada, str((int(code) + 1) % 10**6).zfill(6))
            == "Nothing is waiting for a code from this number."
        )


async def on_record(world: World, request_id: str) -> None:
    """The wrong code is in the timeline, without what was typed; and the vote says, signed, of which group Ada was."""
    await world.until(request_id, lambda progress: not progress.receipt_pending and progress.status.ended)
    operations = CountedOperations(world.client, BoardOutcomes(Board()))
    record = await read_record(world.service, operations, request_id)
    told = [(entry.kind, entry.text, entry.actor) for entry in record.timeline]
    wrong = told.index(("code_wrong", "A wrong code came in, 2 tries left", "U0ADA"))
    assert told[wrong + 1][0] == "code_confirmed"
    looked_up = [entry.members for entry in record.timeline if entry.kind == "members"]
    assert looked_up[-1] == {"S0MANAGERS": ["U0ADA", "U0FAY"]}
    named = record.named()
    assert named[:2] == ["U0RITA", "U0ADA"], "who asked and who decided are named before anybody else"
    only_in_groups = set(named[named.index("U0FAY") :])
    assert not only_in_groups & {"U0FIN", "S0MANAGERS", PURCHASES}
    shown = record_page(record, {}, Viewer("U0RITA", datetime.now(UTC), "https://approvals.example"))
    assert not re.search(r"and \d+ more", shown)
    for entry in record.timeline:
        entry.member_counts = {group: len(people) + 23 for group, people in (entry.members or {}).items()}
    shown = record_page(record, {}, Viewer("U0RITA", datetime.now(UTC), "https://approvals.example"))
    assert "and 23 more" in shown
    await of_many_challenges(operations, request_id)
    outcome = record.progress.outcome
    assert outcome is not None
    [vote] = unchecked_claims(outcome.receipt or "")["decisions"]
    assert vote["groups"] == outcome.levels[0].decisions[0].groups == ["S0MANAGERS"]


class CountedOperations(Operations):
    """Counts the histories that are asked for, and how many of them at the same time."""

    asked = under_way = most = 0

    async def own_history(self, instance_id: str, orchestration: str) -> list[past.HistoryEvent]:
        self.asked, self.under_way = self.asked + 1, self.under_way + 1
        self.most = max(self.most, self.under_way)
        try:
            return await super().own_history(instance_id, orchestration)
        finally:
            self.under_way -= 1


async def of_many_challenges(operations: CountedOperations, request_id: str) -> None:
    """Of a request with very many codes the newest are looked at, a few at a time, and told in their order."""
    events = await operations.history(request_id)
    [begun] = [event for event in events if isinstance(event, past.SubOrchestrationInstanceCreatedEvent)]
    gone = dataclasses.replace(begun, instance_id="gone")
    operations.asked = operations.most = 0
    found = await wrong_codes(operations, [*[begun] * LOOKED_AT, *[begun, gone] * (LOOKED_AT // 2)])
    assert [(code.person, code.left) for code in found] == [("U0ADA", 2)] * (LOOKED_AT // 2)
    assert (operations.asked, operations.most) == (LOOKED_AT, AT_ONCE)


async def test_a_reply_that_is_late_hears_so_and_costs_a_newer_code_nothing(world: World) -> None:
    async with world.person("U0RITA") as rita, world.person("U0ADA") as ada:
        card = await ask(rita, LARGE)
        late = await press(ada, card)
        await world.skip(minutes=3)
        await ada.wait_for_message("D0ADA", lambda m: "no code came back in time" in m["text"])
        expired = "That code has expired. Please press the button again for a new one."
        assert await answer_to(ada, late) == expired
        code = await press(ada, card)
        for _ in range(3):
            assert await answer_to(ada, late) == f"{expired} A newer code that you have still counts."
        assert await answer_to(ada, code) == "Thanks, confirmed."


async def test_the_code_can_be_typed_in_slack_by_its_owner_alone(world: World) -> None:
    async with world.person("U0RITA") as rita, world.person("U0ADA") as ada, world.person("U0FIN") as fin:
        card = await ask(rita, LARGE)
        code = await press(ada, card)
        await rita.wait_for_message(PURCHASES, lambda m: "enter_code" in actions_of(m))
        await fin.click(PURCHASES, card["ts"], "enter_code")
        await ephemeral(fin, PURCHASES, "No code is waiting for you")
        await ada.click(PURCHASES, card["ts"], "enter_code")
        form = await ada.wait_for_view()
        with pytest.raises(ActionRefusedError) as refused:
            await ada.submit(form, {"code": "12"})
        assert "A code is 6 digits" in str(refused.value.errors)
        await ada.submit(form, {"code": code})
        assert "Approved" in text_of(await rita.wait_for_message(PURCHASES, decided))


async def test_a_typed_code_is_taken_in_time_while_nobody_can_check_it(world: World) -> None:
    """Slack waits three seconds for a form. The code is on disk by then, and counts once a worker is there again."""
    async with world.person("U0RITA") as rita, world.person("U0ADA") as ada:
        card = await ask(rita, LARGE)
        code = await press(ada, card)
        await rita.wait_for_message(PURCHASES, lambda m: "enter_code" in actions_of(m))
        await ada.click(PURCHASES, card["ts"], "enter_code")
        form = await ada.wait_for_view()
        await world.rest()
        await ada.submit(form, {"code": code})
        assert await ada.views() == []
        await world.stop()
        await world.start()
        assert "Approved" in text_of(await rita.wait_for_message(PURCHASES, decided))


async def test_a_code_decides_where_the_card_is_deleted(world: World) -> None:
    """Details has what the card had: Approve, which sends the code, and then where to enter it."""
    async with world.person("U0RITA") as rita, world.person("U0ADA") as ada:
        card = await ask(rita, LARGE)
        request_id = card["metadata"]["event_payload"]["instance_id"]
        await rita.delete(PURCHASES, card["ts"])
        await ada.command(PURCHASES, f"/request-approval status {request_id}")
        view = await ada.wait_for_view("details")
        await ada.click_in_view(view, "approve")
        code = code_of(await ada.wait_for_text(is_code))
        waiting = await ada.wait_for(offers_code)
        assert "We texted you a code." in text_of({"text": "", **waiting})
        await ada.click_in_view(waiting, "enter_code")
        form = await ada.wait_for_view("enter_code_form")
        await ada.submit(form, {"code": code})
        assert await ada.views() == []
        told = await rita.wait_for_message("D0RITA", lambda message: "approved" in message["text"])
        assert "<@U0ADA> approved *“Steel for hall 3”*" in told["text"]


async def offers_code(person: Person) -> dict[str, Any] | None:
    """The modal in front, once a code can be entered from it."""
    views = await person.views()
    return views[-1] if views and "enter_code" in actions_of(views[-1]) else None


async def test_a_redelivered_reply_costs_one_attempt_and_gets_the_same_words(world: World) -> None:
    async with world.person("U0RITA") as rita, world.person("U0ADA") as ada:
        code = await press(ada, await ask(rita, LARGE))
        wrong = str((int(code) + 1) % 10**6).zfill(6)
        assert "2 tries left" in await answer_to(ada, wrong)
        await ada.redeliver_last()
        said = [text["body"] for text in await ada.texts() if "isn't right" in text["body"]]
        assert set(said) == {"That code isn't right, 2 tries left."}
        assert "1 try left" in await answer_to(ada, wrong)
        assert "last try" in await answer_to(ada, wrong)
        await ada.wait_for_message("D0ADA", lambda m: "three wrong codes" in m["text"])
        assert await undecided_still(rita)


async def test_a_forged_reply_gets_403_and_counts_for_nothing(world: World) -> None:
    async with (
        world.person("U0RITA") as rita,
        world.person("U0ADA") as ada,
        aiohttp.ClientSession() as http,
    ):
        code = await press(ada, await ask(rita, LARGE))
        body = urlencode({"MessageSid": "SM1", "From": "+12025550142", "To": TWILIO_NUMBER, "Body": code})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": "forged"}
        async with http.post(world.url + "/twilio/sms", data=body, headers=headers) as answer:
            assert answer.status == 403
        assert await undecided_still(rita)
        assert await answer_to(ada, code) == "Thanks, confirmed."


async def test_a_reply_over_rcs_in_other_digits_is_heard(world: World) -> None:
    """The carrier names the channel before the number, and a keyboard may have the digits of its own script."""
    async with (
        world.person("U0RITA") as rita,
        world.person("U0ADA") as ada,
        aiohttp.ClientSession() as http,
    ):
        code = await press(ada, await ask(rita, LARGE))
        typed = "\u200e" + code.translate({ord("0") + n: chr(0x0660 + n) for n in range(10)})
        form = {"MessageSid": "SM2", "From": "rcs:+12025550142", "To": TWILIO_NUMBER, "Body": typed}
        public = world.url + "/twilio/sms"
        signature = RequestValidator(TWILIO_TOKEN).compute_signature(public, form)
        async with http.post(public, data=form, headers={"X-Twilio-Signature": signature}) as answer:
            assert "Thanks, confirmed." in await answer.text()
        assert "Approved" in text_of(await rita.wait_for_message(PURCHASES, decided))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kind": "undeliverable", "code": 30003}, "could not be delivered to your phone"),
        ({"kind": "refuse", "code": 21610}, "opted out"),
        ({"kind": "undeliverable", "code": 30006}, "cannot receive text messages; please ask who runs"),
        ({"kind": "refuse", "code": 21614}, "cannot receive text messages"),
        ({"kind": "refuse", "code": 20003}, "refuses to send for this server"),
    ],
)
async def test_what_cannot_arrive_is_said_at_once(world: World, fault: dict[str, Any], words: str) -> None:
    async with (
        world.person("U0RITA") as rita,
        world.person("U0ADA") as ada,
        aiohttp.ClientSession() as http,
    ):
        card = await ask(rita, LARGE)
        await http.post(f"{world.simulator.url}/sim/faults", json={"service": "sms", "count": 1, **fault})
        await ada.click(PURCHASES, card["ts"], "approve")
        await ada.wait_for_message("D0ADA", lambda m: words in m["text"])
        assert await undecided_still(rita)
        await answer_to(ada, await press(ada, card))
        assert "Approved" in text_of(await rita.wait_for_message(PURCHASES, decided))


async def test_nothing_is_lost_between_the_send_and_the_reply(world: World) -> None:
    async with world.person("U0RITA") as rita, world.person("U0ADA") as ada:
        code = await press(ada, await ask(rita, LARGE))
        await world.stop()
        await world.start()
        assert await answer_to(ada, code) == "Thanks, confirmed."
        assert "Approved" in text_of(await rita.wait_for_message(PURCHASES, decided))
        assert len([text for text in await ada.texts() if is_code(text)]) == 1


async def test_neither_number_nor_code_is_anywhere_but_on_the_phone(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with world.person("U0RITA") as rita, world.person("U0ADA") as ada:
        code = await press(ada, await ask(rita, LARGE))
        await answer_to(ada, str((int(code) + 1) % 10**6).zfill(6))
        await answer_to(ada, code)
        await rita.wait_for_message(PURCHASES, decided)
        seen = [str(message) for channel in (PURCHASES, "D0RITA") for message in await rita.messages(channel)]
        seen += [str(message) for message in await ada.messages("D0ADA")]
    ours = [record for record in caplog.records if record.name.split(".")[0] in {"bot", "orchestration"}]
    seen += [record.getMessage() for record in ours if not record.name.startswith("bot.simulator")]
    seen += [file.read_bytes().decode("latin-1") for file in tmp_path.rglob("hub.db*") if file.is_file()]
    for secret in ("+12025550142", "2025550142", f"reply {code}", f'"{code}"', f" {code} "):
        assert not any(secret in text for text in seen), secret


async def test_a_phone_is_verified_over_the_http_api(world: World) -> None:
    tokens = TokenFile(world.data / TOKENS)
    headers = {"Authorization": f"Bearer {tokens.create('ci', 'U0RITA', ['challenge'])}"}
    others = {"Authorization": f"Bearer {tokens.create('other', 'U0RITA', ['challenge', 'request'])}"}
    without = {"Authorization": f"Bearer {tokens.create('old', 'U0RITA', ['request', 'admin'])}"}
    async with world.person("U0SAM") as sam, aiohttp.ClientSession(headers=headers) as http:
        url = world.url + "/api/challenges"
        async with http.post(url, json={"number": "0202 555"}) as answer:
            assert answer.status in {400, 422}
        async with http.post(url, json={"number": "+12025550146", "subject": "send us money"}) as answer:
            assert answer.status == 422
            assert "subject" in await answer.text()
        async with http.post(url, json={"number": "+12025550146"}, headers=without) as answer:
            assert answer.status == 403
            assert "challenge" in await answer.text()
        async with http.post(url, json={"number": "+12025550146"}) as answer:
            assert answer.status == 202
            one = world.url + answer.headers["Location"]
        text = await sam.wait_for_text(lambda text: "to verify your phone" in text["body"])
        code = re.search(r"reply (\d{6})", text["body"])
        assert code
        async with http.post(f"{one}/response", json={"code": code.group(1)}, headers=others) as answer:
            assert answer.status == 404
        async with http.post(f"{one}/response", json={"code": "what?"}) as answer:
            assert answer.status in {400, 422}
        async with http.post(f"{one}/response", json={"code": code.group(1)}) as answer:
            assert await answer.json() == {"right": True, "attempts_left": 3, "status": "verified"}
        async with http.get(one) as answer:
            shown = await answer.json()
        assert (shown["status"], shown["masked"]) == ("verified", "+1•••••0146")
        async with http.post(f"{one}/response", json={"code": code.group(1)}) as answer:
            assert answer.status == 409
        async with http.get(world.url + "/api/challenges/payment-k7m2x9qd-sms-1") as answer:
            assert answer.status == 404

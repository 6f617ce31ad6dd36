"""Phones across restarts, in files of versions without phones, and in the unread marks of the page."""

import asyncio
import sqlite3
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from bot.simulator import ActionRefusedError, Person, Simulator, SmsAccount, Timeouts, Workspace
from tests.support import PATIENCE_S

ADA = "+12025550142"


async def test_a_restart_keeps_texts_and_opt_outs(
    tmp_path: Path, start: Any, twilio_at: Any, account: SmsAccount
) -> None:
    path = tmp_path / "slack.db"
    async with start(Workspace.open(path), sms=account) as sim, Person(sim.url, "U0ADA") as ada:
        await twilio_at(sim).send(body="481926")
        await ada.wait_for_text(lambda _: True)
        await ada.reply_sms("STOP")
        before = await ada.phone()
    async with start(Workspace.open(path), sms=account) as sim, Person(sim.url, "U0ADA") as ada:
        assert await ada.phone() == before
        assert [text["direction"] for text in before["messages"]] == ["in", "out", "in"]
        assert (await twilio_at(sim).refused()).code == 21610
        assert (await ada.redeliver_last())["id"] == before["messages"][1]["id"]


async def test_what_was_under_way_goes_on(
    tmp_path: Path, start: Any, twilio_at: Any, plan_at: Any, hook: Any, account: SmsAccount
) -> None:
    """A text on its way, one that is lost, and a reply that the app had not taken when all was stopped."""
    path = tmp_path / "slack.db"
    hook.hold = asyncio.Event()
    slow = Timeouts(status_delay=3600, webhook=3600)
    async with (
        start(Workspace.open(path), sms=account, timeouts=slow) as sim,
        Person(sim.url, "U0ADA") as ada,
    ):
        sim.sms_inbound_url = hook.url
        sent = await twilio_at(sim).send(status_callback=hook.url)
        await plan_at(sim, kind="drop")
        lost = await twilio_at(sim).send()
        reply = asyncio.create_task(ada.reply_sms("481926"))
        await hook.seen(1)
        await sim.stop()
        with pytest.raises(ActionRefusedError, match="being stopped"):
            await reply
    hook.hold.set()
    hook.forms.clear()
    again = SmsAccount(account.account_sid, account.auth_token, inbound_url=hook.url)
    async with start(Workspace.open(path), sms=again) as sim:
        forms = await hook.seen(3)
        found = {(form["MessageSid"], form["SmsStatus"]) for form in forms}
        assert {(sent.sid, "sent"), (sent.sid, "delivered")} <= found
        [inbound] = [form for form in forms if form.get("Body")]
        assert inbound["Body"] == "481926"
        assert (await twilio_at(sim).fetch(lost.sid)).status == "queued"


async def test_a_workspace_from_before_phones_gets_them(
    tmp_path: Path, start: Any, account: SmsAccount
) -> None:
    path = tmp_path / "old.db"
    old = sqlite3.connect(path)
    old.executescript(files("bot.simulator.workspace").joinpath("schema.sql").read_text())
    old.execute("INSERT INTO setting VALUES ('name', 'Acme')")
    for person, is_bot in (("U0ADA", "false"), ("U0BOT", "true")):
        body = f'{{"id": "{person}", "name": "x", "real_name": "X", "is_bot": {is_bot}}}'
        old.execute("INSERT INTO person (id, body) VALUES (?, ?)", (person, body))
    old.executescript("PRAGMA application_id = 0x43735369; PRAGMA user_version = 1;")
    old.close()
    async with start(Workspace.open(path), sms=account) as sim, Person(sim.url, "U0ADA") as ada:
        assert (await ada.phone())["number"] == ADA
        assert sim.workspace.texts.owner_of("+12025550143") is None, "Fin is not in this workspace"


async def test_a_page_is_shown_for_whom_something_waits(sim: Simulator, twilio: Any, ada: Person) -> None:
    async def unread(person: Person) -> dict[str, int]:
        return {one["id"]: one["unread"] for one in (await person.state())["people"] if one["unread"]}

    async with Person(sim.url, "U0RITA") as rita:
        assert await unread(rita) == {}
        await twilio.send()
        await ada.wait_for_text(lambda _: True)
        await rita.say("C0GENERAL", "hello")
        everyone = {"U0ADA": 2, "U0FIN": 1, "U0SAM": 1, "U0DIRK": 1, "U0FAY": 1}
        assert await unread(rita) == everyone
        await ada.read_phone()
        assert await unread(rita) == everyone | {"U0ADA": 1}
        await ada.read("C0GENERAL")
        assert await unread(rita) == {name: 1 for name in everyone if name != "U0ADA"}


async def test_a_text_is_news_for_its_reader_and_a_mark_for_others(sim: Simulator, twilio: Any) -> None:
    with sim.workspace.changes.watch() as queue:
        await twilio.send()
        async with asyncio.timeout(PATIENCE_S):
            change = await queue.get()
    assert change is not None
    assert change.data_for("U0ADA") == {"kind": "phone"}
    assert change.data_for("U0RITA") == {"kind": "people"}


async def test_a_handset_shows_the_last_two_hundred(sim: Simulator, ada: Person) -> None:
    with sim.workspace.store.transaction():
        for number in range(201):
            await ada_writes(sim, number)
    texts = await ada.texts()
    assert (len(texts), texts[0]["body"], texts[-1]["body"]) == (200, "1", "200")


async def ada_writes(sim: Simulator, number: int) -> None:
    assert sim._sms is not None
    await sim._sms.carrier.receive(ADA, str(number))

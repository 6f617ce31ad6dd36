"""Being away, as people see it: what is said at once, who is asked, and who hears of every change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from bot.simulator.control.person import ActionRefusedError, Person
from bot.simulator.workspace.seed import Member
from bot.slack.input.away import STILL_ASKED
from bot.slack.messages.notices import NOT_YOU, TAKEN_BACK
from bot.slack.views import home
from orchestration.people.activities import TEXT_NAMED, TEXT_TAKEN_BACK
from tests.integration.bot.life.conftest import (
    ACCESS,
    GENERAL,
    PURCHASES,
    Cast,
    approve,
    ask,
    choose,
    sees,
    until,
)
from tests.support.messages import text_of
from tests.support.people import enrolled
from tests.support.simulated import calls, fault, no_faults
from tests.support.world import World

PEOPLE = enrolled("U0ADA", "U0DIRK", "U0SAM", U0FIN="U0DIRK")
POLICIES = f"""{PEOPLE}
[policies.purchase]
title = "Purchase"
channel = "C0PURCHASES"
currency = "USD"
delegates = ["U0SAM", "U0DIRK"]
[[policies.purchase.levels]]
name = "Manager"
approvers = ["U0ADA", "U0FIN"]
timeout = "2d"
sms_above = 1000
[policies.named]
title = "Named"
channel = "C0ACCESS"
delegates = ["U0SAM", "U0HOOK", "U0GONE"]
[[policies.named.levels]]
name = "Owner"
approvers = ["U0FAY"]
timeout = "2d"
"""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, POLICIES, sms=True) as found:
        found.workspace.people.add(Member("U0HOOK", "hook", "Hook", is_bot=True))
        found.workspace.people.add(Member("U0GONE", "gone", "Gone Away", is_deactivated=True))
        yield found


async def told_by_sms(person: Person, text: str, times: int = 1) -> None:
    async def look() -> bool:
        return [one["body"] for one in await person.texts()].count(text) == times

    await until(look)


# ---- one rule for handing over ---------------------------------------------------------------------------


async def test_where_a_code_is_needed_who_is_away_is_still_asked_and_was_told_so(
    world: World, people: Cast
) -> None:
    await people.ada.command(GENERAL, "/request-approval away until 2099-12-24 delegate @sam")
    await sees(people.ada, GENERAL, "<@U0SAM> is asked in your place", STILL_ASKED)
    card = await ask(people.rita, "purchase 5000 Steel")
    assert "<@U0SAM>" not in text_of(card)
    await approve(people.sam, card)
    await sees(people.sam, PURCHASES, "You are not one of the approvers")
    await approve(people.ada, card)
    await people.ada.wait_for_text(lambda text: "to approve" in text["body"])
    assert all("→" not in said for said in world.thread(world.cards()[0]) if "away" in said)
    assert world.direct_messages("U0SAM") == []

    small = await ask(people.rita, "purchase 50 Tape")
    assert "waiting for <@U0SAM> (for <@U0ADA>, who is away)" in text_of(small)
    await approve(people.sam, small)
    await sees(people.rita, PURCHASES, "*“Tape”*", "✓ *Approved* by <@U0SAM>")


async def test_where_a_code_is_needed_the_operator_s_delegate_is_asked_and_home_says_so(
    world: World, people: Cast
) -> None:
    await people.fin.open_home()
    view = await people.fin.wait_for(lambda one: one.home())
    await people.fin.click_in_view(view, home.AWAY)
    form = await people.fin.wait_for_view("away")
    await people.fin.submit(form, {"until": str(world.now().date() + timedelta(days=3)), "delegate": "U0SAM"})

    async def said() -> bool:
        shown = text_of({"text": "", "blocks": (await people.fin.home() or {}).get("blocks")})
        return "Where a decision needs a code, <@U0DIRK> is asked" in shown

    await until(said)
    card = await ask(people.rita, "purchase 5000 Steel")
    assert "<@U0DIRK> (for <@U0FIN>, who is away)" in text_of(card)


async def test_who_chooses_a_delegate_who_is_away_too_is_told_and_is_still_asked(
    world: World, people: Cast
) -> None:
    await people.sam.command(GENERAL, "/request-approval away until 2099-12-24 delegate @dirk")
    await sees(people.sam, GENERAL, "<@U0DIRK> is asked in your place")
    await people.fay.command(GENERAL, "/request-approval away until 2099-11-30 delegate @sam")
    today = world.now().date()
    await sees(people.fay, GENERAL, f"<@U0SAM> is away too, from {today} to 2099-12-24.", "still asked")
    card = await ask(people.rita, "named Wiki", ACCESS)
    assert "<@U0SAM>" not in text_of(card)
    await approve(people.fay, card)
    await sees(people.rita, ACCESS, "✓ *Approved* by <@U0FAY>")


# ---- every change is told --------------------------------------------------------------------------------


async def test_each_change_is_told_by_message_and_by_sms(world: World, people: Cast) -> None:
    day = world.now().date()
    for _ in range(2):  # the same once more changes nothing
        await people.ada.command(GENERAL, "/request-approval away until 2099-12-24 delegate @sam")
    await sees(
        people.ada, "D0ADA", f"From {day} to 2099-12-24 (UTC), <@U0SAM> is asked in your place", NOT_YOU
    )
    await told_by_sms(people.ada, TEXT_NAMED)
    await people.ada.command(GENERAL, "/request-approval back")
    await sees(people.ada, "D0ADA", TAKEN_BACK, NOT_YOU)
    await told_by_sms(people.ada, TEXT_TAKEN_BACK)
    await told_by_sms(people.ada, TEXT_NAMED)
    assert len(world.direct_messages("U0ADA")) == 2
    written = b"".join(file.read_bytes() for file in world.data.glob("hub.db*") if file.is_file())
    assert b"delegate_change" in written
    assert b"2025550142" not in written


async def test_a_change_of_which_only_the_commit_is_left_is_told_after_the_start(
    world: World, people: Cast
) -> None:
    """The state after a kill right after the acknowledgement: the worker has done nothing for it yet."""
    await world.rest()
    await people.ada.command(GENERAL, "/request-approval away until 2099-12-24 delegate @sam")
    await sees(people.ada, GENERAL, "<@U0SAM> is asked in your place")
    await world.stop()
    assert world.direct_messages("U0ADA") == []
    await world.start()
    await sees(people.ada, "D0ADA", "<@U0SAM> is asked in your place")
    await told_by_sms(people.ada, TEXT_NAMED)


async def test_a_process_that_ends_between_the_change_and_its_message_loses_nothing(
    world: World, people: Cast
) -> None:
    await fault(world.simulator, "chat.postMessage", "http_500", count=-1)
    async with aiohttp.ClientSession() as http:
        down = {"service": "sms", "kind": "http_500", "count": -1}
        await http.post(f"{world.simulator.url}/sim/faults", json=down)
    await people.ada.command(GENERAL, "/request-approval away until 2099-12-24 delegate @sam")

    async def tried() -> bool:
        return bool(await calls(world.simulator, "chat.postMessage"))

    await until(tried)
    await world.stop()
    await no_faults(world.simulator)
    assert world.direct_messages("U0ADA") == []
    await world.start()
    await world.skip(minutes=6)
    await sees(people.ada, "D0ADA", "<@U0SAM> is asked in your place")
    await told_by_sms(people.ada, TEXT_NAMED)
    assert len(world.direct_messages("U0ADA")) == 1


# ---- delegates are people --------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["U0HOOK", "U0GONE", "U0NOBODY"])
async def test_an_app_somebody_who_left_and_a_stranger_are_nobody_s_delegate(
    world: World, people: Cast, to: str
) -> None:
    world.write(POLICIES.replace("U0GONE", "U0NOBODY") if to == "U0NOBODY" else POLICIES)
    await people.fay.command(GENERAL, f"/request-approval away until 2099-12-24 delegate <@{to}>")
    card = await ask(people.rita, "named Wiki", ACCESS)
    assert f"<@{to}>" not in text_of(card)
    await choose(people.fay, card, "delegate")
    form = await people.fay.wait_for_view("delegate_to")
    with pytest.raises(ActionRefusedError) as refused:
        await people.fay.submit(form, {"person": to})
    assert "cannot decide this for you" in refused.value.errors["person"]
    await approve(people.fay, card)
    await sees(people.rita, ACCESS, "✓ *Approved* by <@U0FAY>")


async def test_while_slack_does_not_say_who_somebody_is_nothing_is_handed_over(
    world: World, people: Cast
) -> None:
    card = await ask(people.rita, "named Wiki", ACCESS)
    await fault(world.simulator, "users.info", "http_500", count=-1)
    await choose(people.fay, card, "delegate")
    form = await people.fay.wait_for_view("delegate_to")
    with pytest.raises(ActionRefusedError) as refused:
        await people.fay.submit(form, {"person": "U0SAM"})
    assert "could not check just now" in refused.value.errors["person"]
    await no_faults(world.simulator)
    await people.fay.submit(form, {"person": "U0SAM"})
    await sees(people.rita, ACCESS, "<@U0SAM> (for <@U0FAY>)")

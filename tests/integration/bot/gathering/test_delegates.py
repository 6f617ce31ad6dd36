"""Somebody who is asked is away: their delegate is asked, and either of them answers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bot.records.entries import unchecked_claims
from bot.slack.views import home_gatherings
from orchestration.domain.commands import Reason
from orchestration.domain.gathering import AnswerWay
from orchestration.domain.people import Away, PersonEntry
from orchestration.domain.request import Via
from orchestration.service.approvals import Actor
from tests.integration.bot.gathering.test_home import shows
from tests.support.gathering import ANSWER, DEPLOYS, GatheringWorld, answer, asked
from tests.support.messages import actions_of, says, text_of
from tests.support.receiver import Receiver
from tests.support.replicas import one_home
from tests.support.simulated import fault
from tests.support.world import policies


async def away(world: GatheringWorld, person: str, delegate: str | None) -> None:
    """Set this person's absence as they would do it themselves; without a delegate, end it."""
    today = world.now().date()
    spell = Away(since=today, until=today + timedelta(days=9))
    entry = PersonEntry(delegate=delegate, away=spell) if delegate else PersonEntry()
    await world.service.set_away(person, entry)


@one_home
async def test_a_delegate_is_asked_and_answers_for_whom_it_says(world: GatheringWorld) -> None:
    """On the card, the thread, both Homes, the API and the record. The person away can still answer, and that stays."""
    await away(world, "U0ADA", "U0FAY")
    async with world.person("U0ADA") as ada, world.person("U0FAY") as fay:
        await ada.open_home()
        started = await world.gather(world.token("ci"))
        request_id, path = started["id"], f"/api/gatherings/{started['id']}"
        message = await asked(fay, "in the place of <@U0ADA>, who is away")
        await ada.wait_for_message(
            DEPLOYS, says("*Legal* · waiting for <@U0FAY> (for <@U0ADA>, who is away)")
        )
        assert not [one for one in await ada.messages("D0ADA") if ANSWER in actions_of(one)]
        view = await ada.wait_for(
            shows("<@U0RITA> asks you for *Legal*. As you are away, <@U0FAY> is asked in your place · until")
        )
        await ada.click_in_view(view, home_gatherings.ANSWER)
        form = await ada.wait_for_view()

        await answer(fay, message, ready="no")
        await ada.wait_for_message(DEPLOYS, says("✓ *Legal* · <@U0FAY> for <@U0ADA>"))
        shown = (await world.call("GET", path, world.token("r"))).body["sources"]["legal"]
        assert (shown["person"], shown["delegate"]) == ("U0ADA", "U0FAY")
        assert (shown["answer"]["actor"], shown["answer"]["holder"]) == ("U0FAY", "U0ADA")

        await ada.submit(form, {"field.ready": "yes"})
        told = await fay.wait_for_message("D0FAY", says("<@U0ADA> answered"))
        assert not actions_of(told)
        body = {
            "source": "legal",
            "nonce": (await world.gatherings.status(request_id)).nonce,
            "values": {"ready": False},
        }
        token = world.token("f", "U0FAY", "decide:readiness")
        refused = await world.call("POST", f"{path}/answer", token, json=body)
        assert (refused.status, refused.body["verdict"]["reason"]) == (409, "answered_by_holder")

        await answer(fay, await asked(fay, "Security team"), ready="yes")
        assert (await world.scan(await world.scanner_address(), {"findings": 0})).status == 202
        await fay.wait_for_message("D0FAY", says("The answer of <@U0ADA> is part of the result."))
        thread = "\n".join(
            line for card in world.workspace.messages.in_channel(DEPLOYS) for line in world.thread(card)
        )
        assert "the answer of <@U0FAY> for <@U0ADA> was given" in thread
    ended = (await world.call("GET", f"{path}?wait=10s", world.token("r"))).body
    legal = unchecked_claims(ended["record"])["sources"][0]
    assert (legal["actor"], "for" in legal) == ("U0ADA", False)


async def test_the_delegate_of_who_goes_away_later_is_asked_at_the_reminder(
    tmp_path: Path, scanner: Receiver
) -> None:
    """The operator entered the delegate. The absent person's message says so; the delegate is not reminded as well."""
    world = GatheringWorld(tmp_path / "data", scanner)
    world.write(f'{world.policies.read_text()}\n[people.U0FAY]\ndelegate = "U0SAM"\n')
    async with world, world.person("U0FAY") as fay, world.person("U0SAM") as sam:
        started = await world.gather(world.token("ci"))
        await asked(fay, "Security team")
        await away(world, "U0FAY", "U0SAM")
        await world.skip(hours=12, minutes=1)
        message = await asked(sam, "in the place of <@U0FAY>, who is away")
        await fay.wait_for_message("D0FAY", says("You are away, so <@U0SAM> is asked in your place."))
        await world.skip(hours=12)
        await sam.wait_for_message("D0SAM", says("Still waiting for your answer"))
        assert not [one for one in await fay.messages("D0FAY") if "Still waiting" in text_of(one)]
        await answer(sam, message, ready="yes")
        await fay.wait_for_message("D0FAY", says("<@U0SAM> answered for you"))
        assert len([one for one in await sam.messages("D0SAM") if ANSWER in actions_of(one)]) == 2
        progress = await world.gathering(started["id"], lambda progress: bool(progress.sources[1].answer))
    given = progress.sources[1].answer
    assert given is not None
    assert (given.actor, given.holder) == ("U0SAM", "U0FAY")


@pytest.mark.parametrize("fit", ["nobody", "away too", "gone", "the requester"])
async def test_who_has_no_fit_delegate_is_asked_themselves(
    tmp_path: Path, scanner: Receiver, fit: str
) -> None:
    """An absence neither bypasses the policy nor leaves nobody to be asked."""
    world = GatheringWorld(tmp_path / "data", scanner)
    text, title = world.policies.read_text(), 'title = "Release readiness"\n'
    if fit == "nobody":
        world.write(text.replace(title, f"{title}delegates = []\n"))
    if fit == "gone":
        world.write(f'{text}\n[people.U0ADA]\ndelegate = "U0NOBODY"\n')
    async with world, world.person("U0ADA") as ada:
        if fit == "away too":
            await away(world, "U0FAY", "U0SAM")
        delegates = {"gone": "U0NOBODY", "the requester": "U0RITA"}
        await away(world, "U0ADA", delegates.get(fit, "U0FAY"))
        started = await world.gather(world.token("ci", "U0RITA", "request"))
        message = await asked(ada, "Is 4.2 ready?")
        assert "in the place of" not in text_of(message)
        progress = await world.gatherings.status(started["id"])
        assert progress.sources[0].delegate is None


async def test_nobody_answers_for_whom_the_operator_revoked(world: GatheringWorld) -> None:
    """Not even a delegate who was asked before: the answer would count as the revoked person's."""
    await away(world, "U0ADA", "U0FAY")
    request_id = (await world.gather(world.token("ci"), policy="poll"))["id"]
    before = await world.gathering(request_id, lambda progress: len(progress.posts) == 3)
    service, fay = world.gatherings, Actor("U0FAY", Via.CHAT)
    world.write(policies("gathering").replace('"U0ADA"', '"U0SAM"') + "\n[people.U0ADA]\nrevoked = true\n")
    await world.eventually(lambda: "U0ADA" in service.book().revoked())

    async def said(source: str) -> Reason:
        ticket = await service.answer(
            request_id, fay, source, {"answer": "Yes"}, way=AnswerWay.CHAT, nonce=before.nonce
        )
        return (await service.verdict(ticket)).reason

    assert await said("ada") is Reason.REVOKED
    assert await said("fay") is Reason.RECORDED


async def test_where_a_delegate_cannot_be_reached_the_person_is_asked(world: GatheringWorld) -> None:
    """An absence is no reason that nobody is asked. The thread says why."""
    await away(world, "U0ADA", "U0FAY")
    await fault(world.simulator, "chat.postMessage", "channel_not_found", channel="D0FAY", count=-1)
    await world.gather(world.token("ci"))
    async with world.person("U0ADA") as ada:
        message = await asked(ada, "Is 4.2 ready?")
        assert "You are away, so <@U0FAY> is asked in your place. You can answer yourself" in text_of(message)
        [card] = world.workspace.messages.in_channel(DEPLOYS)
        why = "*Legal*, <@U0FAY>, could not be asked"
        await world.eventually(lambda: why in "\n".join(world.thread(card)))
        await answer(ada, message, ready="yes")
        await ada.wait_for_message(DEPLOYS, says("✓ *Legal* · <@U0ADA>"))

"""Gathering from many, end to end: people by forms, a system by its webhook, the card, the thread, the records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from bot.outbound.signing import action_secret
from bot.records.entries import unchecked_claims
from bot.security.secrets import Secrets
from bot.simulator.control.person import ActionRefusedError
from orchestration.domain.gathering import GatheringStatus
from tests.support.api_world import NEW_SECRET
from tests.support.gathering import (
    ANSWER,
    DEPLOYS,
    GENERAL,
    WITHDRAW,
    GatheringWorld,
    answer,
    asked,
    open_card,
)
from tests.support.messages import actions_of, private, says, text_of
from tests.support.receiver import Receiver, receiver


async def test_all_answer_and_the_card_fills_in(world: GatheringWorld) -> None:
    """From the slash command to the records, with a correction, and with answers that do not fit."""
    async with world.person("U0RITA") as rita, world.person("U0ADA") as ada, world.person("U0FAY") as fay:
        await rita.command(DEPLOYS, "/request-approval readiness Is 4.2 ready?")
        card = await rita.wait_for_message(DEPLOYS, open_card)
        assert "0 of 3 answered" in text_of(card)

        message = await asked(ada, "Is 4.2 ready?")
        with pytest.raises(ActionRefusedError) as refused:
            await answer(ada, message, ready="yes", days="1,5")
        assert refused.value.errors == {
            "field.days": "Please enter a valid number."
        }  # as Slack itself says it
        [form] = await ada.views()
        await ada.submit(
            form,
            {
                "field.ready": "yes",
                "field.risk": "low",
                "field.days": "1.50",
                "field.notes": "Fine\nReady? no <!channel>",
            },
        )
        filled = await rita.wait_for_message(DEPLOYS, says("1 of 3 answered"))
        assert "> Days of work left: 1.5\n> Notes: Fine Ready? no &lt;!channel&gt;" in text_of(filled)

        given = await ada.wait_for_message("D0ADA", says("You answered"))
        await ada.click("D0ADA", given["ts"], ANSWER)
        form = await ada.wait_for_view()
        assert form["blocks"][1]["element"]["initial_option"]["value"] == "yes"
        await ada.submit(form, {"field.ready": "no"})
        await rita.wait_for_message(DEPLOYS, says("corrected"))

        await answer(fay, await asked(fay, "Security team"), ready="no")
        await world.eventually(lambda: bool(world.asked_scanner()))
        [task] = world.asked_scanner()
        assert [field["name"] for field in task["data"]["fields"]] == ["findings"]
        [(headers, body)] = world.scanner.got
        Webhook(action_secret(Secrets(NEW_SECRET.encode()), "readiness")).verify(body, headers)
        assert (await world.scan(task["answer_uri"], {"findings": 0})).status == 202

        ended = await rita.wait_for_message(DEPLOYS, says("3 of 3 answered"))
        assert "Complete" in text_of(ended)
        assert not actions_of(ended)
        told = await rita.wait_for_message("D0RITA", says("Complete"))
        assert "> Findings: 0" in text_of(told)
        for person in (ada, fay):
            home = f"D{person.user_id[1:]}"
            await person.wait_for_message(home, says("has ended: complete"))
            assert not any(actions_of(one) for one in await person.messages(home))
        [posted] = [one for one in world.workspace.messages.in_channel(DEPLOYS) if one.ts == card["ts"]]
        gathering = await world.call("GET", f"/api/gatherings/{task['data']['request_id']}", world.token("r"))
        assert gathering.body["card_url"] == world.permalink(posted)
        await world.eventually(lambda: "All have answered" in "\n".join(world.thread(posted)))
        corrected = "*Legal*: the answer of <@U0ADA> was corrected:\n> Ready? no"
        assert corrected in "\n".join(world.thread(posted))
    await assert_on_record(world, task["data"]["request_id"])


async def assert_on_record(world: GatheringWorld, request_id: str) -> None:
    """What programs read of it, and what the records and the history hold."""
    shown = await world.call("GET", f"/api/gatherings/{request_id}?wait=10s", world.token("r"))
    assert shown.status == 200
    assert shown.body["is_complete"]
    assert shown.body["missing"] == []
    legal = shown.body["sources"]["legal"]["answer"]
    assert (legal["actor"], legal["way"], legal["corrections"]) == ("U0ADA", "chat", 1)
    assert shown.body["sources"]["scanner"]["answer"]["values"] == {"findings": "0"}
    on_record = unchecked_claims(shown.body["record"])
    assert (on_record["kind"], on_record["status"]) == ("gathered", "complete")
    assert [source["source"] for source in on_record["sources"]] == ["legal", "scanner", "security"]
    assert "Is 4.2" not in str(on_record)
    history = await world.client.get_orchestration_history(request_id)
    assert "ask_system" in str(history)
    assert "code=" not in str(history)


async def test_only_the_asked_may_answer(world: GatheringWorld) -> None:
    """By the button, by the API with another's token, by a webhook without its key or with another's."""
    started = await world.gather(world.token("ci", "U0RITA", "request"))
    request_id, address = started["id"], await world.scanner_address()
    # Whoever asks could answer for the system with its address.
    assert started["answer_uris"] == {}
    await world.gathering(request_id, lambda progress: len(progress.posts) == 3)
    async with world.person("U0ADA") as ada, world.person("U0SAM") as sam:
        message = await asked(ada, "Is 4.2 ready?")
        await ada.click("D0ADA", message["ts"], ANSWER)
        form = await ada.wait_for_view()
        await sam.click(DEPLOYS, (await sam.wait_for_message(DEPLOYS, open_card))["ts"], WITHDRAW)
        await sam.wait_for_message(DEPLOYS, private("Only the person who asked can withdraw"))
        await ada.close_view(form)

    nonce = (await world.gatherings.status(request_id)).nonce
    body: dict[str, Any] = {"source": "legal", "nonce": nonce, "values": {"ready": True}}
    path = f"/api/gatherings/{request_id}/answer"
    refused = await world.call("POST", path, world.token("s", "U0SAM", "decide:readiness"), json=body)
    assert (refused.status, refused.body["verdict"]["reason"]) == (403, "not_asked")
    ada_token = world.token("a", "U0ADA", "decide:readiness")
    assert (
        await world.call("POST", path, world.token("x", "U0ADA", "decide:deploy"), json=body)
    ).status == 403
    system = await world.call(
        "POST", path, ada_token, json={**body, "source": "scanner", "values": {"findings": 1}}
    )
    assert system.status == 403
    missing = await world.call("POST", path, ada_token, json={**body, "values": {"risk": "low"}})
    assert (missing.status, missing.body["errors"][0]["field"]) == (422, "ready")
    stale = await world.call("POST", path, ada_token, json={**body, "nonce": "A" * 22})
    assert (stale.status, stale.body["verdict"]["reason"]) == (409, "outdated")
    assert (await world.call("POST", path, ada_token, json=body)).status == 200
    again = await world.call("POST", path, ada_token, json=body)
    assert again.body["reason"] == "unchanged"

    assert (await world.scan(address.replace("code=", "code=1"), {"findings": 1})).status == 401
    assert (await world.scan(address.replace("ScanFinished", "Other"), {"findings": 1})).status == 401
    assert (await world.scan(address, {"findings": "many"})).status == 422
    assert (await world.scan(address, [1])).status == 422
    assert (await world.scan(address, {"findings": 1})).status == 202
    root = world.token("root")
    raised = await world.call(
        "POST",
        f"/runtime/webhooks/durabletask/instances/{request_id}/raiseEvent/GatheringAnswered",
        root,
        json={"source": "security", "values": {"ready": "yes"}},
    )
    assert raised.status == 403
    stranger = await world.call(
        "POST", "/api/hooks", root, json={"instance_id": request_id, "event_name": "X"}
    )
    assert stranger.status == 403
    progress = await world.gatherings.status(request_id)
    assert [source.name for source in progress.sources if source.answer] == ["legal", "scanner"]


async def test_whoever_asks_hands_a_system_its_address_where_nobody_else_asks_it(
    world: GatheringWorld,
) -> None:
    started = await world.gather(world.token("ci"), policy="audit")
    assert list(started["answer_uris"]) == ["lab"]
    # A number is kept exactly as sent. One with more decimal places than are kept is refused, not rounded.
    refused = await world.scan(started["answer_uris"]["lab"], {"findings": 0.00000009})
    assert (refused.status, refused.fields) == (422, {"findings"})
    assert (await world.scan(started["answer_uris"]["lab"], {"findings": 1234567.000009})).status == 202
    ended = await world.gathering(started["id"], lambda progress: progress.status.ended)
    assert ended.status is GatheringStatus.COMPLETE
    assert ended.sources[0].answer is not None
    assert ended.sources[0].answer.values == {"findings": "1234567.000009"}


@pytest.mark.every_hub
async def test_silence_is_reminded_then_ends_with_what_is_there(world: GatheringWorld) -> None:
    """One of three answers comes. The others are named as missing and refused when late; the callback is sent once."""
    async with receiver() as callback, world.person("U0ADA") as ada, world.person("U0FAY") as fay:
        token = world.token("ci", "U0RITA", "request")
        started = await world.gather(token, callback_url=callback.url, timeout="1d")
        request_id, address = started["id"], await world.scanner_address()
        opened = await asked(ada, "Is 4.2 ready?")
        await ada.click("D0ADA", opened["ts"], ANSWER)
        form = await ada.wait_for_view()
        await answer(fay, await asked(fay, "Security team"), ready="yes")
        await world.gathering(request_id, lambda progress: progress.sources[1].answer is not None)

        await world.skip(hours=12, minutes=1)
        await ada.wait_for_message("D0ADA", says("Still waiting for your answer"))
        assert not [one for one in await fay.messages("D0FAY") if "Still waiting" in text_of(one)]

        await world.skip(hours=12)
        progress = await world.gathering(request_id, lambda progress: progress.status.ended)
        assert progress.status is GatheringStatus.INCOMPLETE
        shown = (await world.call("GET", f"/api/gatherings/{request_id}?wait=10s", token)).body
        assert not shown["is_complete"]
        assert shown["missing"] == ["legal", "scanner"]
        assert shown["sources"]["security"]["answer"]["values"] == {"ready": "yes"}
        await world.eventually(lambda: len(callback.got) == 1)
        assert b'"gathering.incomplete"' in callback.got[0][1]

        with pytest.raises(ActionRefusedError) as late:
            await ada.submit(form, {"field.ready": "yes"})
        assert "not part of the result" in str(late.value.errors)
        assert (await world.scan(address, {"findings": 0})).status == 410
        await ada.wait_for_message("D0ADA", says("No answer is needed any more"))
        assert not any(actions_of(one) for one in await ada.messages("D0ADA"))
        card = next(one for one in await ada.messages(DEPLOYS) if "1 of 3 answered" in text_of(one))
        assert "*Legal* · no answer from <@U0ADA>" in text_of(card)
        assert len(callback.got) == 1


async def test_the_requester_withdraws_and_an_operator_stops(world: GatheringWorld) -> None:
    """Each end edits every message: withdrawn by the card, withdrawn by command, terminated by an operator."""
    root = world.token("root")
    async with world.person("U0RITA") as rita, world.person("U0ADA") as ada:
        await rita.command(GENERAL, "/request-approval poll Pizza?")
        card = await rita.wait_for_message(GENERAL, open_card)
        await asked(ada, "Pizza?")
        await rita.click(GENERAL, card["ts"], WITHDRAW)
        await rita.submit(await rita.wait_for_view(), {"reason": "No oven."})
        ended = await rita.wait_for_message(GENERAL, says("Withdrawn"))
        assert "No oven." in text_of(ended)
        await ada.wait_for_message("D0ADA", says("“Pizza?” has ended: withdrawn"))

        started = await world.gather(root, policy="poll", title="Pasta?")
        await asked(ada, "Pasta?")
        await world.gathering(started["id"], lambda progress: len(progress.posts) == 3)
        await rita.command(GENERAL, f"/request-approval status {started['id']}")
        details = await rita.wait_for_view()
        assert "Pasta?" in str(details["blocks"])
        await rita.close_view(details)
        await rita.command(GENERAL, f"/request-approval cancel {started['id']}")
        await rita.wait_for_message(GENERAL, private("Withdrawn"))
        await ada.wait_for_message("D0ADA", says("“Pasta?” has ended: withdrawn"))

        started = await world.gather(root, policy="poll", title="Soup?")
        message = await asked(ada, "Soup?")
        await answer(ada, message, answer="Yes, please")
        await world.gathering(
            started["id"], lambda progress: bool(progress.sources[0].answer) and len(progress.posts) == 3
        )
        instance = f"/runtime/webhooks/durabletask/instances/{started['id']}"
        assert (await world.call("POST", f"{instance}/terminate", root)).status == 202
        stopped = await rita.wait_for_message(GENERAL, says("Stopped by an operator"))
        assert "Yes, please" in text_of(stopped)
        await ada.wait_for_message("D0ADA", says("“Soup?” has ended: stopped by an operator"))
        assert not any(actions_of(one) for one in await ada.messages("D0ADA"))
        shown = (await world.call("GET", f"/api/gatherings/{started['id']}", root)).body
        assert (shown["status"], shown["missing"]) == ("terminated", ["fay"])

        started = await world.gather(root, policy="poll", title="Cake?")
        await asked(ada, "Cake?")
        await world.gathering(started["id"], lambda progress: len(progress.posts) == 3)
        await world.client.terminate_orchestration(started["id"])  # which nobody tells us of
        await ada.wait_for_message("D0ADA", says("“Cake?” has ended: stopped by an operator"))


async def test_what_cannot_be_asked_says_why(world: GatheringWorld) -> None:
    token = world.token("ci", "U0RITA", "request")
    unknown = await world.call("POST", "/api/gatherings", token, json={"policy": "purchase", "title": "x"})
    assert unknown.status == 422
    assert "ask for an approval" in unknown.body["errors"][0]["detail"]
    approval = await world.call("POST", "/api/approvals", token, json={"policy": "poll", "title": "x"})
    assert "gathers answers and decides nothing" in approval.body["errors"][0]["detail"]
    key = {"Idempotency-Key": "one"}
    body = {"policy": "poll", "title": "Lunch?"}
    first, again = [
        await world.call("POST", "/api/gatherings", token, json=body, headers=key) for _ in range(2)
    ]
    assert first.body["id"] == again.body["id"]
    other = await world.call("POST", "/api/gatherings", token, json={**body, "title": "Tea?"}, headers=key)
    assert other.status == 422
    world.scanner.statuses = [400]
    started = await world.gather(token)
    progress = await world.gathering(started["id"], lambda progress: bool(progress.sources[2].problem))
    assert "refused it (400)" in progress.sources[2].problem


async def test_a_system_that_is_away_is_asked_when_it_is_back(world: GatheringWorld) -> None:
    """Meanwhile the card says why it does not know yet, and afterwards that it waits."""
    world.scanner.statuses = [503] * 9
    started = await world.gather(world.token("ci", "U0RITA", "request"))
    problem = ""
    while not problem:
        await world.skip(seconds=20)
        progress = await world.gathering(started["id"], lambda progress: len(progress.posts) == 3)
        problem = progress.sources[2].problem
    assert problem.startswith("it is tried again (")
    while len(world.scanner.got) < 10:
        await world.skip(minutes=5)
    progress = await world.gathering(started["id"], lambda progress: not progress.sources[2].problem)
    assert progress.status is GatheringStatus.COLLECTING
    assert len(world.scanner.ids) == 1


ESCALATED = """
[policies.silent]
kind = "gathering"
title = "Silent"
channel = "C0GENERAL"
timeout = "2d"
fields = [{ name = "answer", required = true }]
[policies.silent.escalation]
channel = "C0ESCALATIONS"
after = "1d"
notify = ["U0DIRK"]
[policies.silent.sources.ada]
person = "U0ADA"
[policies.silent.sources.fay]
person = "U0FAY"
"""


async def test_silence_is_told_where_the_policy_says(tmp_path: Path, scanner: Receiver) -> None:
    """One message, which stays true until the end, also over a restart. If all answers came, none is sent."""
    world = GatheringWorld(tmp_path / "data", scanner)
    world.write(ESCALATED)
    async with world, world.person("U0ADA") as ada, world.person("U0FAY") as fay:
        quiet, told = [await world.gather(world.token("ci"), policy="silent", title=one) for one in "AB"]
        for person in (ada, fay):
            await answer(person, await asked(person, "“A”"), answer="Yes")
        await world.gathering(quiet["id"], lambda progress: progress.status.ended)
        await answer(ada, await asked(ada, "“B”"), answer="Yes")
        await world.gathering(told["id"], lambda progress: progress.sources[0].answer is not None)
        await world.stop()
        await world.start()
        await world.skip(days=1, minutes=1)
        message = await ada.wait_for_message("C0ESCALATIONS", says("→ Answers are missing"))
        assert "“B” · 1 of 2 answered · until" in text_of(message)
        assert "*Fay* · waiting for <@U0FAY>" in text_of(message)
        assert "For <@U0DIRK>" in text_of(message)
        assert "*Ada*" not in text_of(message)
        [card] = [one for one in world.workspace.messages.in_channel(GENERAL) if "“B”" in one.text]
        await world.eventually(
            lambda: "→ Answers are missing: escalated to <#C0ESCALATIONS>" in "\n".join(world.thread(card))
        )
        await answer(fay, await asked(fay, "“B”"), answer="At last")
        await ada.wait_for_message("C0ESCALATIONS", says("Complete: “B” · 2 of 2 answered"))
        assert len(await ada.messages("C0ESCALATIONS")) == 1
        shown = (await world.call("GET", f"/api/gatherings/{told['id']}", world.token("r"))).body
        assert shown["escalated_at"] is not None

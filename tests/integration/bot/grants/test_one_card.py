"""Several waiting calls of one run of an agent: one card, decided one by one or all that it shows."""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import replace
from typing import Any

import pytest

from bot.slack.listeners.call_lists import REJECT_FORM
from orchestration.domain.request import Status
from tests.support.granting import GrantWorld, an_edit
from tests.support.messages import Message, private, text_of
from tests.support.simulated import fault
from tests.support.slack import deliver
from tests.support.world import read

pytestmark = pytest.mark.asyncio(loop_scope="session")


def a_run() -> dict[str, Any]:
    """A call of a run of its own."""
    return an_edit(run=f"session-{secrets.token_hex(4)}")


def like(call: dict[str, Any]) -> dict[str, Any]:
    """Another call of the same run."""
    return an_edit(run=call["run"])


async def waiting(grants: GrantWorld, *calls: dict[str, Any], token: str | None = None) -> list[str]:
    """Asked all at once, and back once each has its card."""
    return list(await asyncio.gather(*(grants.asked_people(call, token) for call in calls)))


async def places(grants: GrantWorld, asked: list[str]) -> set[tuple[str, str]]:
    """Where the cards of these requests are."""
    known = [await grants.service.status(one) for one in asked]
    return {(ref.channel, ref.ts) for one in known for ref in one.cards}


def shows(ts: str, *words: str) -> Any:
    """The card there, once it says all that."""
    return lambda message: message["ts"] == ts and all(word in text_of(message) for word in words)


def buttons(card: Message, action_id: str) -> list[dict[str, Any]]:
    """The buttons of that name, in their order."""
    rows = [block["elements"] for block in card["blocks"] if block["type"] == "actions"]
    return [element for row in rows for element in row if element["action_id"] == action_id]


def listed(card: Message) -> list[str]:
    """The requests of its rows."""
    return [json.loads(one["value"])["instance_id"] for one in buttons(card, "reject")]


def rows(card: Message) -> list[str]:
    """The blocks of buttons."""
    return [block["block_id"] for block in card["blocks"] if block["type"] == "actions"]


async def test_calls_at_once_share_a_card_and_are_decided_one_by_one(grants: GrantWorld) -> None:
    dirk, call = grants.person("U0DIRK"), a_run()
    asked = await waiting(grants, call, like(call), like(call))
    [(channel, ts)] = await places(grants, asked)
    card = await dirk.wait_for_message(
        channel, shows(ts, "3 calls of claude-code wait", "Approve all 3 shown")
    )
    assert card["ts"] == ts
    assert rows(card) == ["decision.1", "decision.2", "decision.3", "decide_all"]
    first = listed(card)[0]
    await dirk.click(channel, ts, "approve", block_id="decision.1")
    await grants.until(first, lambda one: one.status is Status.APPROVED)
    card = await dirk.wait_for_message(
        channel, shows(ts, "2 calls of claude-code wait", "✓ Approved by <@U0DIRK>")
    )
    await dirk.click(channel, ts, "reject", block_id="decision.2")
    await dirk.submit(await dirk.wait_for_view("reject_reason"), {"reason": "Not this one."})
    card = await dirk.wait_for_message(channel, shows(ts, "1 call of", "✗ Rejected by <@U0DIRK>"))
    assert rows(card) == ["decision.1"]
    left = [one for one in asked if not (await grants.service.status(one)).status.ended]
    assert len(left) == 1
    await dirk.click(channel, ts, "listed_details", block_id="decision.1")
    details = await dirk.wait_for_view("details")
    assert left[0] in str(details)


async def test_all_that_are_shown_are_decided_and_no_call_that_came_later(grants: GrantWorld) -> None:
    dirk, ada, call = grants.person("U0DIRK"), grants.person("U0ADA"), a_run()
    asked = await waiting(grants, call, like(call))
    [(channel, ts)] = await places(grants, asked)
    old = await dirk.wait_for_message(channel, shows(ts, "2 calls of claude-code wait"))
    [later] = await waiting(grants, like(call))
    await dirk.wait_for_message(channel, shows(ts, "3 calls of claude-code wait"))
    assert await places(grants, [later]) == {(channel, ts)}

    [button] = buttons(old, "approve_all")
    assert await deliver(grants, **pressed_all("U0DIRK", old, button)) == (200, "")
    for one in asked:
        progress = await grants.until(one, lambda known: known.status.ended)
        assert progress.status is Status.APPROVED
        assert progress.outcome is not None
        assert progress.outcome.processed_by == "U0DIRK"
    assert (await grants.service.status(later)).status is Status.PENDING
    await ada.wait_for_message(channel, shows(ts, "1 call of claude-code waits"))
    assert await deliver(grants, **pressed_all("U0ADA", old, button)) == (200, "")
    await ada.wait_for_message(channel, private("0 of 2 are recorded. Not these:"))
    assert (await grants.service.status(later)).status is Status.PENDING


async def test_a_call_that_is_changed_is_no_part_of_a_press_of_before(grants: GrantWorld) -> None:
    fay, call = grants.person("U0FAY"), a_run() | {"policy": "pair", "accepts_edits": True}
    asked = await waiting(grants, call, like(call) | {"policy": "pair", "accepts_edits": True})
    [(channel, ts)] = await places(grants, asked)
    old = await fay.wait_for_message(channel, shows(ts, "Approve all 2 shown"))
    dirk = grants.token("dirk", "U0DIRK", "decide:pair")
    answer = await grants.decide(dirk, asked[0], edits={"arguments.file_path": "/srv/narrow.py"})
    assert answer.status == 200
    shown = shows(ts, "Changed by <@U0DIRK>", "/srv/narrow.py", "1 of 2")
    now = await fay.wait_for_message(channel, shown)
    [button] = buttons(old, "approve_all")
    assert await deliver(grants, **pressed_all("U0FAY", now, button)) == (200, "")
    await fay.wait_for_message(channel, private("1 of 2 are recorded. Not these:"))
    known = [await grants.service.status(one) for one in asked]
    votes = [[vote.actor for vote in one.levels[0].decisions] for one in known]
    assert (votes, [one.status for one in known]) == ([["U0DIRK"], ["U0FAY"]], [Status.PENDING] * 2)
    [button] = buttons(now, "approve_all")
    assert await deliver(grants, **pressed_all("U0FAY", now, button, 2)) == (200, "")
    assert (await grants.until(asked[0], lambda one: one.status.ended)).status is Status.APPROVED


def pressed_all(person: str, card: Message, button: dict[str, Any], time: int = 1) -> dict[str, str]:
    """The form of a press on a button of the card as it was."""
    payload = {
        "type": "block_actions",
        "user": {"id": person, "team_id": "T0ACME"},
        "team": {"id": "T0ACME"},
        "api_app_id": "A0APP",
        "container": {"channel_id": card["channel"], "message_ts": card["ts"], "type": "message"},
        "channel": {"id": card["channel"], "name": "deploys"},
        "trigger_id": f"1.{time}.{person}",
        "message": {
            "type": "message",
            "ts": card["ts"],
            "metadata": card["metadata"],
            "blocks": card["blocks"],
        },
        "actions": [{**button, "block_id": "decide_all", "action_ts": "1.000001"}],
    }
    return {"payload": json.dumps(payload)}


async def test_rejecting_all_asks_once_for_the_reason(grants: GrantWorld) -> None:
    dirk, call = grants.person("U0DIRK"), a_run()
    asked = await waiting(grants, call, like(call), like(call))
    [(channel, ts)] = await places(grants, asked)
    await dirk.wait_for_message(channel, shows(ts, "3 calls of claude-code wait"))
    await dirk.click(channel, ts, "reject_all")
    await dirk.submit(await dirk.wait_for_view(REJECT_FORM), {"reason": "Stop this run."})
    for one in asked:
        progress = await grants.until(one, lambda known: known.status.ended)
        assert progress.status is Status.REJECTED
        assert progress.outcome is not None
        assert progress.outcome.comments == "Stop this run."
    await dirk.wait_for_message(channel, shows(ts, "Calls of claude-code", "✗ Rejected"))
    # All have left it: the next call of the run begins another card.
    [next_one] = await waiting(grants, like(call))
    assert await places(grants, [next_one]) != {(channel, ts)}


async def test_who_may_not_decide_decides_none_of_them(grants: GrantWorld) -> None:
    call = a_run()
    asked = await waiting(grants, call, like(call))
    [(channel, ts)] = await places(grants, asked)
    for who, why in (("U0SAM", "You are not one of the approvers"), ("U0RITA", "You cannot decide your own")):
        person = grants.person(who)
        await person.wait_for_message(channel, shows(ts, "2 calls of claude-code wait"))
        await person.click(channel, ts, "approve_all")
        told = await person.wait_for_message(channel, private("0 of 2 are recorded. Not these:"))
        assert told["text"].count(why) == 2
    assert {(await grants.service.status(one)).status for one in asked} == {Status.PENDING}


async def test_what_is_another_run_has_another_card(grants: GrantWorld) -> None:
    call = a_run()
    other = grants.token("agent", "U0RITA", "request")
    [one] = await waiting(grants, call)
    apart = [
        *await waiting(grants, a_run(), like(call) | {"agent": "another"}, like(call) | {"run": ""}),
        *await waiting(grants, like(call), token=other),
        *await waiting(grants, like(call) | {"policy": "plain"}),
        *await waiting(grants, like(call) | {"policy": "coded"}),
    ]
    found = [await places(grants, [request]) for request in [one, *apart]]
    assert len({place for each in found for place in each}) == 7


async def test_after_a_change_of_the_policy_calls_are_shown_where_it_says_now(own_grants: GrantWorld) -> None:
    grants, call = own_grants, a_run() | {"policy": "plain"}
    first = await waiting(grants, call)
    text = grants.policies.read_text()
    old = 'title = "Other call"\nchannel = "C0DEPLOYS"'
    grants.write(text.replace(old, old.replace("C0DEPLOYS", "C0PURCHASES")))
    await grants.eventually(lambda: grants.app.service.book().policies["plain"].channel == "C0PURCHASES")
    second = await waiting(grants, like(call) | {"policy": "plain"})
    assert [channel for channel, _ in await places(grants, first)] == ["C0DEPLOYS"]
    assert [channel for channel, _ in await places(grants, second)] == ["C0PURCHASES"]


async def test_a_call_that_is_not_shown_whole_is_read_before_it_is_approved(grants: GrantWorld) -> None:
    dirk, call = grants.person("U0DIRK"), a_run()
    long = like(call)
    long["arguments"] |= {"new_string": "y" * 5000 + "rm -rf /"}
    asked = await waiting(grants, call, like(call), long)
    [(channel, ts)] = await places(grants, asked)
    card = await dirk.wait_for_message(
        channel, shows(ts, "3 calls of claude-code wait", "Approve all 2 shown")
    )
    assert "Read it before you approve." in text_of(card)
    await dirk.click(channel, ts, "approve_all")
    await grants.until(asked[0], lambda one: one.status is Status.APPROVED)
    await grants.until(asked[1], lambda one: one.status is Status.APPROVED)
    assert (await grants.service.status(asked[2])).status is Status.PENDING
    await dirk.wait_for_message(channel, shows(ts, "1 call of claude-code waits"))
    await dirk.click(channel, ts, "read_and_approve", block_id="decision.1")
    assert "rm -rf /" in str(await dirk.wait_for_view("details"))


async def test_a_grant_is_given_on_one_of_several(grants: GrantWorld) -> None:
    dirk, call = grants.person("U0DIRK"), a_run()
    asked = await waiting(grants, call, like(call))
    [(channel, ts)] = await places(grants, asked)
    await dirk.wait_for_message(channel, shows(ts, "2 calls of claude-code wait"))
    await dirk.click(channel, ts, "grant_like_this", block_id="decision.2")
    form = await dirk.wait_for_view("grant_form")
    await dirk.submit(form)
    await grants.eventually(lambda: any(grants.grant_cards(one) for one in asked))
    await dirk.wait_for_message(channel, shows(ts, "1 call of claude-code waits"))


async def test_the_card_outlives_the_bot_and_a_later_call_finds_it(own_grants: GrantWorld) -> None:
    grants = own_grants
    dirk, call = grants.person("U0DIRK"), a_run()
    asked = await waiting(grants, call, like(call))
    [(channel, ts)] = await places(grants, asked)
    await grants.stop()
    await grants.start()
    [later] = await waiting(grants, like(call))
    assert await places(grants, [*asked, later]) == {(channel, ts)}
    await dirk.wait_for_message(channel, shows(ts, "3 calls of claude-code wait", "Approve all 3 shown"))
    told = await dirk.wait_for_message(channel, shows(ts, "3 calls of claude-code wait"))
    assert any("One more call waits" in read(one) for one in grants.workspace.messages.in_thread(channel, ts))
    await dirk.click(channel, told["ts"], "approve_all")
    for one in (*asked, later):
        await grants.until(one, lambda known: known.status is Status.APPROVED)
    await dirk.wait_for_message(channel, shows(ts, "Calls of claude-code"))


async def test_a_call_that_is_withdrawn_stopped_or_late_leaves_the_card(own_grants: GrantWorld) -> None:
    grants = own_grants
    dirk, call = grants.person("U0DIRK"), a_run()
    asked = await waiting(grants, call, like(call), like(call))
    [(channel, ts)] = await places(grants, asked)
    await dirk.wait_for_message(channel, shows(ts, "3 calls of claude-code wait"))
    done = await grants.call(
        "POST", f"/api/approvals/{asked[0]}/cancel", grants.agent, json={"reason": "No."}
    )
    assert done.status == 200
    await dirk.wait_for_message(channel, shows(ts, "2 calls of claude-code wait", "Withdrawn by <@U0RITA>"))
    await grants.client.terminate_orchestration(asked[1])
    await dirk.wait_for_message(channel, shows(ts, "1 call of claude-code waits", "Stopped by an operator"))
    await grants.skip(minutes=30, seconds=1)  # it escalates, on a card of its own beside this one
    await grants.until(asked[2], lambda one: len(one.cards) == 2)
    await grants.skip(hours=1, seconds=1)
    await grants.until(asked[2], lambda one: one.status is Status.TIMED_OUT)
    await dirk.wait_for_message(channel, shows(ts, "Calls of claude-code", "Timed out"))
    [next_one] = await waiting(grants, like(call))
    assert await places(grants, [next_one]) != {(channel, ts)}


async def test_a_copy_of_when_it_showed_one_call_alone_goes(own_grants: GrantWorld) -> None:
    grants, call = own_grants, a_run()
    await fault(grants.simulator, "chat.postMessage", "http_500", count=1)
    asked = await waiting(grants, call)
    [(channel, ts)] = await places(grants, asked)
    [posted] = [one for one in grants.workspace.messages.in_channel(channel) if one.ts == ts]
    copy = grants.workspace.messages.post(replace(posted, ts=""))  # what became of the first try after all
    asked += await waiting(grants, like(call))
    await grants.skip(seconds=30)
    await grants.eventually(
        lambda: copy.ts not in [one.ts for one in grants.workspace.messages.in_channel(channel)]
    )
    assert await places(grants, asked) == {(channel, ts)}


async def test_where_the_card_cannot_be_posted_people_are_asked_directly(own_grants: GrantWorld) -> None:
    grants, call = own_grants, a_run()
    await fault(grants.simulator, "chat.postMessage", "is_archived", count=1)
    asked = [await grants.ask_call(call), await grants.ask_call(like(call))]
    for one in asked:
        await grants.eventually(lambda one=one: one in "\n".join(grants.direct_messages("U0DIRK")))
        assert (await grants.service.status(one)).status is Status.PENDING


async def test_one_call_alone_has_the_card_that_it_would_have_without_a_run(grants: GrantWorld) -> None:
    """Also what comes of its outcome, which the list of a run does not live to see."""
    dirk, call = grants.person("U0DIRK"), a_run()
    asked = await waiting(grants, call)
    [(channel, ts)] = await places(grants, asked)
    card = await dirk.wait_for_message(channel, shows(ts, "claude-code calls Edit"))
    assert card["metadata"]["event_payload"]["instance_id"] == asked[0]
    assert rows(card) == ["decision"]
    await dirk.click(channel, ts, "approve")
    await dirk.wait_for_message(channel, shows(ts, "✓ *Approved* by <@U0DIRK>", "Notified <#C0PURCHASES>"))

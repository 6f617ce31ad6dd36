"""Deciding in Details, for requests whose card was deleted. It takes the same path as the card's buttons."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bot.simulator import Person
from bot.simulator.control.person import ActionRefusedError
from bot.slack.views import details, home
from orchestration.domain.commands import Reason
from orchestration.domain.request import Choice, Status, Via
from orchestration.service.approvals import Actor
from tests.support.messages import has_button, menu_entry, text_of, whole_text
from tests.support.replicas import one_home
from tests.support.slack import ESCALATIONS, PURCHASES, ask, deliver, has_card
from tests.support.world import World


def pressable(view: dict[str, Any]) -> list[str]:
    return [e["action_id"] for b in view["blocks"] if b["type"] == "actions" for e in b["elements"]]


def words(view: dict[str, Any]) -> str:
    """All that stands in the view."""
    parts = [part for b in view["blocks"] for part in (b.get("text"), *b.get("elements", [])) if part]
    return "\n".join(part["text"] for part in parts if isinstance(part["text"], str))


async def lost_card(world: World, rita: Person) -> str:
    """A request whose card was deleted as soon as it was there."""
    card = await ask(rita)
    request_id: str = card["metadata"]["event_payload"]["instance_id"]
    await has_card(world, request_id)
    await rita.delete(PURCHASES, card["ts"])
    return request_id


async def details_of(person: Person, request_id: str) -> dict[str, Any]:
    await person.command(PURCHASES, f"/request-approval status {request_id}")
    return await person.wait_for_view(details.ID)


def drawn_anew(before: dict[str, Any]) -> Callable[[Person], Any]:
    """The modal in front, once it is that modal with other content."""

    async def look(person: Person) -> Any:
        views = await person.views()
        changed = views and views[-1]["id"] == before["id"] and views[-1]["hash"] != before["hash"]
        return views[-1] if changed else None

    return look


@pytest.mark.parametrize("world", ["http", "socket mode"], indirect=True)
@one_home
async def test_who_lost_the_card_approves_from_home(world: World) -> None:
    rita, ada = world.person("U0RITA"), world.person("U0ADA")
    request_id = await lost_card(world, rita)
    await ada.open_home()
    worklist = await ada.wait_for(lambda one: one.home())
    await ada.click_in_view(worklist, home.ITEM)
    view = await ada.wait_for_view(details.ID)
    assert pressable(view) == ["approve", "reject", "see_record"]
    assert details.THREAD not in words(view)
    await ada.click_in_view(view, "approve")
    after = await ada.wait_for(drawn_anew(view))
    assert "✓ *Approved*" in words(after)
    assert pressable(after) == ["see_record"]
    told = await rita.wait_for_message("D0RITA", lambda message: "approved" in message["text"])
    assert told["text"] == "✓ <@U0ADA> approved *“New laptops”* (4,200.00 USD)."
    outcome = await world.service.wait(request_id, timeout=5)
    assert outcome
    assert (outcome.status, outcome.processed_by) == (Status.APPROVED, "U0ADA")
    assert [message["text"] for message in await ada.messages(PURCHASES)] == []


async def test_the_reason_is_asked_for_over_the_details(world: World) -> None:
    rita, ada = world.person("U0RITA"), world.person("U0ADA")
    request_id = await lost_card(world, rita)
    view = await details_of(ada, request_id)
    await ada.click_in_view(view, "reject")
    form = await ada.wait_for_view("reject_reason")
    assert [each["callback_id"] for each in await ada.views()] == ["details", "reject_reason"]
    with pytest.raises(ActionRefusedError) as refused:
        await ada.submit(form)
    assert list(refused.value.errors) == ["reason"]
    await ada.submit(form, {"reason": "Too dear."})
    assert await ada.views() == [], "Details below would still say that it waits"
    await rita.wait_for_message("D0RITA", lambda message: "> Too dear." in message["text"])
    outcome = await world.service.wait(request_id, timeout=5)
    assert outcome
    assert (outcome.status, outcome.comments) == (Status.REJECTED, "Too dear.")


async def test_only_who_may_decide_is_offered_to(world: World) -> None:
    rita, sam, ada = [world.person(user) for user in ("U0RITA", "U0SAM", "U0ADA")]
    card = await ask(rita)
    request_id = card["metadata"]["event_payload"]["instance_id"]
    assert "approve" not in pressable(await details_of(rita, request_id))
    await sam.command(PURCHASES, f"/request-approval status {request_id}")
    told = await sam.wait_for_message(PURCHASES, lambda message: message["ephemeral"])
    assert "Only the people of this request" in text_of(told)
    await sam.click(PURCHASES, card["ts"], "more", selected_option=menu_entry(card, "details"))
    assert not await sam.views()
    await ada.click(PURCHASES, card["ts"], "more", selected_option=menu_entry(card, "details"))
    view = await ada.wait_for_view(details.ID)
    assert pressable(view)[:2] == ["approve", "reject"]
    assert details.THREAD in words(view)


@pytest.mark.parametrize("action", ["approve", "reject"])
async def test_what_came_too_late_is_said_in_the_modal_in_front(world: World, action: str) -> None:
    """In the channel it would be said behind the modal."""
    rita, ada = world.person("U0RITA"), world.person("U0ADA")
    request_id = await lost_card(world, rita)
    view = await details_of(ada, request_id)
    shown = await world.service.identity(request_id)
    await world.service.decide(request_id, Actor("U0FAY", Via.CHAT), Choice.APPROVE, shown=shown, round=1)
    assert await world.service.wait(request_id, timeout=5)
    await ada.click_in_view(view, action)
    after = await ada.wait_for(drawn_anew(view))
    assert words(after).startswith("This request was already approved, so nothing changed.")
    assert pressable(after) == ["see_record"]
    assert len(await ada.views()) == 1
    assert await ada.messages(PURCHASES) == []


async def test_a_press_in_details_delivered_twice_is_one_press(world: World) -> None:
    """A press whose modal was closed meanwhile is answered in the channel."""
    rita, ada = world.person("U0RITA"), world.person("U0ADA")
    request_id = await lost_card(world, rita)
    view = await details_of(ada, request_id)
    [button] = [
        e
        for b in view["blocks"]
        if b["type"] == "actions"
        for e in b["elements"]
        if e["action_id"] == "approve"
    ]
    press = {
        "type": "block_actions",
        "user": {"id": "U0ADA"},
        "team": {"id": "T0ACME"},
        "container": {"type": "view", "view_id": view["id"]},
        "trigger_id": "1.2.3",
        "view": view,
        "actions": [{**button, "block_id": "decision", "action_ts": "1.000001"}],
    }
    for _ in range(2):
        assert await deliver(world, payload=json.dumps(press)) == (200, "")
    assert await world.service.wait(request_id, timeout=5)
    await ada.wait_for(drawn_anew(view))
    assert [verdict.reason for verdict in (await world.service.status(request_id)).verdicts] == [
        Reason.RECORDED
    ]
    await ada.close_view(view)
    again = {**press, "trigger_id": "4.5.6"}
    assert await deliver(world, payload=json.dumps(again)) == (200, "")
    said = await ada.wait_for_message(PURCHASES, lambda message: message["ephemeral"])
    assert said["text"] == "This request was already approved, so nothing changed."


async def test_a_request_without_a_card_still_escalates(world: World) -> None:
    """The late approver decides for the escalation too, and its card says so."""
    rita, ada, dirk = [world.person(user) for user in ("U0RITA", "U0ADA", "U0DIRK")]
    request_id = await lost_card(world, rita)
    view = await details_of(ada, request_id)
    await world.skip(days=1)
    await dirk.wait_for_message(ESCALATIONS, has_button("approve"))
    await ada.click_in_view(view, "approve")
    ended = await dirk.wait_for_message(ESCALATIONS, lambda message: not has_button("approve")(message))
    assert "✓ *Approved* by <@U0ADA>" in whole_text(ended)


async def test_the_menu_of_a_decided_card_opens_details(world: World) -> None:
    rita, ada = world.person("U0RITA"), world.person("U0ADA")
    card = await ask(rita)
    await ada.click(PURCHASES, card["ts"], "approve")
    decided = await ada.wait_for_message(
        PURCHASES, lambda one: one["ts"] == card["ts"] and "*Approved*" in text_of(one)
    )
    await rita.click(PURCHASES, card["ts"], "more", selected_option=menu_entry(decided, "details"))
    view = await rita.wait_for_view(details.ID)
    assert "*Approved*" in words(view)
    assert "approve" not in pressable(view)

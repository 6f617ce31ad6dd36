"""From the slash command or the form to the card, as a person does it."""

import json
from typing import Any

import aiohttp
import pytest

from bot.security.tokens import FILE as TOKENS
from bot.security.tokens import TokenFile
from bot.simulator.control.person import ActionRefusedError
from tests.support.messages import has_button, private, whole_text
from tests.support.simulated import calls
from tests.support.slack import PURCHASES, ask, deliver
from tests.support.world import World


async def test_a_command_asks_at_once(world: World) -> None:
    rita = world.person("U0RITA")
    card = await ask(rita, "purchase 4,200.00 R&D <b>laptops</b>")
    assert card["text"] == "<@U0RITA> asks for 4,200.00 USD: “R&amp;D &lt;b&gt;laptops&lt;/b&gt;”"
    assert "Asked: <!subteam^S0MANAGERS>" in whole_text(card)
    assert card["metadata"]["event_type"] == "approval_requested"
    request_id = card["metadata"]["event_payload"]["instance_id"]
    asked = await rita.wait_for_message(PURCHASES, private("Request sent"))
    assert asked["text"].startswith(f"Request sent to <#C0PURCHASES> as `{request_id}`: ")
    assert (await world.service.status(request_id)).requester == "U0RITA"


@pytest.mark.parametrize("world", ["http", "socket mode"], indirect=True)
async def test_the_form_asks(world: World) -> None:
    rita = world.person("U0RITA")
    await rita.command(PURCHASES, "/request-approval")
    form = await rita.wait_for_view("ask")
    assert "amount" not in blocks_of(form)
    await rita.click_in_view(
        form,
        "choose_policy",
        selected_option="purchase",
        state={"title": {"value": {"type": "plain_text_input", "value": "New laptops"}}},
    )
    form = await rita.wait_for(lambda person: view_with(person, "amount"))
    assert blocks_of(form) == ["policy", "title", "amount", "field.vendor", "description"]
    assert form["state"]["values"]["title"]["value"]["value"] == "New laptops"
    await rita.submit(
        form, {"amount": "4200.50", "field.vendor": "Acme", "description": "Ours are from 2019.\nHelp!"}
    )
    card = await rita.wait_for_message(PURCHASES, has_button("approve"))
    assert "asks for *4,200.50 USD* · Vendor: Acme\n> Ours are from 2019.\n> Help!" in whole_text(card)
    said = await rita.wait_for_message(PURCHASES, private("Request sent"))
    assert said["text"].endswith(": *“New laptops”* (4,200.50 USD).")
    assert await rita.views() == []


async def test_what_is_wrong_is_said_at_its_field(world: World) -> None:
    rita = world.person("U0RITA")
    await rita.command(PURCHASES, "/request-approval purchase")
    form = await rita.wait_for_view("ask")
    with pytest.raises(ActionRefusedError) as refused:
        await rita.submit(form, {"title": "New laptops", "amount": "4.200"})
    assert list(refused.value.errors) == ["amount"]
    assert "Please write the amount as 4200, 4,200.00" in refused.value.errors["amount"]
    await rita.submit(form, {"title": "New laptops", "amount": "4200"})
    await rita.wait_for_message(PURCHASES, has_button("approve"))


async def test_the_form_is_filled_in_where_a_field_is_still_missing(world: World) -> None:
    rita = world.person("U0RITA")
    await rita.command("C0GENERAL", "/request-approval access CRM for the interns until=2026-12-24 seats=03")
    form = await rita.wait_for_view("ask")
    kinds = [block["element"]["type"] for block in form["blocks"] if block["block_id"].startswith("field.")]
    assert kinds == [
        *("plain_text_input", "static_select", "datepicker"),
        *("users_select", "url_text_input", "number_input"),
    ]
    assert form["state"]["values"]["title"]["value"]["value"] == "CRM for the interns"
    assert form["state"]["values"]["policy"]["choose_policy"]["selected_option"]["value"] == "access"
    with pytest.raises(ActionRefusedError) as refused:
        await rita.submit(form, {"field.system": "  "})
    assert refused.value.errors == {"field.system": "System: is required for Access."}
    named = "https://crm.example@evil.example/"
    with pytest.raises(ActionRefusedError) as refused:
        await rita.submit(form, {"field.system": "crm.example", "field.ticket": named})
    assert "no name or password before it" in refused.value.errors["field.ticket"]
    filled = {"field.level": "Write", "field.owner": "U0SAM", "field.ticket": "https://tickets.example/7"}
    await rita.submit(form, {"field.system": "crm.example", **filled})
    card = await rita.wait_for_message("C0ACCESS", has_button("approve"))
    shown = whole_text(card)
    assert (
        "asks for approval · System: crm.example · Level: Write · Until: Thursday, 24 December 2026" in shown
    )
    assert "Owner: <@U0SAM> · Ticket: <https://tickets.example/7> · Seats: 3" in shown
    await rita.wait_for_message("C0GENERAL", private("to <#C0ACCESS>"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("help", "• `purchase` Purchase, in <#C0PURCHASES>"),
        ("purchse laptops", "There is no policy called “purchse”. Did you mean 'purchase'?"),
        ("purchase 4.200 laptops", "“4.200” could be read in more than one way."),
        ("purchase 4200 EUR laptops", "This policy is in USD, not EUR."),
    ],
)
async def test_a_command_that_cannot_be_meant_is_explained_in_private(
    world: World, text: str, said: str
) -> None:
    rita = world.person("U0RITA")
    await rita.command("C0GENERAL", f"/request-approval {text}")
    explained = await rita.wait_for_message("C0GENERAL", private(said))
    assert ("\n" in explained["text"]) == (text == "help"), "the help comes where it is asked for"
    assert await calls(world.simulator, "chat.postMessage") == []
    sam = world.person("U0SAM")
    assert await sam.messages("C0GENERAL") == []


async def test_a_command_delivered_twice_asks_once(world: World) -> None:
    form = {
        "command": "/request-approval",
        "text": "purchase 4200 New laptops",
        "user_id": "U0RITA",
        "team_id": "T0ACME",
        "channel_id": PURCHASES,
        "trigger_id": "1.2.3",
        "response_url": f"{world.simulator.url}/nowhere",
    }
    first, second = await deliver(world, **form), await deliver(world, **form)
    assert first == second
    assert "Request sent" in first[1]
    third = await deliver(world, **{**form, "trigger_id": "4.5.6"})
    assert third != first


async def test_a_form_delivered_twice_asks_once_and_not_for_something_else(world: World) -> None:
    rita = world.person("U0RITA")
    await rita.command(PURCHASES, "/request-approval purchase")
    view = await rita.wait_for_view("ask")

    async def submit(title: str) -> tuple[int, str]:
        values = {
            "policy": {"choose_policy": {"type": "static_select", "selected_option": {"value": "purchase"}}},
            "title": {"value": {"type": "plain_text_input", "value": title}},
        }
        payload = {
            "type": "view_submission",
            "user": {"id": "U0RITA"},
            "team": {"id": "T0ACME"},
            "view": {**view, "state": {"values": values}},
        }
        return await deliver(world, payload=json.dumps(payload))

    assert await submit("New laptops") == await submit("New laptops") == (200, "")
    status, body = await submit("New worklists")
    assert status == 200
    assert "This form was already sent once, with other words." in json.loads(body)["errors"]["policy"]
    await rita.wait_for_message(PURCHASES, has_button("approve"))
    assert len([m for m in await rita.messages(PURCHASES) if has_button("approve")(m)]) == 1


@pytest.mark.one_bot("requests that begin at the same moment at two bots are not counted together")
async def test_who_has_as_many_open_as_they_may_is_told_so_by_command_form_and_api(world: World) -> None:
    world.set(COUNTERSIGN_OPEN_PER_PERSON="1", COUNTERSIGN_OPEN_PER_TOKEN="1")
    await world.stop()
    await world.start()
    rita = world.person("U0RITA")
    await ask(rita, "purchase 4200 New laptops")
    await rita.command(PURCHASES, "/request-approval purchase 4200 New laptops")
    await rita.wait_for_message(PURCHASES, private("You have as many requests open as may be at once (1)."))
    await rita.command(PURCHASES, "/request-approval purchase")
    form = await rita.wait_for_view("ask")
    with pytest.raises(ActionRefusedError) as refused:
        await rita.submit(form, {"title": "New laptops", "amount": "4200"})
    assert "Withdraw one, or wait until one is decided." in str(refused.value.errors)
    token = TokenFile(world.data / TOKENS).create("ci", "U0RITA", ["request"])
    given = {"policy": "purchase", "title": "New laptops", "amount": 4200}
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
        async with http.post(world.url + "/api/approvals", json=given) as answer:
            assert answer.status == 202
        async with http.post(world.url + "/api/approvals", json=given) as answer:
            assert answer.status == 429
            assert "The token ci has as many requests open" in await answer.text()


async def test_a_hub_that_is_gone_is_said_where_it_was_asked(world: World) -> None:
    rita = world.person("U0RITA")
    await rita.command(PURCHASES, "/request-approval purchase")
    form = await rita.wait_for_view("ask")
    await world.lose_hub()
    await rita.command(PURCHASES, "/request-approval purchase New laptops")
    await rita.wait_for_message(PURCHASES, private("so nothing was recorded. Please try again"))
    with pytest.raises(ActionRefusedError) as refused:
        await rita.submit(form, {"title": "New laptops"})
    assert "nothing was recorded" in refused.value.errors["policy"]
    assert await rita.views() != []  # what was typed is still there


def blocks_of(view: dict[str, Any]) -> list[str]:
    return [block["block_id"] for block in view["blocks"]]


async def view_with(person: Any, block_id: str) -> dict[str, Any] | None:
    views = await person.views()
    return views[-1] if views and block_id in blocks_of(views[-1]) else None

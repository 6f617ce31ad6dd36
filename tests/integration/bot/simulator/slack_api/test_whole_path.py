"""A real Bolt app, unmodified: command, modal, message, click, update. By HTTP and by socket."""

import json
from typing import Any

import pytest
from slack_bolt.async_app import AsyncApp

from bot.simulator import ActionRefusedError, Person

MODAL = {
    "type": "modal",
    "callback_id": "order",
    "title": {"type": "plain_text", "text": "Order lunch"},
    "submit": {"type": "plain_text", "text": "Order"},
    "blocks": [
        {
            "type": "input",
            "block_id": "dish",
            "label": {"type": "plain_text", "text": "Dish"},
            "element": {"type": "plain_text_input", "action_id": "text"},
        }
    ],
}


def card(dish: str, eaten_by: str | None = None) -> list[dict[str, Any]]:
    text = f"*{dish}* was eaten by <@{eaten_by}>" if eaten_by else f"*{dish}* waits"
    blocks: list[dict[str, Any]] = [{"type": "section", "text": {"type": "mrkdwn", "text": text}}]
    if not eaten_by:
        button = {
            "type": "button",
            "action_id": "eat",
            "value": dish,
            "text": {"type": "plain_text", "text": "Eat"},
        }
        blocks.append({"type": "actions", "block_id": "buttons", "elements": [button]})
    return blocks


def lunch(app: AsyncApp, seen: dict[str, Any]) -> AsyncApp:
    """Teach the app a lunch order that exercises every step."""

    @app.command("/lunch")
    async def command(ack: Any, body: dict[str, Any], client: Any) -> None:
        await ack()
        view = {**MODAL, "private_metadata": body["channel_id"]}
        await client.views_open(trigger_id=body["trigger_id"], view=view)

    @app.view("order")
    async def submitted(ack: Any, view: dict[str, Any], body: dict[str, Any], client: Any) -> None:
        dish = view["state"]["values"]["dish"]["text"]["value"]
        if dish == "poison":
            await ack(response_action="errors", errors={"dish": "Not that one."})
            return
        await ack()
        await client.chat_postMessage(
            channel=view["private_metadata"],
            text=f"{dish} waits",
            blocks=card(dish),
            metadata={
                "event_type": "lunch_ordered",
                "event_payload": {"dish": dish, "by": body["user"]["id"]},
            },
        )

    @app.action("eat")
    async def eaten(ack: Any, body: dict[str, Any], client: Any, respond: Any) -> None:
        await ack()
        seen.update(body)
        dish = body["message"]["metadata"]["event_payload"]["dish"]
        await client.chat_update(
            channel=body["channel"]["id"],
            ts=body["container"]["message_ts"],
            text=f"{dish} was eaten",
            blocks=card(dish, body["user"]["id"]),
        )
        await respond(text="Enjoy!", response_type="ephemeral", replace_original=False)

    return app


@pytest.mark.parametrize("mode", ["http", "socket"])
async def test_command_modal_card_click_update(
    mode: str, sim: Any, bolt: Any, attach: Any, rita: Person, ada: Person
) -> None:
    seen: dict[str, Any] = {}
    async with attach(lunch(bolt(sim), seen), sim, mode):
        assert (await rita.state())["app"]["connected"] == mode
        await rita.command("C0PURCHASES", "/lunch today")
        view = await rita.wait_for_view("order")
        with pytest.raises(ActionRefusedError) as refused:
            await rita.submit(view, {"text": "poison"})
        assert refused.value.errors == {"dish": "Not that one."}
        await rita.submit(view, {"text": "soup"})
        assert await rita.views() == []

        posted = await ada.wait_for_message("C0PURCHASES", lambda message: message["bot"])
        assert posted["metadata"]["event_payload"] == {"dish": "soup", "by": "U0RITA"}
        await ada.click("C0PURCHASES", posted["ts"], "eat")

        updated = await rita.wait_for_message("C0PURCHASES", lambda message: "was eaten" in message["text"])
        assert (updated["ts"], len(updated["blocks"])) == (posted["ts"], 1)
        assert updated["metadata"] == posted["metadata"], "chat.update keeps metadata that is left out"
        told = await ada.wait_for_message("C0PURCHASES", lambda message: message["ephemeral"])
        assert told["text"] == "Enjoy!"
        assert all(not message["ephemeral"] for message in await rita.messages("C0PURCHASES"))

    assert seen["type"] == "block_actions"
    assert seen["user"] == {"id": "U0ADA", "username": "ada", "name": "ada", "team_id": "T0ACME"}
    assert seen["container"] == {
        "type": "message",
        "message_ts": posted["ts"],
        "channel_id": "C0PURCHASES",
        "is_ephemeral": False,
    }
    [action] = seen["actions"]
    assert action["action_ts"] > posted["ts"]
    assert {key: action[key] for key in ("type", "block_id", "action_id", "value")} == {
        "type": "button",
        "block_id": "buttons",
        "action_id": "eat",
        "value": "soup",
    }
    assert json.dumps(seen["message"]["metadata"]) == json.dumps(posted["metadata"])

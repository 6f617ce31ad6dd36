"""Changing what is asked and approving that, in Slack: the form, the card, who is told, and what came too late."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.security.receipts import verify
from bot.security.tokens import FILE as TOKENS
from bot.security.tokens import REQUEST, TokenFile
from bot.simulator import ActionRefusedError
from tests.support.messages import actions_of, has_button, menu_entry, private, says, text_of
from tests.support.people import NUMBERS
from tests.support.slack import PURCHASES, ask, deliver, has_card, id_on, is_card, pressed
from tests.support.world import World, read

AGENTS = "C0DEPLOYS"
FORM = "edit_and_approve"
POLICIES = f"""
[people.U0ADA]
phone = "{NUMBERS["U0ADA"]}"

[policies.purchase]
title = "Purchase"
channel = "{PURCHASES}"
currency = "USD"
edit = ["amount", "fields.vendor"]
fields = [{{ name = "vendor" }}]
[[policies.purchase.levels]]
name = "Buyers"
approvers = ["U0ADA", "U0FAY"]
quorum = 2
timeout = "2d"

[policies.agents]
title = "Call of an agent"
channel = "{AGENTS}"
edit = ["arguments.command", "arguments.limit", "arguments.env.*"]
[[policies.agents.levels]]
name = "On call"
approvers = ["U0ADA"]
sms = true
timeout = "1h"
"""
# What stands in the place of a masked value does not fit its schema.
ENV = {"properties": {"KEY": {"type": "string", "maxLength": 7}}}
SCHEMA = {"type": "object", "properties": {"limit": {"type": "integer", "maximum": 100}, "env": ENV}}
COMMAND = "psql -c 'DELETE FROM orders'"
CALL = {
    "policy": "agents",
    "agent": "claude-code",
    "tool": "Bash",
    "arguments": {"command": COMMAND, "limit": 10, "env": {"KEY": "hunter2"}},
    "mask": ["env.KEY"],
    "accepts_edits": True,
    "input_schema": SCHEMA,
}
NARROWED = "psql -c 'DELETE FROM orders\n WHERE id = 7'"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, POLICIES, sms=True, settings={"COUNTERSIGN_SECRET": "s" * 32}) as found:
        yield found


def inputs(form: dict[str, Any]) -> dict[str, str]:
    """The fields of the form by block, with what stands in them."""
    return {
        block["block_id"]: block["element"].get("initial_value", "")
        for block in form["blocks"]
        if block["type"] == "input"
    }


async def test_what_is_changed_is_what_everybody_approves(world: World) -> None:
    rita, ada, fay = [world.person(user) for user in ("U0RITA", "U0ADA", "U0FAY")]
    card = await ask(rita)
    assert actions_of(card) == ["approve", "edit_and_approve", "reject", "more"]
    await fay.click(PURCHASES, card["ts"], "approve")
    voted = await ada.wait_for_message(PURCHASES, says("1 of 2"))
    await ada.click(PURCHASES, card["ts"], "edit_and_approve")
    form = await ada.wait_for_view(FORM)
    assert inputs(form) == {"edit.t.amount": "4200", "edit.t.fields.vendor": "", "comment": ""}
    for values, block, said in (
        ({}, "comment", "Nothing is changed"),
        ({"edit.t.amount": "5000"}, "edit.t.amount", "can only be lowered. It is 4,200.00 USD now"),
        ({"edit.t.amount": "12,40"}, "edit.t.amount", "could be read in more than one way"),
    ):
        with pytest.raises(ActionRefusedError) as refused:
            await ada.submit(form, values)
        assert list(refused.value.errors) == [block]
        assert said in refused.value.errors[block]
    await ada.submit(form, {"edit.t.amount": "3,000.00", "edit.t.fields.vendor": "<!channel> *Bolt*"})
    changed = await fay.wait_for_message(PURCHASES, lambda message: "Changed by <@U0ADA>" in text_of(message))
    assert (changed["ts"], "3,000.00 USD" in text_of(changed)) == (card["ts"], True)
    assert "amount:\n-4200\n+3000.00\nfields.vendor:\n-\n+<!channel> *Bolt*" in text_of(changed)
    progress = await world.service.status(id_on(card))
    for words in (f"SHA-256 as asked `{progress.asked_digest}`", f"as changed `{progress.digest}`"):
        assert words in text_of(changed)

    # The second time with the message as it is by now, which Slack may send along.
    for press in (pressed("U0FAY", voted), pressed("U0FAY", voted, metadata=changed["metadata"])):
        assert await deliver(world, **press) == (200, "")
        await fay.wait_for_message(
            PURCHASES, private("This request has changed or was replaced since you saw it")
        )
    assert (await world.service.status(id_on(card))).levels[0].approvals == 1, "that of Ada alone"
    await rita.wait_for_message("D0RITA", lambda message: "changed what you asked for" in message["text"])
    told = await fay.wait_for_message("D0FAY", lambda message: "does not count any more" in message["text"])
    assert "<!channel>" not in json.dumps(told)
    await fay.click(PURCHASES, card["ts"], "approve")
    ended = await rita.wait_for_message(PURCHASES, says("✓ *Approved* by <@U0FAY>"))
    assert "Changed by <@U0ADA>" in text_of(ended)
    thread = "\n".join(text_of(reply) for reply in await rita.thread(PURCHASES, card["ts"]))
    assert "→ <@U0ADA> changed what is asked:\n> amount:\n> -4200\n> +3000.00" in thread
    assert progress.digest in thread


async def test_a_form_about_what_was_changed_since_changes_nothing(world: World) -> None:
    rita, ada, fay, sam = [world.person(user) for user in ("U0RITA", "U0ADA", "U0FAY", "U0SAM")]
    card = await ask(rita)
    for person in (ada, fay):
        await person.click(PURCHASES, card["ts"], "edit_and_approve")
    first, second = await ada.wait_for_view(FORM), await fay.wait_for_view(FORM)
    await ada.submit(first, {"edit.t.amount": "4000"})
    await world.until(id_on(card), lambda progress: len(progress.edits) == 1)
    with pytest.raises(ActionRefusedError) as refused:
        await fay.submit(second, {"edit.t.amount": "1000"})
    assert refused.value.errors["comment"].startswith("This request has changed or was replaced")
    await sam.click(PURCHASES, card["ts"], "edit_and_approve")
    await sam.wait_for_message(PURCHASES, private("You are not one of the approvers"))
    assert await sam.views() == []
    fresh = await fay.wait_for_message(PURCHASES, lambda message: "+4000" in text_of(message))
    await fay.click(PURCHASES, fresh["ts"], "edit_and_approve")
    third = await fay.wait_for(lambda person: another_view(person, second["id"]))
    await rita.click(PURCHASES, card["ts"], "more", selected_option=menu_entry(fresh, "cancel"))
    await rita.submit(await rita.wait_for_view("cancel_reason"))
    await world.until(id_on(card), lambda progress: progress.status.ended)
    with pytest.raises(ActionRefusedError) as refused:
        await fay.submit(third, {"edit.t.amount": "1000"})
    assert refused.value.errors["comment"] == "This request was already cancelled, so nothing changed."


async def another_view(person: Any, known: str) -> dict[str, Any] | None:
    views: list[dict[str, Any]] = await person.views()
    return next((view for view in views if view["id"] != known), None)


async def test_a_changed_call_is_confirmed_by_code_and_is_what_may_be_made(world: World) -> None:
    ada = world.person("U0ADA")
    agent = TokenFile(world.data / TOKENS).create("agent", "U0RITA", [REQUEST], 1000)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {agent}"}) as http:

        async def post(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
            async with http.post(f"{world.url}{path}", json=body) as answer:
                return answer.status, await answer.json()

        status, asked = await post("/api/calls", CALL)
        assert status == 202
        await has_card(world, asked["id"])
        card = await ada.wait_for_message(AGENTS, has_button("edit_and_approve"))
        await ada.click(AGENTS, card["ts"], "edit_and_approve")
        form = await ada.wait_for_view(FORM)
        assert inputs(form) == {
            "edit.t.arguments.command": COMMAND,
            "edit.n.arguments.limit": "10",
            "comment": "",
        }
        for values, block, said in (
            (
                {"edit.n.arguments.limit": "101"},
                "edit.n.arguments.limit",
                "does not fit the tool: “101 is greater than the maximum of 100”",
            ),
            ({"edit.n.arguments.limit": "many"}, "edit.n.arguments.limit", "has to be a number"),
            (
                {"edit.t.arguments.command": "ls \u202egnp", "edit.n.arguments.limit": "10"},
                "edit.t.arguments.command",
                "contains U+202E",
            ),
        ):
            with pytest.raises(ActionRefusedError) as refused:
                await ada.submit(form, values)
            assert said in refused.value.errors[block]
        await ada.submit(form, {"edit.t.arguments.command": NARROWED, "edit.n.arguments.limit": "1"})
        text = await ada.wait_for_text(lambda sms: "reply" in sms["body"])
        code = re.search(r"reply (\d{6}) to change and approve", text["body"])
        assert code is not None
        assert (await world.service.status(asked["id"])).edits == []
        await ada.reply_sms(code[1])
        progress = await world.until(
            asked["id"], lambda now: now.outcome is not None and bool(now.outcome.receipt)
        )

        status, claimed = await post(f"/api/calls/{asked['id']}/claim", {"attempt": "a" * 20})
        assert (status, claimed["edited"]) == (200, True)
        assert claimed["arguments"] == {"command": NARROWED, "limit": 1, "env": {"KEY": "[masked]"}}
        assert claimed["changes"][1] == {"path": ["limit"], "before": 10, "after": 1}
        status, again = await post("/api/calls", CALL)
        assert (status, again["id"] != asked["id"]) == (202, True), "the approval was used"
        async with http.get(f"{world.url}/.well-known/jwks.json") as answer:
            keys = await answer.json()
    assert progress.outcome is not None
    claims = verify(progress.outcome.receipt or "", keys)
    assert (claims["digest"], claims["asked_digest"]) == (progress.digest, progress.asked_digest)
    assert claims["call"]["arguments_digest"] == claimed["arguments_digest"]
    assert claims["asked_call"]["arguments_digest"] == asked["arguments_digest"]
    assert claims["edits"][0] | {"at": ""} == {
        "actor": "U0ADA",
        "level": "On call",
        "round": 1,
        "paths": ["arguments.command", "arguments.limit"],
        "voided": [],
        "digest_before": progress.asked_digest,
        "digest": progress.digest,
        "via": "chat",
        "factor": "sms",
        "token": None,
        "at": "",
    }
    assert "hunter2" not in json.dumps([read(one) for one in world.cards()])
    ended = await ada.wait_for_message(
        AGENTS, lambda message: is_card(message) and "Approved" in text_of(message)
    )
    assert "+psql -c 'DELETE FROM orders\n+ WHERE id = 7'" in text_of(ended)

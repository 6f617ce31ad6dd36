"""An order whose bot is killed while its states move and its actions are under way."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from bot.records.chain import ENTRIES
from bot.records.entries import unchecked_claims
from tests.e2e.killed.conftest import Killing
from tests.support.killed_bot import KilledBot
from tests.support.order_world import PAID

pytestmark = pytest.mark.asyncio(loop_scope="session")

STATES = ["Created", "Paid", "Shipped", "Completed"]
PATHS = ["/orders", "/paid", "/shipped"]


async def test_no_state_is_lost_or_skipped_and_no_action_has_two_keys(
    bot: KilledBot, killing: Killing
) -> None:
    """SIGKILL with the first action under way, while events come in doubled and out of order, and before the last."""
    rita, ada = bot.token("U0RITA", "request"), bot.token("U0ADA", "read", "decide:order")
    admin = bot.token("U0DIRK", "admin", "read")
    before = len(bot.system.got)
    request_id = await bot.ask(rita, policy="order", title="Laptops", amount="4200", currency="USD")
    hooks: dict[str, str] = {}
    for event in ("PaymentReceived", "Shipped", "Delivered"):
        given = {"instance_id": request_id, "event_name": event}
        hooks[event] = (await bot.call("POST", "/api/hooks", admin, json=given)).body["url"]

    def send(event: str, payload: Any) -> Any:
        return bot.insist("POST", hooks[event], json=payload, headers={"webhook-id": f"d-{event}"})

    bot.system.free.clear()
    assert (await bot.decide(ada, request_id)).status == 200
    await bot.eventually(lambda: len(bot.system.got) > before)
    await bot.process.kill()
    bot.system.free.set()
    await bot.process.start()

    events: list[tuple[str, Any]] = [("Shipped", {"parcel": 7}), ("PaymentReceived", PAID)]
    came = await killing(*(send(*event) for event in events * 2))
    assert {answer.status for answer in came} <= {200, 202}
    assert {answer.body["reason"] for answer in came if answer.status == 200} <= {
        "moved",
        "waits",
        "duplicate",
    }
    await killing(send("Delivered", {"by": "Sam"}), send("Delivered", {"by": "Sam"}))

    async def found() -> dict[str, Any]:
        seen: dict[str, Any] = (await bot.shown(admin, request_id))["fulfilment"]
        return seen

    while (now := await found())["state"] != "Completed" or not all(one["on_record"] for one in now["steps"]):
        assert now["stopped"] is None
    assert [(step["number"], step["state"]) for step in now["steps"]] == list(enumerate(STATES, 1))
    assert [step["payload"] for step in now["steps"]] == [None, PAID, {"parcel": 7}, {"by": "Sam"}]
    await bot.eventually(lambda: {path for path in bot.system.paths[before:]} == set(PATHS))
    calls = {(path, headers["Idempotency-Key"]) for path, (headers, _) in told_since(bot, before)}
    assert Counter(path for path, _ in calls) == Counter(PATHS)
    assert bot.system.paths[before:].count("/orders") == 2, "the one that was under way is done again"

    await bot.eventually(lambda: len(bot.said("D0RITA", "is now *Completed*")) == 1)
    await bot.eventually(lambda: "✓ Created → Paid → Shipped → *Completed*" in bot.shown_card(request_id))
    await bot.eventually(lambda: all(said_once(bot, request_id, state) for state in STATES[1:]))
    [file] = (bot.data / "records").glob(f"*/{ENTRIES}")
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    steps = [unchecked_claims(one["jws"]) for one in entries if one["kind"] == "step"]
    assert [one["state"] for one in steps if one["fulfilment"] == now["id"]] == STATES


def told_since(bot: KilledBot, before: int) -> list[tuple[str, tuple[dict[str, str], bytes]]]:
    return list(zip(bot.system.paths, bot.system.got, strict=True))[before:]


def said_once(bot: KilledBot, request_id: str, state: str) -> bool:
    return sum(f"*{state}*:" in line for line in bot.thread(request_id)) == 1

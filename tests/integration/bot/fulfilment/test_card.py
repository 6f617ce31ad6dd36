"""Who draws the card of an order: the approval until it hands over, and the fulfilment afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path

from durabletask.history import TaskScheduledEvent

from bot.records.entries import Kind
from tests.support import PATIENCE_S
from tests.support.order_world import PAID, OrderWorld
from tests.support.receiver import Receiver
from tests.support.simulated import fault

CLOSED = "http://127.0.0.1:9/closed"  # where nobody listens
FAILING = (
    "[policies.order.fulfilment]",
    f'[policies.order.on]\napproved = {{ post = "{CLOSED}" }}\n\n[policies.order.fulfilment]',
)
SOON = ('owner = "U0FIN"', 'owner = "U0FIN"\nactions_retried_for = "1h"')
SMALL = ("require_amount = true", "require_amount = true\nauto_approve_below = 100")


async def test_what_the_approval_still_has_to_say_stands_beside_the_progress(
    tmp_path: Path, erp: Receiver
) -> None:
    """Its own action fails for an hour while the order goes on, is tried again, and the approval is stopped."""
    async with OrderWorld(tmp_path, erp, FAILING, SOON) as orders:
        request_id = await orders.ordered()
        await orders.card_says(request_id, "○ Notifying 127.0.0.1")
        await orders.send(request_id, "PaymentReceived", PAID)
        await orders.card_says(request_id, "Created → *Paid*")
        async with asyncio.timeout(PATIENCE_S):
            # No further than to its failure: from then on the time runs in which it can be tried again.
            while (await orders.service.status(request_id)).actions[0].status != "failed":
                if orders.is_due_within(minutes=6):
                    await orders.skip(minutes=6)
                await asyncio.sleep(0.01)
        await orders.card_says(request_id, "✗ Failed:")
        assert "Created → *Paid*" in orders.shown(request_id)
        [card] = orders.cards_of(request_id)
        owner = orders.person("U0FIN")
        asked = await owner.wait_for_message("D0FIN", lambda message: "could not be told" in message["text"])
        await owner.click("D0FIN", asked["ts"], "retry")
        await orders.card_says(request_id, "○ Notifying 127.0.0.1")
        assert "Created → *Paid*" in orders.shown(request_id)
        await orders.client.terminate_orchestration(request_id)
        progress = await orders.service.status(request_id)
        reconcile = f"reconcile-{request_id}-{progress.nonce[:8]}"
        await orders.eventually(lambda: len(orders.thread(card)) > 0)
        await orders.client.wait_for_orchestration_start(reconcile, timeout=PATIENCE_S)
        await orders.send(request_id, "Shipped", {})
        await orders.card_says(request_id, "Created → Paid → *Shipped*")
        assert "*Approved*" in orders.shown(request_id)


async def test_a_card_that_is_posted_once_all_is_approved_goes_on_too(tmp_path: Path, erp: Receiver) -> None:
    async with OrderWorld(tmp_path, erp, SMALL) as orders:
        await fault(orders.simulator, "chat.postMessage", "internal_error", count=3)
        request_id = await orders.ask(orders.rita, policy="order", title="A pen", amount="5", currency="USD")
        await orders.card_says(request_id, "→ *Created* · waiting for")
        assert "*Approved by rule*" in orders.shown(request_id)
        [card] = orders.cards_of(request_id)
        await orders.eventually(
            lambda: any("*Created*: it was approved" in one for one in orders.thread(card))
        )


async def test_an_edit_that_fails_for_a_while_comes_back_to_no_older_card(orders: OrderWorld) -> None:
    request_id = await orders.order()
    await fault(orders.simulator, "chat.update", "internal_error", count=4)
    await orders.approve(request_id)
    await orders.state(request_id, "Created")
    await orders.send(request_id, "PaymentReceived", PAID)
    for _ in range(6):
        await orders.eventually(lambda: orders.is_due_within(days=6))
        await orders.skip(seconds=30)
    await orders.card_says(request_id, "Created → *Paid* · waiting for Shipped")
    history = await orders.client.get_orchestration_history(request_id)
    tasks = [event.name for event in history if isinstance(event, TaskScheduledEvent)]
    assert "edit_card" in tasks[: tasks.index("hand_over")]
    assert "edit_card" not in tasks[tasks.index("hand_over") :], "the approval would draw what is old by then"


async def test_an_action_that_failed_is_tried_again_when_its_owner_says_so(
    tmp_path: Path, erp: Receiver
) -> None:
    """Also once the order has ended: it is waited for as long as it was tried."""
    erp.statuses = [410, 200]
    async with OrderWorld(tmp_path, erp) as orders:
        request_id = await orders.ordered()
        await orders.eventually(
            lambda: any("could not be told" in said for said in orders.direct_messages("U0FIN"))
        )
        await orders.card_says(request_id, "✗ Failed: 127.0.0.1 refused it (410).")
        assert (await orders.send(request_id, "PaymentFailed", {})).body["state"] == "Cancelled"
        again = f"/api/approvals/{request_id}/fulfilment/retry"
        assert (await orders.call("POST", again, orders.rita)).status == 403
        [asked] = [one for one in orders.workspace.messages.in_channel("D0FIN") if "could not be" in one.text]
        fin = orders.person("U0FIN")
        await fin.click("D0FIN", asked.ts, "retry_fulfilment")
        await fin.wait_for_message("D0FIN", lambda said: "being tried again" in said["text"])
        await orders.card_says(request_id, "done (200)")
        assert "Created → *Cancelled*" in orders.shown(request_id)
        first, second = erp.got
        assert first[1] == second[1]
        assert first[0]["Idempotency-Key"] == second[0]["Idempotency-Key"]
        target = (await orders.state(request_id, "Cancelled"))["id"]
        await orders.client.wait_for_orchestration_completion(target, timeout=PATIENCE_S)
        assert (await orders.call("POST", again, orders.owner)).status == 410


async def test_a_long_life_goes_on_as_new_and_forgets_no_delivery(orders: OrderWorld) -> None:
    request_id = await orders.ordered()
    found = await orders.state(request_id, "Created")
    url = await orders.hook(request_id, "Shipped")
    for number in range(3):
        await orders.call("POST", url, json={"parcel": number}, headers={"webhook-id": f"d-{number}"})
    for _ in range(11):
        repeats = (orders.call("POST", url, json={}, headers={"webhook-id": "d-1"}) for _ in range(10))
        assert {again.status for again in await asyncio.gather(*repeats)} <= {200, 202}
    await orders.state(request_id, "Created")
    history = await orders.client.get_orchestration_history(found["id"])
    assert len([event for event in history if type(event).__name__ == "EventRaisedEvent"]) < 110
    again = await orders.call("POST", url, json={}, headers={"webhook-id": "d-2"})
    assert again.body["reason"] == "duplicate"
    moved = await orders.send(request_id, "PaymentReceived", PAID)
    assert moved.body["state"] == "Shipped"


async def test_a_purge_takes_what_followed_along(orders: OrderWorld) -> None:
    request_id = await orders.ordered()
    target = (await orders.state(request_id, "Created"))["id"]
    path = f"/runtime/webhooks/durabletask/instances/{request_id}"
    await orders.client.wait_for_orchestration_completion(request_id, timeout=PATIENCE_S)
    purged = await orders.call("DELETE", path, orders.admin)
    assert purged.body["instancesDeleted"] == 1
    moved = await orders.call("POST", await orders.hook(target, "PaymentFailed"), json={})
    assert moved.body["state"] == "Cancelled", "what is under way goes on"
    await orders.client.wait_for_orchestration_completion(target, timeout=PATIENCE_S)
    purged = await orders.call("DELETE", f"/runtime/webhooks/durabletask/instances/{target}", orders.admin)
    assert purged.body["instancesDeleted"] == 1
    assert orders.app.records.chain.find(target, "", Kind.PURGED) == [], "it is no request of its own"

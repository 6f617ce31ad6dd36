"""An approved order goes on by signed webhooks: the real bot over HTTP, a workspace, and what takes orders."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest
from durabletask.client import OrchestrationStatus

from bot.records.entries import Kind, unchecked_claims
from orchestration.domain.names import fulfilment_id
from tests.support import PATIENCE_S
from tests.support.order_world import PAID, OrderWorld
from tests.support.receiver import Receiver


async def test_an_order_is_paid_shipped_and_delivered(orders: OrderWorld) -> None:
    """Created → Paid → Shipped → Completed, with an event that comes early, one twice, and one that is unknown."""
    request_id = await orders.order()
    early = await orders.hook(request_id, "PaymentReceived")
    before = await orders.call("POST", early, json=PAID)
    assert (before.status, before.body["detail"][:37]) == (409, "The request is not approved yet, so n")
    await orders.approve(request_id)
    found = await orders.state(request_id, "Created")
    assert found["awaits"] == ["PaymentReceived", "PaymentFailed"]
    await orders.card_says(request_id, "→ *Created* · waiting for PaymentReceived or PaymentFailed · until")

    unknown = await orders.call(
        "POST", "/api/hooks", orders.admin, json={"instance_id": request_id, "event_name": "Payed"}
    )
    assert unknown.status == 422
    assert (
        "it awaits PaymentReceived, PaymentFailed, Shipped, Delivered" in unknown.body["errors"][0]["detail"]
    )

    waits = await orders.send(request_id, "Shipped", {"parcel": 7}, "d-2")
    assert (waits.status, waits.body["reason"], waits.body["state"]) == (200, "waits", "Created")
    short = await orders.send(request_id, "PaymentReceived", {"amount": 420, "currency": "USD"}, "d-0")
    assert (short.status, short.body["accepted"]) == (200, False)
    assert "needs amount to be the amount that was approved" in short.body["message"]
    same = await orders.send(request_id, "PaymentReceived", {"amount": 420, "currency": "USD"}, "d-0")
    assert same.body == short.body, "who did not hear the answer is not told that it counted"
    moved = await orders.send(request_id, "PaymentReceived", PAID, "d-1")
    assert (moved.status, moved.body["reason"]) == (200, "moved")
    assert moved.body["state"] == "Shipped", "the parcel was waiting for its state"
    again = await orders.send(request_id, "PaymentReceived", PAID, "d-1")
    assert (again.status, again.body["reason"]) == (200, "duplicate")
    late = await orders.send(request_id, "PaymentReceived", PAID, "d-3")
    assert late.status == 409
    assert "no state that can still come awaits" in late.body["detail"]

    done = await orders.send(request_id, "Delivered", {"by": "Sam"}, "d-4")
    assert done.body["state"] == "Completed"
    found = await orders.state(request_id, "Completed")
    assert [step["state"] for step in found["steps"]] == ["Created", "Paid", "Shipped", "Completed"]
    assert [step["payload"] for step in found["steps"]] == [None, PAID, {"parcel": 7}, {"by": "Sam"}]
    assert [step["cause"] for step in found["steps"]] == ["approved", "event", "event", "event"]
    await orders.card_says(request_id, "✓ Created → Paid → Shipped → *Completed*")
    [card] = orders.cards_of(request_id)
    await orders.eventually(
        lambda: any("*Completed*: Delivered came in" in line for line in orders.thread(card))
    )
    assert any("*Shipped*: Shipped came in" in line for line in orders.thread(card))
    await orders.eventually(
        lambda: any(
            "is now *Completed*: Delivered came in" in said for said in orders.direct_messages("U0RITA")
        )
    )
    assert any("stays *Created*" in said for said in orders.direct_messages("U0FIN")), (
        "its owner hears of 420"
    )

    # Who did not hear the answer to the last event sends it again, and is not refused.
    assert (await orders.send(request_id, "Delivered", {"by": "Sam"}, "d-4")).body["reason"] == "duplicate"
    assert (await orders.send(request_id, "Delivered", {"by": "Sam"}, "d-9")).status == 410
    told = [body for _, body in orders.erp.got]
    assert len(told) == 1
    assert b'"type": "fulfilment.entered"' in told[0]
    assert b'"state": "Created"' in told[0]

    timeline = await orders.call("GET", f"/api/approvals/{request_id}/timeline", orders.admin)
    texts = [item["text"] for item in timeline.body["items"]]
    assert "What follows the approval begins" in texts
    assert texts.count("Step put on record") == 4
    assert "PaymentReceived received" in texts


@pytest.mark.every_hub
async def test_a_payment_that_failed_calls_the_order_off(orders: OrderWorld) -> None:
    request_id = await orders.ordered()
    failed = await orders.send(request_id, "PaymentFailed", {"why": "card expired"})
    assert failed.body["state"] == "Cancelled"
    found = await orders.state(request_id, "Cancelled")
    assert found["end"] == "cancelled"
    await orders.card_says(request_id, "– Created → *Cancelled*")
    [told] = await orders.said_in("C0GENERAL")
    assert "is now *Cancelled*: PaymentFailed came in" in told


async def test_a_state_that_takes_too_long_is_reminded_of_escalated_and_left(orders: OrderWorld) -> None:
    request_id = await orders.ordered()
    await orders.skip(days=3)
    await orders.eventually(
        lambda: any("longer than it may" in said for said in orders.direct_messages("U0FIN"))
    )
    await orders.card_says(request_id, "late since")
    assert (await orders.state(request_id, "Created"))["overdue"] is True
    await orders.skip(days=1)
    found = await orders.state(request_id, "Cancelled")
    assert found["steps"][-1]["cause"] == "timeout"
    assert any("although its owner was reminded" in said for said in await orders.said_in("C0ESCALATIONS"))


async def test_only_its_owner_calls_it_off_and_only_where_the_state_allows_it(orders: OrderWorld) -> None:
    request_id = await orders.order()
    path = f"/api/approvals/{request_id}/fulfilment/cancel"
    assert (await orders.call("POST", path, orders.owner)).status == 409, "it is not approved yet"
    await orders.approve(request_id)
    await orders.state(request_id, "Created")
    refused = await orders.call("POST", path, orders.rita)
    assert refused.status == 403
    assert "Only the owner" in refused.body["detail"]
    withdrawn = await orders.call("POST", f"/api/approvals/{request_id}/cancel", orders.rita)
    assert withdrawn.body["verdict"]["reason"] == "already_ended"
    for token in ("decide:deploy", "decide:order"):
        of_another = orders.token("decides", "U0FIN", token)
        again = await orders.call("POST", path.replace("/cancel", "/retry"), of_another)
        assert again.status == (403 if token == "decide:deploy" else 409)
    assert (await orders.call("POST", path, orders.token("deploys", "U0FIN", "decide:deploy"))).status == 403
    done = await orders.call("POST", path, orders.owner, json={"reason": "Rita has left"})
    assert done.body["state"] == "Cancelled"
    found = await orders.state(request_id, "Cancelled")
    assert (found["steps"][-1]["actor"], found["steps"][-1]["payload"]) == (
        "U0FIN",
        {"reason": "Rita has left"},
    )

    paid = await orders.ordered()
    await orders.send(paid, "PaymentReceived", PAID)
    late = await orders.call("POST", f"/api/approvals/{paid}/fulfilment/cancel", orders.owner)
    assert late.status == 409
    assert "In the state Paid it cannot be called off" in late.body["detail"]


async def test_what_is_not_approved_is_not_fulfilled(orders: OrderWorld) -> None:
    request_id = await orders.order()
    hook = await orders.hook(request_id, "PaymentReceived")
    ticket = await orders.call("POST", f"/api/approvals/{request_id}/cancel", orders.rita)
    assert ticket.status == 200
    assert (await orders.call("POST", hook, json=PAID)).status == 410
    progress = await orders.until(request_id, lambda progress: not progress.receipt_pending)
    assert progress.fulfilment is None
    target = fulfilment_id(request_id, progress.nonce)
    assert await orders.client.get_orchestration_state(target) is None
    assert "Created" not in orders.shown(request_id)


async def test_no_event_of_ours_comes_in_by_another_way(orders: OrderWorld) -> None:
    """Only a hook moves the order: an operator's raise does not, and our own events have no address."""
    request_id = await orders.ordered()
    target = (await orders.state(request_id, "Created"))["id"]
    for event in ("FulfilmentEvent", "FulfilmentCancelled", "FulfilmentHandedOver", "PaymentReceived"):
        raised = await orders.call(
            "POST",
            f"/runtime/webhooks/durabletask/instances/{target}/raiseEvent/{event}",
            orders.admin,
            json={"attempt_id": "x", "name": "PaymentReceived", "delivery_id": "x", "payload": PAID},
        )
        assert raised.status == 403
        if event != "PaymentReceived":
            hook = {"instance_id": target, "event_name": event}
            assert (await orders.call("POST", "/api/hooks", orders.admin, json=hook)).status == 422
    forged = (await orders.hook(request_id, "Shipped")).replace("/Shipped?", "/PaymentReceived?")
    assert (await orders.call("POST", forged, json=PAID)).status == 401
    # Whoever is on the hub itself may raise what they like: without our seal it does not count.
    stranger = orders.connection.client_as_stored()
    given = {"attempt_id": "x", "name": "PaymentReceived", "delivery_id": "x", "payload": PAID}
    await stranger.raise_orchestration_event(target, "FulfilmentEvent", data=given)
    await stranger.close()
    await orders.send(request_id, "Shipped", {})
    assert (await orders.state(request_id, "Created"))["kept"] == ["Shipped"]


def nested(depth: int) -> Any:
    found: Any = 1
    for _ in range(depth - 1):
        found = [found]
    return found


async def test_no_payload_stops_it(orders: OrderWorld) -> None:
    """Whoever has an address may send what they like to it: the order goes on, and what they sent is kept."""
    request_id = await orders.ordered()
    url = await orders.hook(request_id, "PaymentReceived")
    odd = [
        nested(99),
        10**300,
        {"amount": "4200" * 400, "": {"$seal": "x", "\u202e": None}},
        "\U0001f4a5",
        0.1,
        [],
    ]
    for payload in odd:
        answer = await orders.call("POST", url, json=payload)
        assert (answer.status, answer.body["reason"]) == (200, "condition_failed"), answer.body
    long = await orders.call("POST", url, json={"note": "x" * 8000})
    assert (long.status, long.fields) == (422, {"body"})
    for raw in (b'{"a": "\\ud800"}', b'{"a": "\\u0000"}', b'{"a": NaN}', b"{", b'{"a": 1, "a": 2}'):
        refused = await orders.call("POST", url, data=raw, headers={"Content-Type": "application/json"})
        assert refused.status == 400, raw
    text = await orders.call("POST", url, data=b"paid \xff", headers={"Content-Type": "text/plain"})
    assert text.body["reason"] == "condition_failed"
    unnamed = await orders.call("POST", url, json=PAID, headers={"webhook-id": "d 1"})
    assert (unnamed.status, unnamed.fields) == (422, {"webhook-id"})
    assert (await orders.call("POST", url, json=PAID)).body["reason"] == "moved"
    waits = [odd[0], odd[1], odd[2]]
    for payload in waits:
        await orders.send(request_id, "Delivered", payload)
    assert (await orders.send(request_id, "Shipped", odd[2])).body["state"] == "Completed"
    found = await orders.state(request_id, "Completed")
    assert [step["payload"] for step in found["steps"][2:]] == [odd[2], odd[0]]


async def test_nobody_begins_one_but_an_approval(orders: OrderWorld) -> None:
    """Neither an operator can, nor another program on the hub that repeats what an approval once handed over."""
    request_id = await orders.order()
    progress = await orders.service.status(request_id)
    target = fulfilment_id(request_id, progress.nonce)
    started = await orders.call(
        "POST", f"/runtime/webhooks/durabletask/orchestrators/fulfilment/{target}", orders.admin, json={}
    )
    assert started.status == 403
    real = await orders.ordered()
    stranger = orders.connection.client_as_stored()
    known = await stranger.get_orchestration_state((await orders.state(real, "Created"))["id"])
    assert known is not None
    await stranger.schedule_new_orchestration(
        "fulfilment", input=json.loads(known.serialized_input or ""), instance_id=target
    )
    found = await stranger.wait_for_orchestration_completion(target, timeout=PATIENCE_S)
    await stranger.close()
    assert found is not None
    assert found.runtime_status is OrchestrationStatus.FAILED
    assert "Created" not in orders.shown(request_id)


async def test_a_bot_that_is_killed_in_the_middle_loses_nothing_and_does_nothing_twice(
    orders: OrderWorld,
) -> None:
    request_id = await orders.ordered()
    await orders.eventually(lambda: len(orders.erp.got) == 1)
    await orders.rest()
    sent = await orders.send(request_id, "PaymentReceived", PAID, "d-1")
    assert sent.status == 202, "it is on disk, and nobody is there to handle it"
    assert (await orders.send(request_id, "PaymentReceived", PAID, "d-1")).status == 202
    await orders.stop()
    await orders.start()
    found = await orders.state(request_id, "Paid")
    assert [step["state"] for step in found["steps"]] == ["Created", "Paid"]
    await orders.card_says(request_id, "Created → *Paid* · waiting for Shipped")
    await orders.stop()
    await orders.start()
    await orders.skip(days=5)
    await orders.eventually(
        lambda: any("longer than it may" in said for said in orders.direct_messages("U0FIN"))
    )
    assert len(orders.erp.got) == 1
    [card] = orders.cards_of(request_id)
    assert len([line for line in orders.thread(card) if "*Paid*: PaymentReceived" in line]) == 1


async def test_one_that_an_operator_stops_says_so(orders: OrderWorld) -> None:
    request_id = await orders.ordered()
    # Nothing is under way any more that could overwrite what the card says of the stop.
    await orders.card_says(request_id, "→ *Created* · waiting for")
    target = (await orders.state(request_id, "Created"))["id"]
    path = f"/runtime/webhooks/durabletask/instances/{target}/terminate"
    assert (await orders.call("POST", path, orders.admin)).status == 202
    await orders.card_says(request_id, "– *Created* · Stopped by an operator")
    assert (await orders.shown_by_api(request_id))["fulfilment"]["stopped"] == "terminated"
    assert (await orders.send(request_id, "PaymentReceived", PAID)).status == 410
    await orders.eventually(
        lambda: any("was stopped by an operator" in said for said in orders.direct_messages("U0RITA"))
    )


async def test_one_that_is_stopped_at_its_end_does_what_its_end_set_going(
    tmp_path: Path, erp: Receiver
) -> None:
    """Each action keeps its key, and nobody is told again. What the order had begun before its end goes on too."""
    last = ('final = "completed"', f'final = "completed"\non_enter = [{{ post = "{erp.origin}/done" }}]')
    erp.statuses = [500] * 4
    async with OrderWorld(tmp_path, erp, last) as orders:
        request_id = await orders.ordered()
        for event, payload in (("PaymentReceived", PAID), ("Shipped", {}), ("Delivered", {})):
            await orders.send(request_id, event, payload)
        target = (await orders.state(request_id, "Completed"))["id"]
        await orders.eventually(lambda: {"/orders", "/done"} <= set(erp.paths))
        told = "is now *Completed*: Delivered came in"
        await orders.eventually(lambda: any(told in said for said in orders.direct_messages("U0RITA")))
        path = f"/runtime/webhooks/durabletask/instances/{target}/terminate"
        assert (await orders.call("POST", path, orders.admin)).status == 202
        erp.statuses = []
        await orders.eventually(lambda: orders.shown(request_id).count("done (204)") == 2)
        assert "→ *Completed*" in orders.shown(request_id)
        keys = {(path, one["Idempotency-Key"]) for path, (one, _) in zip(erp.paths, erp.got, strict=True)}
        assert keys == {("/orders", f"{target}:1:0"), ("/done", f"{target}:4:0")}
        bodies = {body for _, body in erp.got}
        assert len(bodies) == 2
        await orders.completed(f"reconcile-{target}")
        assert len([said for said in orders.direct_messages("U0RITA") if told in said]) == 1


@pytest.mark.every_hub
async def test_after_a_purge_its_address_says_that_it_is_over(orders: OrderWorld) -> None:
    request_id = await orders.ordered()
    hook = await orders.hook(request_id, "PaymentFailed")
    target = (await orders.state(request_id, "Created"))["id"]
    await orders.call("POST", hook, json={})
    for instance in (request_id, target):
        await orders.client.wait_for_orchestration_completion(instance, timeout=PATIENCE_S)
    await orders.call("DELETE", f"/runtime/webhooks/durabletask/instances/{target}", orders.admin)
    sent = await orders.call("POST", hook, json={})
    assert (sent.status, "was purged" in sent.body["detail"]) == (410, True)


async def test_one_that_was_stopped_and_purged_does_not_begin_anew(tmp_path: Path, erp: Receiver) -> None:
    """The approval still has an action to do, and hands its card over once that is done; so does its reconciliation."""
    on = (
        "[policies.order.fulfilment]\n",
        f'[policies.order.on]\napproved = {{ post = "{erp.origin}/on" }}\n\n',
    )
    erp.statuses = [500] * 50
    async with OrderWorld(tmp_path, erp, (on[0], on[1] + on[0])) as orders:
        request_id = await orders.ordered()
        target = (await orders.state(request_id, "Created"))["id"]
        instances = "/runtime/webhooks/durabletask/instances"
        await orders.call("POST", f"{instances}/{target}/terminate", orders.admin)
        await orders.completed(f"reconcile-{target}")
        assert (await orders.call("DELETE", f"{instances}/{target}", orders.admin)).status == 200
        hook = await orders.call(
            "POST", "/api/hooks", orders.admin, json={"instance_id": request_id, "event_name": "Shipped"}
        )
        assert (hook.status, "was purged" in hook.body["detail"]) == (410, True)
        erp.statuses = []
        await orders.completed(request_id)
        assert await orders.client.get_orchestration_state(target) is None


async def test_one_that_is_stopped_on_a_full_disk_has_every_step_on_record_later(orders: OrderWorld) -> None:
    """The step before the stop was still to be put on record. Nothing that this step would have begun is done now."""
    request_id = await orders.ordered()
    await orders.eventually(lambda: len(orders.erp.got) == 1)
    target = (await orders.state(request_id, "Created"))["id"]
    chain = orders.app.records.chain
    append = chain.append

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    chain.append = full  # type: ignore[method-assign, assignment]  # a full disk under this file alone
    assert (await orders.send(request_id, "PaymentReceived", PAID)).body["state"] == "Paid"
    path = f"/runtime/webhooks/durabletask/instances/{target}/terminate"
    assert (await orders.call("POST", path, orders.admin)).status == 202
    await orders.card_says(request_id, "Created → *Paid* · Stopped by an operator")
    chain.append = append  # type: ignore[method-assign]  # as above
    nonce = (await orders.service.status(request_id)).nonce

    def recorded() -> list[tuple[object, ...]]:
        with orders.app.records.lock:
            found = [unchecked_claims(entry.jws) for entry in chain.find(request_id, nonce, Kind.STEP)]
        return [(said["number"], said["cause"], said["fulfilment"]) for said in found]

    while len(recorded()) < 3:
        await orders.eventually(lambda: len(recorded()) == 3 or orders.is_due_within(minutes=6))
        await orders.skip(minutes=1)
    assert recorded() == [(1, "approved", target), (2, "event", target), (3, "stopped", target)]

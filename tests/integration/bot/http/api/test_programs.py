"""What programs get afterwards: receipts, callbacks, events; and other orchestrations that ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from durabletask import history
from durabletask.client import OrchestrationStatus
from durabletask.task import OrchestrationContext
from standardwebhooks import Webhook

from bot.outbound.signing import callback_secret
from bot.security.receipts import ReceiptError, verify
from bot.security.secrets import Secrets
from orchestration.approval.subworkflow import NUDGES_HEARD, request_approval
from orchestration.domain.names import nudge_of
from orchestration.domain.request import ApprovalRequest
from tests.support import PATIENCE_S
from tests.support.api_world import NEW_SECRET, OLD_SECRET, ApiWorld
from tests.support.receiver import Receiver, receiver
from tests.support.simulated import fault, no_faults
from tests.support.world import request_of

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def approved(api: ApiWorld, **changes: Any) -> dict[str, Any]:
    """Asks, has Ada approve, and returns the approval with its receipt."""
    token = api.token("ci")
    request_id = await api.ask(token, **changes)
    assert (await api.decide(api.token("ada", "U0ADA", "decide:deploy"), request_id)).status == 200
    answer = await api.call("GET", f"/api/approvals/{request_id}?wait=20s", token)
    assert answer.status == 200
    found: dict[str, Any] = answer.body
    return found


# ---- receipts --------------------------------------------------------------------------------------------


async def test_an_outcome_carries_a_receipt_that_verifies_offline_and_no_other(api: ApiWorld) -> None:
    approval = await approved(api)
    receipt = approval["outcome"]["receipt"]
    published = (await api.call("GET", "/.well-known/jwks.json")).body
    claims = verify(receipt, published)
    assert (claims["sub"], claims["status"], claims["digest"]) == (
        approval["id"],
        "approved",
        approval["outcome"]["digest"],
    )
    vote = claims["decisions"][0]
    assert (vote["actor"], vote["choice"], vote["via"], vote["factor"]) == ("U0ADA", "approve", "api", None)
    assert "d" not in published["keys"][0]
    head, body, signature = receipt.split(".")
    other = (await approved(api))["outcome"]["receipt"].split(".")
    forged = [
        f"{head}.{other[1]}.{signature}",
        f"{head}.{body}.{other[2]}",
        f"{head}.{body}.",
        "nonsense",
        "",
    ]
    for one in forged:
        with pytest.raises(ReceiptError):
            verify(one, published)


# ---- callbacks -------------------------------------------------------------------------------------------


async def test_a_callback_is_signed_and_retried_with_the_same_id(api: ApiWorld) -> None:
    """The second try is signed anew; the receiver verifies with the secret of the token that asked."""
    async with receiver() as place:
        place.statuses = [500, 500]
        approval = await approved(api, callback_url=place.url)
        await api.eventually(lambda: len(place.got) == 1)
        for tries in (2, 3):
            await retried(api, partial(came, place, tries), pause=2.0 ** (tries - 2))
        assert len(place.got) == 3
        asked_with = (await api.service.view(approval["id"])).request.asked_with
        secret = callback_secret(Secrets.load(f"{NEW_SECRET} {OLD_SECRET}", api.data), asked_with)
        ids = set()
        for headers, body in place.got:
            event = Webhook(secret).verify(body, headers)
            ids.add({name.lower(): value for name, value in headers.items()}["webhook-id"])
            assert event["type"] == "approval.approved"
            assert event["data"]["outcome"] == approval["outcome"]
        assert len(ids) == 1


async def test_a_callback_may_be_a_cloud_event_and_its_format_needs_an_address(api: ApiWorld) -> None:
    async with receiver() as place:
        approval = await approved(api, callback_url=place.url, callback_format="cloudevents")
        await api.eventually(lambda: bool(place.got))
        [(headers, body)] = place.got
        asked_with = (await api.service.view(approval["id"])).request.asked_with
        secret = callback_secret(Secrets.load(f"{NEW_SECRET} {OLD_SECRET}", api.data), asked_with)
        event = Webhook(secret).verify(body, headers)
        assert headers["Content-Type"].startswith("application/cloudevents+json")
        assert [event["id"]] == list(place.ids)
        assert (event["source"], event["subject"]) == (api.url, approval["id"])
        assert event["data"]["outcome"] == approval["outcome"]
        assert not {"callback_url", "callback_format", "respond", "responds_to"} & set(
            event["data"]["request"]
        )
    asked = {"policy": "deploy", "title": "x", "callback_format": "cloudevents"}
    answer = await api.call("POST", "/api/approvals", api.token("ci"), json=asked)
    assert (answer.status, answer.fields) == (422, {"callback_format"})


def came(place: Receiver, tries: int) -> bool:
    """Whether so many tries came. Where the machine is busy, the next one may have come too."""
    return len(place.got) >= tries


async def retried(api: ApiWorld, done: Callable[[], bool], pause: float) -> None:
    """Skips that pause, unless so much time passes anyway on a machine that has much to do."""
    await api.eventually(lambda: done() or api.is_due_within(seconds=pause))
    if not done():
        await api.skip(seconds=pause)
    await api.eventually(done)


async def test_a_callback_that_fails_for_three_days_is_given_up_aloud(own_api: ApiWorld) -> None:
    api = own_api

    def given_up() -> bool:
        return any("✗ Failed: " in line for card in api.cards() for line in api.thread(card))

    async with receiver() as place:
        place.statuses = [500] * 200
        await approved(api, callback_url=place.url)
        await api.eventually(lambda: bool(place.got))
        for _ in range(100):
            if given_up():
                break
            tries = len(place.got)
            await api.skip(hours=1)
            await api.eventually(lambda tries=tries: len(place.got) > tries or given_up())
        assert given_up()
        [card] = api.cards()
        aloud: set[str] = set()
        async with asyncio.timeout(PATIENCE_S):
            while not {"post_reply", "send_message"} <= aloud:
                past = await api.client.get_orchestration_history(request_of(card))
                aloud = {
                    event.name
                    for event in past
                    if isinstance(event, history.TaskScheduledEvent)
                    and f'"to":"{place.url}"' in (event.input or "").replace(" ", "")
                }


# ---- hooks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "told"), [({"json": {"paid": True}}, {"paid": True}), ({"data": "paid=1"}, "paid=1")]
)
async def test_a_hook_raises_its_one_event_and_nothing_else(
    api: ApiWorld, how: dict[str, Any], told: Any
) -> None:
    root = api.token("root")
    waiting, other = [await api.client.schedule_new_orchestration("listener", input="Paid") for _ in range(2)]
    made = await api.call("POST", "/api/hooks", root, json={"instance_id": waiting, "event_name": "Paid"})
    assert made.status == 201
    url = made.body["url"]
    wrong_event, wrong_instance = url.replace("/Paid", "/Other"), url.replace(waiting, other)
    longer = url.replace("code=", "code=9")
    for wrong in (wrong_event, wrong_instance, longer, url.partition("?")[0]):
        assert (await api.call("POST", wrong, json={})).status == 401
    assert (await api.call("GET", url)).status == 405
    assert (await api.call("POST", url, **how)).status == 202
    state = await api.client.wait_for_orchestration_completion(waiting, timeout=PATIENCE_S)
    assert state is not None
    assert state.get_output() == told
    assert (await api.call("POST", url, **how)).status == 410


async def test_a_hooks_key_expires(tmp_path: Path, api: ApiWorld) -> None:
    secrets = Secrets.load(None, tmp_path)
    now = api.now()
    key = secrets.sign("hook", "x", until=now + timedelta(minutes=5))
    assert secrets.verify("hook", "x", key, now=now + timedelta(minutes=4))
    assert not secrets.verify("hook", "x", key, now=now + timedelta(minutes=5))
    rotated = Secrets(b"n" * 32, (tmp_path / "secret").read_text().strip().encode())
    assert rotated.verify("hook", "x", key, now=now)
    assert not Secrets(b"n" * 32).verify("hook", "x", key, now=now)


# ---- other orchestrations --------------------------------------------------------------------------------


def release(ctx: OrchestrationContext, given: dict[str, Any]) -> Any:
    """Somebody's own durable orchestration: it asks, and goes on when a person has answered."""
    outcome = yield from request_approval(ctx, ApprovalRequest.model_validate(given))
    return {"status": outcome.status.value, "by": outcome.processed_by, "reason": outcome.reason}


def release_as(ctx: OrchestrationContext, given: dict[str, Any]) -> Any:
    """The same, under an ID that it is given."""
    asked = ApprovalRequest.model_validate(given["request"])
    outcome = yield from request_approval(ctx, asked, instance_id=given["id"])
    return {"status": outcome.status.value, "by": outcome.processed_by}


def by_name(ctx: OrchestrationContext, given: dict[str, Any]) -> Any:
    """The same by the name of our workflow and JSON alone, as another SDK does it."""
    child = f"deploy-{ctx.instance_id}"
    outcome = yield ctx.call_sub_orchestrator("approval", input={"request": given}, instance_id=child)
    return outcome["status"]


def waits(ctx: OrchestrationContext, _: None) -> Any:
    """Waits for somebody else's approval."""
    told = yield ctx.wait_for_external_event("Approved")
    return told["outcome"]["status"]


async def test_another_orchestration_asks_and_goes_on(tmp_path: Path) -> None:
    """It gets the outcome even while the card cannot be edited and the request still retries that."""
    async with ApiWorld(tmp_path, release, by_name, waits) as api:
        await fault(api.simulator, "chat.update", "internal_error", count=-1)
        given = {"policy": "deploy", "title": "Release?", "requester": "U0RITA"}
        mine = await api.client.schedule_new_orchestration("release", input=given)
        named = await api.client.schedule_new_orchestration("by_name", input={**given, "title": "By name?"})
        wrong = await api.client.schedule_new_orchestration("release", input={**given, "policy": "coffee"})
        waiting = await api.client.schedule_new_orchestration("waits")
        await api.eventually(lambda: len(api.cards()) == 2)
        ada = api.token("ada", "U0ADA", "decide:deploy")
        for card in api.cards():
            assert (await api.decide(ada, request_of(card))).status == 200

        async def result(instance_id: str) -> Any:
            state = await api.client.wait_for_orchestration_completion(instance_id, timeout=PATIENCE_S)
            assert state is not None
            assert state.runtime_status is OrchestrationStatus.COMPLETED, state.failure_details
            return state.get_output()

        assert await result(mine) == {"status": "approved", "by": "U0ADA", "reason": ""}
        refused = await result(wrong)
        assert (refused["status"], "there is no 'coffee'" in refused["reason"]) == ("failed", True)
        await no_faults(api.simulator)
        await api.skip(minutes=5)
        assert await result(named) == "approved"

        root = api.token("root")
        told = {"id": waiting, "event": "Approved"}
        request_id = await api.ask(root, notify_instance=told)
        await api.decide(ada, request_id)
        assert await result(waiting) == "approved"
        plain = api.token("plain", "U0RITA", "request")
        refused_notify = await api.call(
            "POST", "/api/approvals", plain, json={"policy": "deploy", "title": "x", "notify_instance": told}
        )
        assert refused_notify.status == 403


async def test_who_asks_believes_the_request_and_no_event(tmp_path: Path) -> None:
    async with ApiWorld(tmp_path, release, release_as) as api:
        ada = api.token("ada", "U0ADA", "decide:deploy")

        async def result(instance_id: str) -> Any:
            state = await api.client.wait_for_orchestration_completion(instance_id, timeout=PATIENCE_S)
            assert state is not None
            failure = state.failure_details
            return state.get_output() if failure is None else failure.message

        # The same was asked and approved before. A new request neither gets that approval nor replaces it.
        other = await api.ask(api.token("ci"), title="Release?")
        await api.decide(ada, other)
        await api.until(other, lambda progress: progress.outcome is not None)
        await api.client.wait_for_orchestration_completion(other, timeout=PATIENCE_S)
        asked = {"policy": "deploy", "title": "Release?", "requester": "U0RITA"}
        copy = await api.client.schedule_new_orchestration(
            "release_as", input={"request": asked, "id": other}, start_at=api.now() + timedelta(minutes=1)
        )
        # The event comes before it begins, so it reads the status before it hears that the ID is taken.
        await api.client.raise_orchestration_event(copy, nudge_of(other), data={})
        await api.skip(minutes=2)
        assert "already exists" in await result(copy)
        assert (await api.service.status(other)).status == "approved"

        # More events come than are listened to. The answer comes once the request is done, and is the true one.
        given = {**asked, "title": "Shouted at?"}
        mine = await api.client.schedule_new_orchestration("release", input=given)
        request_id = await api.asked("Shouted at?")
        for _ in range(NUDGES_HEARD + 2):
            await api.client.raise_orchestration_event(mine, nudge_of(request_id), data={"outcome": {}})
        await api.decide(ada, request_id, "reject", comment="No.")
        assert (await result(mine))["status"] == "rejected"

        # The policy's currency becomes part of what was asked.
        pens: dict[str, Any] = {
            "policy": "purchase",
            "title": "Pens",
            "requester": "U0RITA",
            "fields": {"vendor": "Acme"},
        }
        mine = await api.client.schedule_new_orchestration("release", input={**pens, "amount": "12.50"})
        assert (await result(mine))["status"] == "auto_approved"

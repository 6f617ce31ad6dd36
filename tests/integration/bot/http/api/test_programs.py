"""What programs get afterwards: receipts, callbacks, events; and other orchestrations that ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from durabletask import history
from durabletask.client import OrchestrationStatus
from durabletask.task import OrchestrationContext
from standardwebhooks import Webhook

from bot.outbound.signing import callback_secret
from bot.security.receipts import ReceiptError, verify
from bot.security.secrets import Secrets
from orchestration.approval.subworkflow import request_approval
from orchestration.domain.request import ApprovalRequest
from tests.support.api_world import NEW_SECRET, OLD_SECRET, ApiWorld
from tests.support.simulated import fault, no_faults
from tests.support.world import PATIENCE_S, request_of

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


class Receiver:
    """The server that gets callbacks. It answers with each status in turn, then 204."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.url = ""

    async def receive(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        status = self.statuses.pop(0) if self.statuses else 204
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 302 else {})


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    application = web.Application()
    application.router.add_post("/{tail:.*}", found.receive)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/done"
    try:
        yield found
    finally:
        await runner.cleanup()


async def test_a_callback_is_signed_and_retried_with_the_same_id(api: ApiWorld) -> None:
    """The second try is signed anew; the receiver verifies with the secret of the token that asked."""
    async with receiver() as place:
        place.statuses = [500, 500]
        approval = await approved(api, callback_url=place.url)
        await api.eventually(lambda: len(place.got) == 1)
        for tries in (2, 3):
            await retry_due(api, tries - 1)
            await api.eventually(lambda tries=tries: len(place.got) == tries)
        asked_with = (await api.service.view(approval["id"])).request.asked_with
        secret = callback_secret(Secrets.load(f"{NEW_SECRET} {OLD_SECRET}", api.data), asked_with)
        ids = set()
        for headers, body in place.got:
            event = Webhook(secret).verify(body, headers)
            ids.add({name.lower(): value for name, value in headers.items()}["webhook-id"])
            assert event["type"] == "approval.approved"
            assert event["data"]["outcome"] == approval["outcome"]
        assert len(ids) == 1


async def retry_due(api: ApiWorld, failures: int) -> None:
    seconds = 2**failures
    await api.eventually(lambda: api.is_due_within(seconds=seconds))
    await api.skip(seconds=seconds)


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


async def test_a_hook_raises_its_one_event_and_nothing_else(api: ApiWorld) -> None:
    root = api.token("root")
    request_id = await api.ask(root)
    made = await api.call("POST", "/api/hooks", root, json={"instance_id": request_id, "event_name": "Paid"})
    assert made.status == 201
    url = made.body["url"]
    assert (await api.call("POST", url, json={"paid": True})).status == 202
    assert (await api.call("POST", url, data="paid=1")).status == 202
    items = (await api.call("GET", f"/api/approvals/{request_id}/timeline", root)).body["items"]
    assert not [
        item for item in items if "Paid" in item["text"]
    ]  # it has no seal, so an approval passes it over
    other = url.replace("/Paid", "/Other")
    elsewhere = url.replace(request_id, await api.ask(root))
    longer = url.replace("code=", "code=9")
    for wrong in (other, elsewhere, longer, url.partition("?")[0]):
        assert (await api.call("POST", wrong, json={})).status == 401
    assert (await api.call("GET", url)).status == 405
    for event in ("ApprovalDecision", "approvalcancelled"):
        refused = await api.call(
            "POST", "/api/hooks", root, json={"instance_id": request_id, "event_name": event}
        )
        assert refused.status == 403


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
            state = await api.client.wait_for_orchestration_completion(instance_id, timeout=20)
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

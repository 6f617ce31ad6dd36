"""Somebody else's orchestration, which waits already, gets the outcome in the form that it expects."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from bot.cli.main import main
from bot.outbound.signing import callback_secret, response_secret
from bot.security.secrets import Secrets
from orchestration.domain.request import Choice, Via
from orchestration.service.approvals import Actor
from tests.support import PATIENCE_S
from tests.support.api_world import NEW_SECRET, OLD_SECRET, ApiAnswer, ApiWorld
from tests.support.hub_forms import reach
from tests.support.receiver import receiver

pytestmark = pytest.mark.asyncio(loop_scope="session")

ORCHESTRATORS = "/runtime/webhooks/durabletask/orchestrators"


async def asked(api: ApiWorld, token: str, respond: dict[str, Any]) -> ApiAnswer:
    body = {"policy": "deploy", "title": "Deploy 4f2c1a?", "respond": respond}
    return await api.call("POST", "/api/approvals", token, json=body)


async def listening(api: ApiWorld, event: str = "ApprovalEvent", name: str = "listener") -> str:
    return str(await api.client.schedule_new_orchestration(name, input=event))


async def output_of(api: ApiWorld, instance_id: str) -> Any:
    state = await api.client.wait_for_orchestration_completion(instance_id, timeout=PATIENCE_S)
    assert state is not None
    return state.get_output()


async def said_under(api: ApiWorld, request_id: str, words: str) -> str:
    """The line under the card with these words, once it is there."""
    [card] = api.cards_of(request_id)
    await api.eventually(lambda: any(words in line for line in api.thread(card)))
    return next(line for line in api.thread(card) if words in line)


# ---- the sample of Durable Functions, in a process of its own ---------------------------------------------


@asynccontextmanager
async def program(api: ApiWorld, token: str) -> AsyncIterator[None]:
    """Their worker, on the same hub. It is killed at the end."""
    arguments = (json.dumps(reach(api.hub)), api.url, token)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.human_interaction", *arguments
    )
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def test_the_sample_of_human_interaction_is_approved_over_kills_on_both_sides(tmp_path: Path) -> None:
    """Their process is killed while it waits, and ours is stopped between the decision and the response."""
    async with ApiWorld(tmp_path) as api:
        token, root = api.token("flow", "U0RITA", "request", "respond:HumanInteraction"), api.token("root")
        async with program(api, token):
            started = [
                await api.call("POST", f"{ORCHESTRATORS}/HumanInteraction", root, json={"title": title})
                for title in ("In time?", "Too late?")
            ]
            in_time, too_late = [answer.body["id"] for answer in started]
            requests = [await api.asked("In time?"), await api.asked("Too late?")]
            await api.until(requests[0], lambda progress: bool(progress.cards))
        await api.rest()
        open_now = await api.service.status(requests[0])
        await api.service.decide(
            requests[0],
            Actor(id="U0ADA", via=Via.API),
            Choice.APPROVE,
            shown=open_now.identity,
            round=1,
            comment="Go.",
        )
        state = await api.client.get_orchestration_state(in_time)
        assert state is not None
        assert state.serialized_output is None
        await api.stop()
        await api.start()
        async with program(api, token):
            told = (await output_of(api, in_time))["processed"]
            assert told.pop("timestamp").endswith("Z")
            assert told == {"is_approved": True, "approver": "U0ADA", "comments": "Go."}

            # The other's own time was up before anybody had answered. Its program has gone on: a yes comes too late.
            await api.skip(minutes=21)
            assert await output_of(api, too_late) == f"{requests[1]} was escalated"
        await api.decide(api.token("ada", "U0ADA", "decide:deploy"), requests[1])
        await said_under(api, requests[1], f"The instance {too_late} has ended, so nobody waits")
        items = (await api.call("GET", f"/api/approvals/{requests[1]}/timeline", root)).body["items"]
        assert "notify_instance_failed" in [item["kind"] for item in items]


# ---- an instance on this hub -----------------------------------------------------------------------------


async def test_a_no_is_a_plain_false_where_that_is_expected(api: ApiWorld) -> None:
    waiting = await listening(api)
    asker = api.token("flow", "U0RITA", "request", "respond:listener")
    respond = {"instance_id": waiting, "event_name": "ApprovalEvent", "payload": "{approved}"}
    request_id = await api.ask(asker, respond=respond)
    shown = await api.call("GET", f"/api/approvals/{request_id}", asker)
    assert waiting not in json.dumps(shown.body)
    await api.decide(api.token("ada", "U0ADA", "decide:deploy"), request_id, "reject", comment="No.")
    state = await api.client.wait_for_orchestration_completion(waiting, timeout=PATIENCE_S)
    assert state is not None
    assert state.serialized_output == "false"


@pytest.mark.parametrize("how", ["cancel", "terminate", "auto"])
async def test_it_comes_whatever_the_outcome_is(api: ApiWorld, how: str) -> None:
    """Also where our orchestration was stopped and `reconcile` sends it, and where nobody was asked."""
    waiting, root = await listening(api), api.token("root")
    asker = api.token("flow", "U0RITA", "request", "respond:listener")
    payload = {"yes": "{approved}", "status": "{status}", "by": "{processed_by}"}
    respond = {"instance_id": waiting, "event_name": "ApprovalEvent", "payload": payload}
    body: dict[str, Any] = {"policy": "deploy", "title": "Whatever?", "respond": respond}
    if how == "auto":
        body |= {"policy": "purchase", "amount": "5", "fields": {"vendor": "Acme"}}
    started = await api.call("POST", "/api/approvals", asker, json=body)
    assert started.status == 202, started.body
    request_id = started.body["id"]
    if how == "cancel":
        await api.call("POST", f"/api/approvals/{request_id}/cancel", asker, json={})
    elif how == "terminate":
        await api.call("POST", f"/runtime/webhooks/durabletask/instances/{request_id}/terminate", root)
    told = await output_of(api, waiting)
    expected = {
        "cancel": (False, "cancelled", "U0RITA"),
        "terminate": (False, "terminated", None),
        "auto": (True, "auto_approved", None),
    }
    assert (told["yes"], told["status"], told["by"]) == expected[how]


async def test_no_token_names_a_receiver_that_no_scope_of_it_names(api: ApiWorld) -> None:
    waiting, other = await listening(api), await listening(api, name="asks_later")
    of_listener = api.token("flow", "U0RITA", "request", "respond:listener")
    of_host = api.token("web", "U0RITA", "request", "respond:https://flows.example")
    instance = {"instance_id": waiting, "event_name": "ApprovalEvent"}
    url = {"url": "https://flows.example/done"}
    for token, respond, lacking in (
        (api.token("root"), instance, "respond:ORCHESTRATION"),
        (api.token("root"), url, "respond:https://flows.example"),
        (of_host, instance, "respond:ORCHESTRATION"),
        (of_listener, url, "respond:https://flows.example"),
        (of_host, {"url": "http://flows.example/done"}, "respond:http://flows.example"),
        (of_host, {"url": "https://flows.example:8443/"}, "respond:https://flows.example:8443"),
        (
            of_host,
            {"url": "https://flows.example.evil.example/"},
            "respond:https://flows.example.evil.example",
        ),
        (of_listener, {**instance, "instance_id": other}, "no scope of this token names"),
    ):
        answer = await asked(api, token, respond)
        assert (answer.status, lacking in answer.body["detail"]) == (403, True), answer.body
    assert (await asked(api, of_host, url)).status == 202
    assert (await asked(api, of_listener, instance)).status == 202


async def test_who_is_not_there_or_has_ended_is_no_receiver(api: ApiWorld) -> None:
    asker = api.token("flow", "U0RITA", "request", "respond:listener")
    waiting = await listening(api)
    await api.client.raise_orchestration_event(waiting, "ApprovalEvent", data=1)
    await output_of(api, waiting)
    for instance_id in (waiting, "never-there"):
        answer = await asked(api, asker, {"instance_id": instance_id, "event_name": "ApprovalEvent"})
        assert (answer.status, answer.fields) == (422, {"respond.instance_id"}), answer.body


async def test_a_payload_that_would_mislead_is_refused_by_its_field(api: ApiWorld) -> None:
    asker = api.token("flow", "U0RITA", "request", "respond:listener")
    respond = {"instance_id": "x", "event_name": "ApprovalEvent", "payload": {"is_approved": True}}
    answer = await asked(api, asker, respond)
    assert (answer.status, answer.fields) == (422, {"respond.payload"})
    answer = await asked(api, asker, {"instance_id": "x"})
    assert (answer.status, answer.fields) == (422, {"respond"})


@pytest.mark.parametrize("kind", ["stumbles_not", "approval", "listener"])
async def test_whose_the_instance_is_is_looked_at_again_when_it_is_decided(api: ApiWorld, kind: str) -> None:
    """Meanwhile the one that asked is forgotten, and another has its ID: of others, of ours, or of the same kind."""
    waiting = await listening(api)
    asker = api.token("flow", "U0RITA", "request", "respond:listener")
    request_id = await api.ask(asker, respond={"instance_id": waiting, "event_name": "ApprovalEvent"})
    await api.client.terminate_orchestration(waiting)
    await api.client.wait_for_orchestration_completion(waiting, timeout=PATIENCE_S)
    await api.client.purge_orchestration(waiting)
    await api.client.schedule_new_orchestration(kind, input="ApprovalEvent", instance_id=waiting)
    await api.decide(api.token("ada", "U0ADA", "decide:deploy"), request_id)
    line = await said_under(api, request_id, f"orchestration {waiting[:20]}")
    told = {"approval": "an instance of Countersign's own", "listener": "was started again since"}
    assert told.get(kind, f"is an instance of {kind} now") in line
    past = await api.client.get_orchestration_history(waiting)
    assert "EventRaisedEvent" not in [type(event).__name__ for event in past]


async def test_a_program_that_asks_on_the_hub_itself_gets_no_response_sent(api: ApiWorld) -> None:
    """No token's scope says whom it may name, even if it sets `responds_to` in the request itself."""
    for given in (
        {"respond": {"instance_id": "x", "event_name": "E"}},
        {"respond": {"url": "http://127.0.0.1:9/"}, "responds_to": "http://127.0.0.1:9"},
    ):
        request = {"policy": "deploy", "title": "x", "requester": "U0RITA", **given}
        asking = await api.client.schedule_new_orchestration("asks", input=request)
        outcome = await output_of(api, asking)
        assert (outcome["status"], "by the HTTP API" in outcome["reason"]) == ("failed", True), outcome


# ---- a URL -----------------------------------------------------------------------------------------------


async def test_a_url_gets_its_event_signed_once_decided_and_again_after_a_stop(tmp_path: Path) -> None:
    """The process is stopped while the first try is under way, so that nobody knows whether it arrived."""
    async with ApiWorld(tmp_path) as api, receiver() as place:
        asker = api.token("flow", "U0RITA", "request", f"respond:{place.origin}")
        respond = {
            "url": f"{place.origin}/instances/order-1/raiseEvent/{{eventName}}?code=s3cret",
            "event_name": "Approval Event",
            "payload": {"yes": "{approved}", "words": "{status} by {processed_by}", "proof": "{receipt}"},
        }
        request_id = await api.ask(asker, respond=respond)
        place.free.clear()
        assert place.got == []
        await api.decide(api.token("ada", "U0ADA", "decide:deploy"), request_id)
        await api.eventually(lambda: len(place.got) == 1)
        stopping = asyncio.create_task(api.stop())
        await asyncio.sleep(0)
        place.free.set()
        place.statuses = [500]
        await stopping
        tries = len(place.got)
        await api.start()
        await api.eventually(lambda: len(place.got) > tries or api.is_due_within(seconds=8))
        await api.skip(seconds=8)
        await api.eventually(lambda: len(place.got) > tries)
        assert set(place.paths) == {"/instances/order-1/raiseEvent/Approval%20Event?code=s3cret"}
        assert len(place.ids) == 1
        view = await api.service.view(request_id)
        secrets, asked_with = Secrets.load(f"{NEW_SECRET} {OLD_SECRET}", api.data), view.request.asked_with
        outcome = (await api.service.status(request_id)).outcome
        assert outcome is not None
        for headers, body in place.got:
            told = Webhook(response_secret(secrets, asked_with)).verify(body, headers)
            assert told == {"yes": True, "words": "approved by U0ADA", "proof": outcome.receipt}
            with pytest.raises(WebhookVerificationError):
                Webhook(callback_secret(secrets, asked_with)).verify(body, headers)


async def test_a_url_that_is_gone_ends_the_tries_and_its_key_is_told_to_nobody(own_api: ApiWorld) -> None:
    api = own_api
    async with receiver() as place:
        asker = api.token("flow", "U0RITA", "request", f"respond:{place.origin}")
        place.statuses = [410]
        request_id = await api.ask(asker, respond={"url": f"{place.origin}/done?code=s3cret"})
        ada = api.token("ada", "U0ADA", "decide:deploy")
        await api.decide(ada, request_id)
        line = await said_under(api, request_id, "✗ Failed")
        assert "127.0.0.1" in line
        await api.until(request_id, lambda progress: progress.response_failed)
        root = api.token("root")
        inside = (
            f"/runtime/webhooks/durabletask/instances/{request_id}?showHistory=true&showHistoryOutput=true"
        )
        looks = [f"/api/approvals/{request_id}", f"/api/approvals/{request_id}/timeline", inside]
        shown = [await api.call("GET", look, root) for look in looks]
        said = [json.dumps(answer.body) for answer in shown] + api.direct_messages("U0RITA")
        assert "s3cret" not in " ".join([line, *said])
        assert said[2].count(f"{place.origin}/") > 1, "the host is shown"
        assert len(place.got) == 1


async def test_a_send_event_post_uri_is_taken_as_it_is(api: ApiWorld) -> None:
    """It comes from the same API that Durable Functions has, here of another instance of ours."""
    root = api.token("root")
    started = await api.call("POST", f"{ORCHESTRATORS}/listener", root, json="ApprovalEvent")
    asker = api.token("flow", "U0RITA", "request", f"respond:{api.url}")
    respond = {
        "url": started.body["sendEventPostUri"],
        "event_name": "ApprovalEvent",
        "payload": ["{approved}"],
    }
    request_id = await api.ask(asker, respond=respond)
    await api.decide(api.token("ada", "U0ADA", "decide:deploy"), request_id)
    assert await output_of(api, started.body["id"]) == [True]


@pytest.mark.parametrize("by_url", [True, False])
async def test_nothing_is_sent_for_a_token_that_was_revoked_since(api: ApiWorld, by_url: bool) -> None:
    """What it wanted to have sent is its program's own words, and the token may have been stolen."""
    waiting = await listening(api)
    async with receiver() as place:
        asker = api.token("flow", "U0RITA", "request", "respond:listener", f"respond:{place.origin}")
        instance = {"instance_id": waiting, "event_name": "ApprovalEvent"}
        request_id = await api.ask(asker, respond={"url": place.url} if by_url else instance)
        name = (await api.service.view(request_id)).request.asked_with
        assert name is not None
        api.tokens.revoke(name)
        await api.decide(api.token("ada", "U0ADA", "decide:deploy"), request_id)
        await said_under(api, request_id, "The token that asked was revoked")
        assert place.got == []
        past = await api.client.get_orchestration_history(waiting)
        assert "EventRaisedEvent" not in [type(event).__name__ for event in past]


# ---- scopes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "why"),
    [
        ("respond:", "must be"),
        ("respond:a b", "must be"),
        ("respond:Approval", "Countersign's own"),
        ("respond:sms_challenge", "Countersign's own"),
        ("respond:https://flows.example/", "must name the origin alone: respond:https://flows.example."),
        ("respond:https://Flows.example:443", "must name the origin alone: respond:https://flows.example."),
        ("respond:https://u@flows.example", "is not an address"),
        ("respond:ftp://flows.example", "is not an address"),
    ],
)
async def test_a_scope_that_names_no_receiver_is_refused(
    scope: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COUNTERSIGN_DATA_DIR", str(tmp_path))
    given = ["token", "create", "flow", "--owner", "U0RITA", "--scope", scope]
    assert await asyncio.to_thread(main, given) == 4
    assert why in capsys.readouterr().err

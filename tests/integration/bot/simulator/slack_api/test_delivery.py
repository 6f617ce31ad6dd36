"""Delivery of payloads to the app: signatures, timeouts, retries, answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
from aiohttp import web
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from bot.simulator import ActionRefusedError, AppConfig, Person, Simulator, Timeouts, Workspace
from tests.support import PATIENCE_S

SIGNING_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
BUTTON = {"type": "button", "action_id": "go", "value": "v", "text": {"type": "plain_text", "text": "Go"}}
BLOCKS = [{"type": "actions", "block_id": "b", "elements": [BUTTON]}]


class Recorder:
    """An app that keeps every request, and answers as it is told to."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.answer: web.Response | Callable[[], Any] = web.Response()
        self.arrived = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((dict(request.headers), await request.read()))
        self.arrived.set()
        if callable(self.answer):
            made: web.StreamResponse = await self.answer()
            return made
        # A response can be sent once only; each request gets its own copy.
        return web.Response(body=self.answer.body, status=self.answer.status, headers=self.answer.headers)

    def payload(self, index: int = -1) -> dict[str, Any]:
        _, body = self.requests[index]
        payload: dict[str, Any] = json.loads(parse_qs(body.decode())["payload"][0])
        return payload

    async def wait(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.requests) < count:
                self.arrived.clear()
                await self.arrived.wait()


@pytest.fixture
async def app(sim: Simulator, serve: Any) -> AsyncIterator[Recorder]:
    async with recorded(sim, serve) as recorder:
        yield recorder


@asynccontextmanager
async def recorded(sim: Simulator, serve: Any) -> AsyncIterator[Recorder]:
    recorder = Recorder()
    server = web.Application()
    server.router.add_post("/slack", recorder.handle)
    async with serve(server) as url:
        sim.request_url = f"{url}/slack"
        yield recorder


# What arrives


async def test_requests_carry_a_signature_slack_sdk_accepts(app: Recorder, rita: Person) -> None:
    await rita.command("C0GENERAL", "/lunch with soup")
    [(headers, body)] = app.requests
    verifier = SignatureVerifier(SIGNING_SECRET)
    assert verifier.is_valid_request(body, headers)
    assert not verifier.is_valid_request(body + b"x", headers)
    assert not SignatureVerifier("another secret").is_valid_request(body, headers)


async def test_a_command_is_a_form(app: Recorder, rita: Person, sim: Simulator) -> None:
    await rita.command("C0GENERAL", "/lunch  with   soup ")
    headers, body = app.requests[0]
    form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert form.pop("trigger_id").count(".") == 2
    assert form.pop("response_url").startswith(sim.url)
    assert form == {
        "token": "deprecated-verification-token",
        "team_id": "T0ACME",
        "team_domain": "acme",
        "channel_id": "C0GENERAL",
        "channel_name": "general",
        "user_id": "U0RITA",
        "user_name": "rita",
        "command": "/lunch",
        "text": "with   soup",
        "api_app_id": "A0APP",
        "is_enterprise_install": "false",
    }


async def test_a_click_in_an_ephemeral_hands_no_message_back(
    app: Recorder, ada: Person, client: AsyncWebClient
) -> None:
    posted = await client.chat_postEphemeral(channel="C0GENERAL", user="U0ADA", text="x", blocks=BLOCKS)
    await ada.click("C0GENERAL", posted["message_ts"], "go")
    payload = app.payload()
    assert payload["container"]["is_ephemeral"] is True
    assert "message" not in payload
    assert payload["actions"][0]["value"] == "v"


async def test_nobody_clicks_what_only_another_sees(
    app: Recorder, rita: Person, client: AsyncWebClient
) -> None:
    posted = await client.chat_postEphemeral(channel="C0GENERAL", user="U0ADA", text="x", blocks=BLOCKS)
    with pytest.raises(ActionRefusedError, match="gone"):
        await rita.click("C0GENERAL", posted["message_ts"], "go")
    assert app.requests == []


async def test_a_choice_in_a_message_comes_with_the_whole_option_and_the_state(
    app: Recorder, ada: Person, client: AsyncWebClient
) -> None:
    def options(*values: str) -> list[dict[str, Any]]:
        return [{"text": {"type": "plain_text", "text": value.upper()}, "value": value} for value in values]

    elements = [
        {"type": "static_select", "action_id": "pick", "options": options("a", "b")},
        {"type": "datepicker", "action_id": "day", "initial_date": "2030-01-01"},
        {"type": "overflow", "action_id": "more", "options": options("c", "d")},
    ]
    blocks = [{"type": "actions", "block_id": "b", "elements": elements}]
    ts = (await client.chat_postMessage(channel="C0GENERAL", text="x", blocks=blocks))["ts"]

    await ada.click("C0GENERAL", ts, "pick", selected_option="b")
    payload = app.payload()
    assert payload["actions"][0]["selected_option"] == options("b")[0]
    assert payload["state"]["values"]["b"] == {
        "pick": {"type": "static_select", "selected_option": options("b")[0]},
        "day": {"type": "datepicker", "selected_date": "2030-01-01"},
    }
    await ada.click("C0GENERAL", ts, "more", selected_option="d")
    assert app.payload()["actions"][0]["selected_option"] == options("d")[0]
    with pytest.raises(ActionRefusedError, match="no option 'z'"):
        await ada.click("C0GENERAL", ts, "pick", selected_option="z")
    with pytest.raises(ActionRefusedError, match="say what was chosen"):
        await ada.click("C0GENERAL", ts, "day")
    with pytest.raises(ActionRefusedError, match="nothing called 'gone'"):
        await ada.click("C0GENERAL", ts, "gone")


# What the app answers


async def test_a_command_may_be_answered_to_the_person_or_to_all(
    app: Recorder, rita: Person, ada: Person
) -> None:
    app.answer = web.json_response({"text": "just you"})
    await rita.command("C0GENERAL", "/lunch")
    app.answer = web.Response(text="words alone")
    await rita.command("C0GENERAL", "/lunch")
    app.answer = web.json_response({"text": "everyone", "response_type": "in_channel"})
    await rita.command("C0GENERAL", "/lunch")
    assert [message["text"] for message in await rita.messages("C0GENERAL")] == [
        "just you",
        "words alone",
        "everyone",
    ]
    assert [message["text"] for message in await ada.messages("C0GENERAL")] == ["everyone"]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (web.Response(status=500), '/lunch failed with the error "dispatch_failed"'),
        (
            web.Response(text="{", content_type="application/json"),
            '/lunch failed with the error "dispatch_failed"',
        ),
        (web.json_response({"blocks": [{"type": "no"}]}), '/lunch failed with the error "dispatch_failed"'),
        (None, "/lunch failed because the app did not respond"),
    ],
    ids=["500", "bad JSON", "bad blocks", "silence"],
)
async def test_a_command_that_fails_says_so_in_slacks_words(
    start: Any, serve: Any, answer: web.Response | None, sentence: str
) -> None:
    async with (
        start(timeouts=Timeouts(acknowledgement=0.2)) as sim,
        recorded(sim, serve) as app,
        Person(sim.url, "U0RITA") as rita,
    ):
        app.answer = answer or asyncio.Event().wait
        with pytest.raises(ActionRefusedError) as refused:
            await rita.command("C0GENERAL", "/lunch")
        assert str(refused.value) == sentence
        [told] = await rita.messages("C0GENERAL")
        assert (told["text"], told["ephemeral"], told["username"]) == (sentence, True, "Slackbot")


async def test_an_app_that_is_not_there_did_not_respond(sim: Simulator, rita: Person) -> None:
    with pytest.raises(ActionRefusedError, match="did not respond"):
        await rita.command("C0GENERAL", "/lunch")
    sim.request_url = "http://127.0.0.1:9/slack"
    with pytest.raises(ActionRefusedError, match="did not respond"):
        await rita.command("C0GENERAL", "/lunch")


async def test_a_command_nobody_registered(start: Any) -> None:
    async with start(app=AppConfig(commands=frozenset({"/lunch"}))) as sim, Person(sim.url, "U0RITA") as rita:
        with pytest.raises(ActionRefusedError, match="/dinner is not a valid command"):
            await rita.command("C0GENERAL", "/dinner")


async def test_a_click_that_fails_says_so(app: Recorder, ada: Person, client: AsyncWebClient) -> None:
    app.answer = web.Response(status=404)
    ts = (await client.chat_postMessage(channel="C0GENERAL", text="x", blocks=BLOCKS))["ts"]
    with pytest.raises(ActionRefusedError, match="This app responded with Status Code 404"):
        await ada.click("C0GENERAL", ts, "go")


# Response URLs


async def respond(url: str, body: Any) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
        return response.status, await response.text()


async def test_a_response_url_replaces_and_deletes_its_original(
    app: Recorder, ada: Person, client: AsyncWebClient
) -> None:
    ts = (await client.chat_postMessage(channel="C0GENERAL", text="x", blocks=BLOCKS))["ts"]
    await ada.click("C0GENERAL", ts, "go")
    url = app.payload()["response_url"]
    assert await respond(url, {"text": "whispered"}) == (200, "ok")
    assert await respond(url, {"text": "instead", "replace_original": True}) == (200, "ok")
    first, second = await ada.messages("C0GENERAL")
    assert (first["ts"], first["text"], first["blocks"]) == (ts, "instead", None)
    assert (second["text"], second["ephemeral"]) == ("whispered", True)
    assert await respond(url, {"delete_original": True}) == (200, "ok")
    assert [message["text"] for message in await ada.messages("C0GENERAL")] == ["whispered"]


async def test_a_response_url_works_five_times_within_half_an_hour(start: Any, serve: Any) -> None:
    workspace = Workspace.open(None)
    async with (
        start(workspace) as sim,
        recorded(sim, serve) as app,
        Person(sim.url, "U0RITA") as rita,
    ):
        await rita.command("C0GENERAL", "/lunch")
        await rita.command("C0GENERAL", "/lunch")
        first, second = (parse_qs(body.decode())["response_url"][0] for _, body in app.requests)
        answers = [await respond(first, {"text": str(number)}) for number in range(6)]
        assert answers == [(200, "ok")] * 5 + [(404, "used_url")]
        assert await respond(second, {"text": ""}) == (400, "no_text")
        assert await respond(second, []) == (400, "invalid_payload")
        half_an_hour_on = workspace.now() + 30 * 60 + 1
        workspace.now = lambda: half_an_hour_on
        assert await respond(second, {"text": "late"}) == (404, "expired_url")
        assert await respond(f"{sim.url}/response/made-up", {"text": "x"}) == (404, "expired_url")


# Events


async def test_events_are_json_and_only_those_subscribed_to(app: Recorder, rita: Person) -> None:
    await rita.say("C0GENERAL", "nobody listens to plain channel messages")
    await rita.say("C0GENERAL", "hey <@U0BOT>")
    await rita.say("D0RITA", "psst")
    await rita.open_home()
    await app.wait(3)
    bodies = [json.loads(body) for _, body in app.requests]
    assert {body["type"] for body in bodies} == {"event_callback"}
    events = {body["event"]["type"]: body["event"] for body in bodies}
    assert events.keys() == {"app_mention", "message", "app_home_opened"}
    assert (events["message"]["channel_type"], events["message"]["text"]) == ("im", "psst")
    assert (events["app_home_opened"]["user"], events["app_home_opened"]["tab"]) == ("U0RITA", "home")
    assert bodies[0]["authorizations"][0]["user_id"] == "U0BOT"


async def test_an_unanswered_event_is_sent_again_three_times(start: Any, serve: Any) -> None:
    async with (
        start(timeouts=Timeouts(retries=(0.0, 0.01, 0.02))) as sim,
        recorded(sim, serve) as app,
        Person(sim.url, "U0RITA") as rita,
    ):
        app.answer = web.Response(status=503)
        await rita.say("D0RITA", "psst")
        await app.wait(4)
    tries = [
        (headers.get("X-Slack-Retry-Num"), headers.get("X-Slack-Retry-Reason")) for headers, _ in app.requests
    ]
    assert tries == [(None, None), ("1", "http_error"), ("2", "http_error"), ("3", "http_error")]
    assert len({json.loads(body)["event_id"] for _, body in app.requests}) == 1, "it is the same event"


async def test_an_app_may_ask_not_to_be_told_again(start: Any, serve: Any) -> None:
    async with (
        start(timeouts=Timeouts(retries=(0.0, 0.0))) as sim,
        recorded(sim, serve) as app,
        Person(sim.url, "U0RITA") as rita,
    ):
        app.answer = web.Response(status=503, headers={"X-Slack-No-Retry": "1"})
        await rita.say("D0RITA", "one")
        await app.wait(1)
        app.answer = web.Response()
        await rita.say("D0RITA", "two")
        await app.wait(2)
    assert [json.loads(body)["event"]["text"] for _, body in app.requests] == ["one", "two"]


async def test_message_changes_are_events_too(start: Any, serve: Any) -> None:
    async with (
        start(app=AppConfig(events=frozenset({"message.channels"}))) as sim,
        recorded(sim, serve) as app,
        aiohttp.ClientSession() as session,
    ):
        client = AsyncWebClient(token="xoxb-test", base_url=sim.api_url)
        ts = (await client.chat_postMessage(channel="C0GENERAL", text="x"))["ts"]
        await app.wait(1)
        await client.chat_update(channel="C0GENERAL", ts=ts, text="y")
        await app.wait(2)
        async with session.delete(f"{sim.url}/sim/messages/C0GENERAL/{ts}") as deleted:
            assert (await deleted.json())["ok"]
        await app.wait(3)
    events = [json.loads(body)["event"] for _, body in app.requests]
    assert [event.get("subtype") for event in events] == [None, "message_changed", "message_deleted"]
    assert events[1]["message"]["text"] == "y"
    assert events[2]["deleted_ts"] == ts

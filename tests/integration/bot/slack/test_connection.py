"""Until Slack has said who we are, nothing is acknowledged, and every error but a refused token is waited out."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from slack_bolt.async_app import AsyncApp

from bot.simulator.control.person import ActionRefusedError
from bot.slack.api.connection import SlackConnection, SlackRefusedError
from bot.slack.api.health import SlackHealth, WatchedAsyncWebClient
from bot.slack.api.socket import SlackSocket
from tests.support import PATIENCE_S
from tests.support.messages import says
from tests.support.simulated import (
    APP_TOKEN,
    BOT_TOKEN,
    SIGNING_SECRET,
    calls,
    fault,
    no_faults,
    running_simulator,
)
from tests.support.slack import PURCHASES, ask, deliver, pressed
from tests.support.world import World


def answer(status: str, body: object, *headers: str, kind: str = "application/json") -> bytes:
    text = body if isinstance(body, str) else json.dumps(body)
    head = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(text)}", *headers]
    return ("\r\n".join([*head, "Connection: close", "", ""]) + text).encode()


ME = answer(
    "200 OK", {"ok": True, "user": "countersign", "team": "Acme", "user_id": "U0APP", "bot_id": "B0APP"}
)
CUT = b""
HALF = ME[:-10]
SILENCE = None


def refusal(code: str, status: str = "200 OK") -> bytes:
    return answer(status, {"ok": False, "error": code})


@asynccontextmanager
async def slack(answers: Sequence[bytes | None]) -> AsyncIterator[str]:
    """A server that gives these answers, one a connection, and then the last one for ever."""
    left = list(answers)
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length or 0))
        said = left.pop(0) if len(left) > 1 else left[0]
        if said is not SILENCE:
            writer.write(said)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/"
    finally:
        server.close()
        for writer in writers:
            writer.close()


def connection(url: str, app_token: str | None = None, timeout: float = 5) -> SlackConnection:
    health = SlackHealth()
    client = WatchedAsyncWebClient(health, token=BOT_TOKEN, base_url=url, timeout=timeout)
    client.retry_handlers.clear()
    app = AsyncApp(client=client, signing_secret=SIGNING_SECRET)
    return SlackConnection(app, app_token, SIGNING_SECRET, health, first_retry=0.01)


@pytest.mark.parametrize(
    ("trouble", "logged"),
    [
        (CUT, "ServerDisconnectedError"),
        (HALF, "ClientPayloadError"),
        (SILENCE, "TimeoutError"),
        (answer("500 Oops", "<html></html>", kind="text/html"), "HTTP 500"),
        (answer("502 Bad", {"ok": False}), "HTTP 502"),
        (answer("200 OK", "no JSON"), "HTTP 200, without an answer in JSON"),
        (answer("200 OK", "[1]"), "AttributeError"),
        (answer("429 Slow", {"ok": False, "error": "ratelimited"}, "Retry-After: 0"), "ratelimited"),
        (refusal("internal_error"), "internal_error"),
        (refusal("ekm_access_denied"), "ekm_access_denied"),
        (refusal("a_code_of_tomorrow"), "a_code_of_tomorrow"),
    ],
)
async def test_what_is_no_refusal_of_the_token_is_waited_out(
    trouble: bytes | None, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bot.slack.api.connection")
    async with slack([trouble, trouble, ME]) as url:
        await connection(url, timeout=0.2 if trouble is SILENCE else 5).connect()
    lines = [one for one in caplog.records if one.name == "bot.slack.api.connection"]
    assert [one.levelname for one in lines] == ["WARNING", "WARNING", "INFO"]
    assert logged in lines[0].getMessage()
    assert not any(one.exc_info for one in caplog.records)


async def test_slack_is_asked_again_no_earlier_than_it_says(caplog: pytest.LogCaptureFixture) -> None:
    busy = answer("429 Slow", {"ok": False, "error": "ratelimited"}, "Retry-After: 7")
    async with slack([busy]) as url:
        connecting = asyncio.create_task(connection(url).connect())
        while "the next try is in 7 s" not in caplog.text:
            await asyncio.sleep(0.01)
        connecting.cancel()


@pytest.mark.parametrize(
    "code", ["invalid_auth", "token_revoked", "account_inactive", "not_allowed_token_type"]
)
async def test_a_refusal_of_the_token_ends_the_start(code: str) -> None:
    async with slack([refusal(code)]) as url:
        with pytest.raises(SlackRefusedError, match=rf"^SLACK_BOT_TOKEN: .*{code}"):
            await connection(url).connect()


async def test_a_refusal_of_the_other_token_names_that_one() -> None:
    async with slack([ME, refusal("missing_scope")]) as url:
        with pytest.raises(SlackRefusedError, match=r"^SLACK_APP_TOKEN: .*missing_scope"):
            await connection(url, APP_TOKEN).connect()


async def test_a_press_before_slack_has_greeted_us_is_not_acknowledged_and_can_be_made_again(
    world: World,
) -> None:
    """Bolt would answer it with 200 and an apology that nobody sees."""
    card = await ask(world.person("U0RITA"))
    await world.stop()
    await fault(world.simulator, "auth.test", "internal_error", count=-1)
    starting = asyncio.create_task(world.start())
    await world.eventually(lambda: not world.app.connecting.done())
    ada = world.person("U0ADA")
    with pytest.raises(ActionRefusedError, match="503"):
        await ada.click(PURCHASES, card["ts"], "approve")
    status, words = await deliver(world, **pressed("U0ADA", card))
    assert (status, "nothing was recorded" in words) == (503, True)
    for form in ({"command": "/request-approval", "user_id": "U0RITA"}, {"ssl_check": "1"}):
        assert (await deliver(world, **form))[0] == 503
    await no_faults(world.simulator)
    await starting
    await ada.click(PURCHASES, card["ts"], "approve")
    await ada.wait_for_message(PURCHASES, says("✓ *Approved* by <@U0ADA>"))


@pytest.mark.parametrize("world", ["socket mode"], indirect=True)
async def test_no_socket_is_opened_before_slack_has_greeted_us(world: World) -> None:
    await world.stop()
    await fault(world.simulator, "auth.test", "internal_error", count=-1)
    starting = asyncio.create_task(world.start())
    opened = len(await calls(world.simulator, "apps.connections.open"))
    greeted = len(await calls(world.simulator, "auth.test"))
    while len(await calls(world.simulator, "auth.test")) < greeted + 2:
        await asyncio.sleep(0.02)
    assert len(await calls(world.simulator, "apps.connections.open")) == opened
    await no_faults(world.simulator)
    await starting
    await ask(world.person("U0RITA"))


async def test_a_socket_that_the_sdk_does_not_get_back_is_opened_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The SDK goes on with the URL that it has, also once that is spent, as when a network was away for a minute."""
    async with running_simulator() as simulator:
        client = WatchedAsyncWebClient(SlackHealth(), token=BOT_TOKEN, base_url=simulator.api_url)
        socket = SlackSocket(AsyncApp(client=client), APP_TOKEN, patience=0.4)
        await socket.open()
        issue = simulator.sockets.issue_url
        spent = [issue("http://127.0.0.1:9"), issue(simulator.url).replace("ticket=", "ticket=spent-")]
        monkeypatch.setattr(
            simulator.sockets, "issue_url", lambda origin: spent.pop() if spent else issue(origin)
        )
        await simulator.sockets.close()
        async with asyncio.timeout(PATIENCE_S):
            while spent or not simulator.sockets.connected or not await socket.is_open():
                await asyncio.sleep(0.02)
        await socket.close()


async def test_a_token_that_is_revoked_meanwhile_loses_no_press(world: World) -> None:
    """Bolt does not ask Slack again who we are: what Slack signed is recorded, whatever has become of the token."""
    card = await ask(world.person("U0RITA"))
    await fault(world.simulator, "*", "token_revoked", count=-1)
    assert await deliver(world, **pressed("U0ADA", card)) == (200, "")
    status = await world.service.status(card["metadata"]["event_payload"]["instance_id"])
    assert status.outcome is not None
    assert status.outcome.processed_by == "U0ADA"


@pytest.mark.parametrize(
    "unknown",
    [
        {"type": "block_actions", "actions": [{"action_id": "of_tomorrow", "block_id": "decision"}]},
        {
            "type": "view_submission",
            "view": {
                "id": "V1",
                "callback_id": "of_tomorrow",
                "type": "modal",
                "state": {"values": {}},
                "blocks": [{"type": "section", "block_id": "b"}],
            },
        },
        {"type": "shortcut", "callback_id": "of_tomorrow"},
        {"type": "message_action", "callback_id": "of_tomorrow"},
    ],
    ids=lambda payload: payload["type"],
)
async def test_what_nobody_here_knows_is_not_acknowledged(world: World, unknown: dict[str, object]) -> None:
    """For example the button of a newer release, after a downgrade: Slack says that the press failed."""
    payload = {"user": {"id": "U0ADA"}, "team": {"id": "T0ACME"}, "trigger_id": "1.2.3", **unknown}
    assert (await deliver(world, payload=json.dumps(payload)))[0] == 404

"""Socket Mode, message by message: tickets, hello, acknowledgements, several connections."""

import asyncio
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.simulator import ActionRefusedError, Person, Simulator, Timeouts
from bot.simulator.slack_api.socket_mode import MAX_CONNECTIONS


async def ticket(sim: Simulator) -> str:
    client = AsyncWebClient(base_url=sim.api_url)
    return str((await client.apps_connections_open(app_token="xapp-test"))["url"])


async def connect(session: aiohttp.ClientSession, sim: Simulator) -> aiohttp.ClientWebSocketResponse:
    """A connection that has been greeted."""
    socket = await session.ws_connect(await ticket(sim))
    hello = await socket.receive_json(timeout=3)
    assert hello["type"] == "hello"
    assert hello["connection_info"] == {"app_id": "A0APP"}
    return socket


async def test_a_ticket_opens_one_connection(sim: Simulator) -> None:
    url = await ticket(sim)
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(url)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(url)
        assert refused.value.status == 403
        await socket.close()


async def test_a_bot_token_opens_none(client: AsyncWebClient) -> None:
    with pytest.raises(SlackApiError, match="not_allowed_token_type"):
        await client.apps_connections_open(app_token="xoxb-test")


async def test_an_envelope_is_acknowledged_by_its_id_and_may_carry_an_answer(
    sim: Simulator, rita: Person
) -> None:
    async with aiohttp.ClientSession() as session:
        socket = await connect(session, sim)
        sent = asyncio.create_task(rita.command("C0GENERAL", "/lunch soup"))
        envelope = await socket.receive_json(timeout=3)
        assert (envelope["type"], envelope["accepts_response_payload"]) == ("slash_commands", True)
        assert (envelope["payload"]["command"], envelope["payload"]["text"]) == ("/lunch", "soup")
        await socket.send_str("not JSON, and ignored")
        await socket.send_json({"envelope_id": "of nobody"})
        await socket.send_json({"envelope_id": envelope["envelope_id"], "payload": {"text": "in the ack"}})
        await sent
        assert [message["text"] for message in await rita.messages("C0GENERAL")] == ["in the ack"]
        await socket.close()


async def test_connections_take_turns_and_the_answer_may_come_over_another(
    sim: Simulator, rita: Person
) -> None:
    async with aiohttp.ClientSession() as session:
        sockets = [await connect(session, sim), await connect(session, sim)]
        served = []
        for _ in range(2):
            sent = asyncio.create_task(rita.command("C0GENERAL", "/lunch"))
            waiting = {asyncio.create_task(socket.receive_json()): socket for socket in sockets}
            done, pending = await asyncio.wait(waiting, timeout=3, return_when=asyncio.FIRST_COMPLETED)
            receiver = waiting[next(iter(done))]
            served.append(sockets.index(receiver))
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
            other = sockets[1 - served[-1]]
            await other.send_json({"envelope_id": next(iter(done)).result()["envelope_id"]})
            await sent
        assert sorted(served) == [0, 1]
        for socket in sockets:
            await socket.close()


async def test_an_unacknowledged_command_did_not_respond(start: Any) -> None:
    async with (
        start(timeouts=Timeouts(acknowledgement=0.05)) as sim,
        Person(sim.url, "U0RITA") as rita,
        aiohttp.ClientSession() as session,
    ):
        socket = await connect(session, sim)
        with pytest.raises(ActionRefusedError, match="/lunch failed because the app did not respond"):
            await rita.command("C0GENERAL", "/lunch")
        await socket.close()


async def test_an_event_is_offered_again_with_the_attempt(start: Any) -> None:
    async with (
        start(timeouts=Timeouts(acknowledgement=0.05, retries=(0.0,))) as sim,
        Person(sim.url, "U0RITA") as rita,
        aiohttp.ClientSession() as session,
    ):
        socket = await connect(session, sim)
        await rita.say("D0RITA", "psst")
        first, second = await socket.receive_json(timeout=3), await socket.receive_json(timeout=3)
        assert [(envelope["retry_attempt"], envelope["retry_reason"]) for envelope in (first, second)] == [
            (0, ""),
            (1, "timeout"),
        ]
        assert first["payload"]["event_id"] == second["payload"]["event_id"]
        await socket.close()


async def test_a_refresh_is_asked_for_and_the_page_sees_the_connection_come_and_go(
    sim: Simulator, rita: Person
) -> None:
    async def connected(person: Person) -> str | None:
        found: str | None = (await person.state())["app"]["connected"]
        return found

    async def alone(person: Person) -> bool:
        return await connected(person) is None

    async with aiohttp.ClientSession() as session:
        socket = await connect(session, sim)
        assert await rita.wait_for(connected) == "socket"
        await sim.sockets.refresh()
        assert (await socket.receive_json(timeout=3))["reason"] == "refresh_requested"
        await socket.close()
        await rita.wait_for(alone)


async def test_ten_connections_and_no_more(sim: Simulator) -> None:
    async with aiohttp.ClientSession() as session:
        sockets = [await connect(session, sim) for _ in range(MAX_CONNECTIONS)]
        one_more = await session.ws_connect(await ticket(sim))
        assert (await one_more.receive_json(timeout=3))["reason"] == "too_many_websockets"
        for socket in [*sockets, one_more]:
            await socket.close()


async def test_socket_mode_is_preferred_while_it_is_connected(sim: Simulator, rita: Person) -> None:
    sim.request_url = "http://127.0.0.1:9/nobody-listens"
    async with aiohttp.ClientSession() as session:
        socket = await connect(session, sim)
        sent = asyncio.create_task(rita.command("C0GENERAL", "/lunch"))
        envelope = await socket.receive_json(timeout=3)
        await socket.send_json({"envelope_id": envelope["envelope_id"]})
        await sent
        await socket.close()

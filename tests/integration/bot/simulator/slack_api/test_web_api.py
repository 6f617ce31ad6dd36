"""The Web API through both of Slack's clients: shapes, pages, and every refusal."""

import asyncio
from typing import Any

import aiohttp
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.simulator import SEED, AppConfig, RateLimits, Seed, SeedChannel, Simulator, Workspace
from bot.simulator.slack_api.app_config import ALL_SCOPES
from bot.simulator.workspace.messages import Message

TEXT = {"type": "mrkdwn", "text": "x"}
MODAL = {"type": "modal", "title": {"type": "plain_text", "text": "T"}, "blocks": []}
HOME = {"type": "home", "blocks": [{"type": "section", "text": TEXT}]}


async def refusal(call: Any) -> Any:
    """The response of a call that must be refused."""
    with pytest.raises(SlackApiError) as refused:
        await call
    return refused.value.response


def secret_seed() -> Seed:
    """Acme with a private channel, and a public one, that the app is not in."""
    channels = (
        SeedChannel("C0HIDDEN", "hidden", members=("U0ADA",), is_private=True),
        SeedChannel("C0AWAY", "away", members=("U0ADA",)),
    )
    return Seed(SEED.name, SEED.domain, SEED.team_id, SEED.people, SEED.groups, (*SEED.channels, *channels))


# Who, what, where


async def test_auth_test_names_the_bot_and_its_scopes(client: AsyncWebClient) -> None:
    answer = await client.auth_test()
    assert (answer["user_id"], answer["bot_id"], answer["team_id"], answer["team"]) == (
        "U0BOT",
        "B0BOT",
        "T0ACME",
        "Acme",
    )
    assert set(answer.headers["x-oauth-scopes"].split(",")) == ALL_SCOPES


async def test_the_sync_client_works_as_well(sim: Simulator) -> None:
    client = WebClient(token="xoxb-test", base_url=sim.api_url)
    posted = await asyncio.to_thread(client.chat_postMessage, channel="C0GENERAL", text="from a thread")
    found = await asyncio.to_thread(client.conversations_history, channel="C0GENERAL")
    assert [message["ts"] for message in found["messages"]] == [posted["ts"]]


async def test_people_and_groups(client: AsyncWebClient) -> None:
    user = (await client.users_info(user="U0ADA"))["user"]
    assert (user["name"], user["profile"]["email"], user["tz"]) == (
        "ada",
        "ada@acme.example",
        "Europe/Berlin",
    )
    assert (await client.users_lookupByEmail(email="FIN@acme.example"))["user"]["id"] == "U0FIN"
    groups = (await client.usergroups_list(include_users=True))["usergroups"]
    assert {group["id"]: group["users"] for group in groups}["S0MANAGERS"] == ["U0ADA", "U0FAY"]
    assert "users" not in (await client.usergroups_list())["usergroups"][0]
    assert (await client.usergroups_users_list(usergroup="S0ONCALL"))["users"] == ["U0ADA", "U0FIN"]


async def test_lists_come_in_pages(client: AsyncWebClient) -> None:
    names, pages = [], 0
    async for page in await client.users_list(limit=3):
        names += [member["name"] for member in page["members"]]
        pages += 1
    assert (pages, len(names), len(set(names))) == (3, 7, 7)
    channels = await client.conversations_list(limit=4, types="public_channel,im")
    assert len(channels["channels"]) == 4
    assert channels["response_metadata"]["next_cursor"]


async def test_a_direct_message_is_opened_once(client: AsyncWebClient) -> None:
    opened = await client.conversations_open(users="U0ADA")
    assert opened["channel"]["id"] == "D0ADA"
    posted = await client.chat_postMessage(channel="U0ADA", text="psst")
    assert posted["channel"] == "D0ADA"
    assert (await client.conversations_info(channel="D0ADA"))["channel"]["user"] == "U0ADA"


async def test_channels(client: AsyncWebClient) -> None:
    info = await client.conversations_info(channel="C0ESCALATIONS", include_num_members=True)
    assert (info["channel"]["name"], info["channel"]["is_member"], info["channel"]["num_members"]) == (
        "escalations",
        True,
        5,
    )
    members = await client.conversations_members(channel="C0ESCALATIONS")
    assert members["members"] == ["U0ADA", "U0FIN", "U0DIRK", "U0FAY", "U0BOT"]
    assert (await client.conversations_join(channel="C0GENERAL"))["warning"] == "already_in_channel"
    assert (await client.team_info())["team"]["domain"] == "acme"
    assert (await client.api_test(foo="bar"))["args"]["foo"] == "bar"


# Messages


async def test_history_newest_first_in_pages_and_between_bounds(client: AsyncWebClient) -> None:
    stamps = [(await client.chat_postMessage(channel="C0GENERAL", text=str(n)))["ts"] for n in range(5)]
    await client.chat_postMessage(channel="C0GENERAL", text="a reply", thread_ts=stamps[0])
    first = await client.conversations_history(channel="C0GENERAL", limit=2)
    assert [message["text"] for message in first["messages"]] == ["4", "3"]
    assert first["has_more"] is True
    cursor = first["response_metadata"]["next_cursor"]
    second = await client.conversations_history(channel="C0GENERAL", limit=3, cursor=cursor)
    assert [message["text"] for message in second["messages"]] == ["2", "1", "0"]
    assert second["has_more"] is False
    between = await client.conversations_history(channel="C0GENERAL", oldest=stamps[1], latest=stamps[3])
    assert [message["text"] for message in between["messages"]] == ["2"]
    inclusive = await client.conversations_history(
        channel="C0GENERAL", oldest=stamps[1], latest=stamps[3], inclusive=True
    )
    assert [message["text"] for message in inclusive["messages"]] == ["3", "2", "1"]


async def test_threads(client: AsyncWebClient) -> None:
    parent = (await client.chat_postMessage(channel="C0GENERAL", text="parent"))["ts"]
    reply = (await client.chat_postMessage(channel="C0GENERAL", text="one", thread_ts=parent))["ts"]
    await client.chat_postMessage(channel="C0GENERAL", text="two", thread_ts=reply, reply_broadcast=True)
    thread = (await client.conversations_replies(channel="C0GENERAL", ts=parent))["messages"]
    assert [message["text"] for message in thread] == ["parent", "one", "two"]
    assert (thread[0]["reply_count"], thread[0]["reply_users"], thread[0]["latest_reply"]) == (
        2,
        ["U0BOT"],
        thread[2]["ts"],
    )
    assert thread[2]["thread_ts"] == parent, "a reply to a reply belongs to the parent"
    assert thread[2]["subtype"] == "thread_broadcast"
    shown = (await client.conversations_history(channel="C0GENERAL"))["messages"]
    assert [message["text"] for message in shown] == ["two", "parent"]


async def test_history_gives_metadata_payloads_only_when_asked(client: AsyncWebClient) -> None:
    metadata = {"event_type": "made", "event_payload": {"id": "1"}}
    await client.chat_postMessage(channel="C0GENERAL", text="x", metadata=metadata)
    [plain] = (await client.conversations_history(channel="C0GENERAL"))["messages"]
    [whole] = (await client.conversations_history(channel="C0GENERAL", include_all_metadata=True))["messages"]
    assert "event_payload" not in plain["metadata"]
    assert whole["metadata"] == metadata


async def test_update_keeps_what_is_left_out_and_clears_what_is_emptied(client: AsyncWebClient) -> None:
    metadata = {"event_type": "made", "event_payload": {"id": "1"}}
    blocks = [{"type": "section", "text": TEXT}]
    ts = (await client.chat_postMessage(channel="C0GENERAL", text="a", blocks=blocks, metadata=metadata))[
        "ts"
    ]

    async def after(**arguments: Any) -> dict[str, Any]:
        await client.chat_update(channel="C0GENERAL", ts=ts, **arguments)
        found = await client.conversations_history(channel="C0GENERAL", include_all_metadata=True)
        message: dict[str, Any] = found["messages"][0]
        return message

    with_blocks = await after(text="b", blocks=blocks)
    assert (with_blocks["text"], with_blocks["metadata"]) == ("b", metadata)
    assert "edited" not in with_blocks, "Slack marks no edit where blocks are shown"
    text_only = await after(text="c")
    assert "blocks" not in text_only, "text without blocks removes the blocks"
    assert text_only["edited"]["user"] == "U0BOT"
    assert "metadata" not in await after(text="d", metadata={})


async def test_ephemerals_are_seen_by_one_and_found_by_nobody(
    client: AsyncWebClient, rita: Any, ada: Any
) -> None:
    ts = (await client.chat_postEphemeral(channel="C0GENERAL", user="U0ADA", text="only you"))["message_ts"]
    assert [message["ephemeral"] for message in await ada.messages("C0GENERAL")] == [True]
    assert await rita.messages("C0GENERAL") == []
    assert (await client.conversations_history(channel="C0GENERAL"))["messages"] == []
    assert (await refusal(client.chat_update(channel="C0GENERAL", ts=ts, text="x")))[
        "error"
    ] == "message_not_found"


async def test_delete_permalink_and_reaction(client: AsyncWebClient, sim: Simulator) -> None:
    ts = (await client.chat_postMessage(channel="C0GENERAL", text="x"))["ts"]
    link = (await client.chat_getPermalink(channel="C0GENERAL", message_ts=ts))["permalink"]
    async with aiohttp.ClientSession() as session, session.get(link, allow_redirects=False) as followed:
        assert followed.headers["Location"] == f"/#channel=C0GENERAL&ts={ts}"
    await client.reactions_add(channel="C0GENERAL", name="tada", timestamp=ts)
    again = client.reactions_add(channel="C0GENERAL", name="tada", timestamp=ts)
    assert (await refusal(again))["error"] == "already_reacted"
    [message] = (await client.conversations_history(channel="C0GENERAL"))["messages"]
    assert message["reactions"] == [{"name": "tada", "users": ["U0BOT"], "count": 1}]
    await client.chat_delete(channel="C0GENERAL", ts=ts)
    assert sim.workspace.messages.in_channel("C0GENERAL") == []


async def test_a_long_text_is_cut_off_when_posted_and_refused_as_an_update(client: AsyncWebClient) -> None:
    posted = await client.chat_postMessage(channel="C0GENERAL", text="x" * 40_001)
    assert (len(posted["message"]["text"]), posted["warning"]) == (40_000, "message_truncated")
    too_long = client.chat_update(channel="C0GENERAL", ts=posted["ts"], text="x" * 4_001)
    assert (await refusal(too_long))["error"] == "msg_too_long"


# Refusals

REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    ("no.such", {}, "unknown_method"),
    ("chat.postMessage", {"channel": "C0NOWHERE", "text": "x"}, "channel_not_found"),
    ("chat.postMessage", {"channel": "C0GENERAL"}, "no_text"),
    ("chat.postMessage", {"channel": "C0GENERAL", "blocks": "[{"}, "invalid_blocks_format"),
    ("chat.postMessage", {"channel": "C0GENERAL", "blocks": [{"type": "header"}]}, "invalid_blocks"),
    ("chat.postMessage", {"channel": "C0GENERAL", "text": "x", "metadata": "{"}, "invalid_metadata_format"),
    (
        "chat.postMessage",
        {"channel": "C0GENERAL", "text": "x", "metadata": {"event_type": "a"}},
        "invalid_metadata_format",
    ),
    (
        "chat.postMessage",
        {
            "channel": "C0GENERAL",
            "text": "x",
            "metadata": {"event_type": "a", "event_payload": {"x": "x" * 20_000}},
        },
        "metadata_too_large",
    ),
    (
        "chat.postMessage",
        {"channel": "C0GENERAL", "blocks": [{"type": "section", "text": {**TEXT, "text": "x" * 2_700}}] * 5},
        "msg_blocks_too_long",
    ),
    ("chat.postEphemeral", {"channel": "C0GENERAL", "user": "U0NOBODY", "text": "x"}, "user_not_found"),
    ("chat.postEphemeral", {"channel": "C0ESCALATIONS", "user": "U0SAM", "text": "x"}, "user_not_in_channel"),
    ("chat.update", {"channel": "C0GENERAL", "ts": "1.000000", "text": "x"}, "message_not_found"),
    ("chat.delete", {"channel": "C0GENERAL", "ts": "1.000000"}, "message_not_found"),
    ("chat.getPermalink", {"channel": "C0GENERAL", "message_ts": "1.000000"}, "message_not_found"),
    ("conversations.info", {"channel": "C0NOWHERE"}, "channel_not_found"),
    ("conversations.info", {}, "invalid_arguments"),
    ("conversations.open", {"users": "U0NOBODY"}, "user_not_found"),
    ("conversations.open", {}, "not_enough_users"),
    ("conversations.list", {"types": "planets"}, "invalid_types"),
    ("conversations.join", {"channel": "D0ADA"}, "method_not_supported_for_channel_type"),
    ("conversations.history", {"channel": "C0GENERAL", "cursor": "what?"}, "invalid_cursor"),
    ("conversations.history", {"channel": "C0GENERAL", "oldest": "soon"}, "invalid_ts_oldest"),
    ("conversations.history", {"channel": "C0GENERAL", "latest": "soon"}, "invalid_ts_latest"),
    ("conversations.history", {"channel": "C0GENERAL", "limit": "many"}, "invalid_limit"),
    ("conversations.replies", {"channel": "C0GENERAL", "ts": "1.000000"}, "thread_not_found"),
    ("users.info", {"user": "U0NOBODY"}, "user_not_found"),
    ("users.lookupByEmail", {"email": "nobody@acme.example"}, "users_not_found"),
    ("usergroups.users.list", {"usergroup": "S0NONE"}, "no_such_subteam"),
    ("views.open", {"trigger_id": "1.2.3", "view": MODAL}, "invalid_trigger_id"),
    ("views.open", {"trigger_id": "1.2.3", "view": HOME}, "invalid_arguments"),
    ("views.open", {"trigger_id": "1.2.3", "view": "{"}, "invalid_arguments"),
    ("views.open", {"trigger_id": "1.2.3"}, "invalid_arguments"),
    ("views.update", {"view_id": "V0NONE", "view": MODAL}, "not_found"),
    ("views.update", {"view": MODAL}, "invalid_arguments"),
    ("views.publish", {"user_id": "U0NOBODY", "view": HOME}, "invalid_arguments"),
    ("apps.connections.open", {}, "not_allowed_token_type"),
    ("reactions.add", {"channel": "C0GENERAL", "name": "x", "timestamp": "1.000000"}, "message_not_found"),
]


@pytest.mark.parametrize(("method", "arguments", "error"), REFUSALS, ids=lambda value: str(value)[:40])
async def test_refusals(client: AsyncWebClient, method: str, arguments: dict[str, Any], error: str) -> None:
    response = await refusal(client.api_call(method, json=arguments))
    assert response.status_code == 200
    assert (response["ok"], response["error"]) == (False, error)


@pytest.mark.parametrize(("token", "error"), [(None, "not_authed"), ("xoxb-wrong", "invalid_auth")])
async def test_tokens(sim: Simulator, token: str | None, error: str) -> None:
    client = AsyncWebClient(token=token, base_url=sim.api_url)
    assert (await refusal(client.auth_test()))["error"] == error


async def test_missing_scope_names_what_is_needed_and_what_there_is(start: Any) -> None:
    scopes = frozenset({"chat:write", "users:read"})
    async with start(app=AppConfig(scopes=scopes)) as sim:
        client = AsyncWebClient(token="xoxb-test", base_url=sim.api_url)
        response = await refusal(client.conversations_open(users="U0ADA"))
        assert (response["error"], response["needed"], response["provided"]) == (
            "missing_scope",
            "im:write",
            "chat:write,users:read",
        )
        assert "email" not in (await client.users_info(user="U0ADA"))["user"]["profile"]
        named = client.chat_postMessage(channel="C0GENERAL", text="x", username="Someone else")
        assert (await refusal(named))["needed"] == "chat:write.customize"


async def test_history_needs_the_scope_of_the_kind_of_channel(start: Any) -> None:
    async with start(app=AppConfig(scopes=frozenset({"im:history"}))) as sim:
        client = AsyncWebClient(token="xoxb-test", base_url=sim.api_url)
        assert (await client.conversations_history(channel="D0ADA"))["messages"] == []
        assert (await refusal(client.conversations_history(channel="C0GENERAL")))[
            "needed"
        ] == "channels:history"


async def test_where_the_bot_is_not(start: Any) -> None:
    seeded = Workspace.open(None, seed=secret_seed())
    async with start(seeded, app=AppConfig(scopes=ALL_SCOPES - {"chat:write.public"})) as sim:
        client = AsyncWebClient(token="xoxb-test", base_url=sim.api_url)

        async def error(call: Any) -> str:
            return str((await refusal(call))["error"])

        assert await error(client.chat_postMessage(channel="C0HIDDEN", text="x")) == "channel_not_found"
        assert await error(client.conversations_info(channel="C0HIDDEN")) == "channel_not_found"
        assert await error(client.chat_postMessage(channel="C0AWAY", text="x")) == "not_in_channel"
        assert await error(client.conversations_history(channel="C0AWAY")) == "not_in_channel"
        await client.conversations_join(channel="C0AWAY")
        await client.chat_postMessage(channel="#away", text="x")


async def test_chat_write_public_reaches_channels_the_bot_is_not_in(start: Any) -> None:
    async with start(Workspace.open(None, seed=secret_seed())) as sim:
        client = AsyncWebClient(token="xoxb-test", base_url=sim.api_url)
        assert (await client.chat_postMessage(channel="C0AWAY", text="x"))["ok"]
        assert (await refusal(client.conversations_history(channel="C0AWAY")))["error"] == "not_in_channel"


async def test_only_own_messages_can_be_changed(client: AsyncWebClient, rita: Any) -> None:
    said = await rita.say("C0GENERAL", "mine")
    update = client.chat_update(channel="C0GENERAL", ts=said["ts"], text="x")
    assert (await refusal(update))["error"] == "cant_update_message"
    delete = client.chat_delete(channel="C0GENERAL", ts=said["ts"])
    assert (await refusal(delete))["error"] == "cant_delete_message"


async def test_invalid_blocks_say_what_and_where(client: AsyncWebClient) -> None:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}]
    response = await refusal(client.chat_postMessage(channel="C0GENERAL", text="x", blocks=blocks))
    assert response["response_metadata"]["messages"] == [
        "[ERROR] failed to match all allowed schemas [json-pointer:/blocks/0/text]",
        "[ERROR] must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
    ]


async def test_form_bodies_carry_structures_as_text(sim: Simulator) -> None:
    form = {
        "token": "xoxb-test",
        "channel": "C0GENERAL",
        "text": "x",
        "blocks": '[{"type": "divider"}]',
        "metadata": '{"event_type": "made", "event_payload": {}}',
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{sim.api_url}chat.postMessage", data=form) as response,
    ):
        body = await response.json()
    assert body["message"]["blocks"][0]["type"] == "divider"
    assert body["message"]["metadata"]["event_type"] == "made"
    async with aiohttp.ClientSession() as session, session.get(f"{sim.url}/sim/calls") as response:
        assert "xoxb" not in await response.text(), "a token in a form is nobody's to read back"


@pytest.mark.parametrize(
    ("content_type", "data", "error"),
    [
        ("application/json", "{", "invalid_json"),
        ("application/json", "[]", "json_not_object"),
        ("application/xml", "<x/>", "invalid_post_type"),
    ],
)
async def test_unreadable_bodies(sim: Simulator, content_type: str, data: str, error: str) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{sim.api_url}api.test", data=data, headers={"Content-Type": content_type}) as response,
    ):
        assert (await response.json())["error"] == error


# Rate limits


async def test_a_limit_is_answered_as_slack_answers_it(start: Any) -> None:
    async with start(rate_limits=RateLimits.INTERNAL) as simulator:
        client = AsyncWebClient(token="xoxb-test", base_url=simulator.api_url)
        await client.chat_postMessage(channel="C0GENERAL", text="one")
        answer = await refusal(client.chat_postMessage(channel="C0GENERAL", text="two"))
    assert (answer.status_code, answer["error"], answer.headers["Retry-After"]) == (429, "ratelimited", "1")


async def test_an_app_outside_the_marketplace_gets_short_pages(start: Any) -> None:
    async with start(rate_limits=RateLimits.DISTRIBUTED) as simulator:
        client = AsyncWebClient(token="xoxb-test", base_url=simulator.api_url)
        for number in range(20):
            simulator.workspace.messages.post(Message("C0GENERAL", "U0ADA", text=str(number)))
        page = await client.conversations_history(channel="C0GENERAL", limit=200)
    assert len(page["messages"]) == 15

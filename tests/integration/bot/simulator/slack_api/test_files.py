"""Files: announced, uploaded, shared in a thread, and shown on the page."""

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.simulator import Simulator

PNG = b"\x89PNG\r\n\x1a\n and so on"
PAGE = b"<script>alert(1)</script>"


async def test_a_file_is_shared_in_a_thread(client: AsyncWebClient) -> None:
    parent = await client.chat_postMessage(channel="C0GENERAL", text="A card")
    answer = await client.files_upload_v2(
        file=PNG, filename="a.png", title="A picture", channel="C0GENERAL", thread_ts=parent["ts"]
    )
    [shared] = answer["files"]
    replies = await client.conversations_replies(channel="C0GENERAL", ts=parent["ts"])
    [file] = replies["messages"][1]["files"]
    assert (file["id"], file["title"], file["name"], file["size"]) == (
        shared["id"],
        "A picture",
        "a.png",
        len(PNG),
    )
    async with aiohttp.ClientSession() as session, session.get(file["url_private"]) as got:
        assert (await got.read(), got.content_type) == (PNG, "image/png")


async def test_what_is_no_picture_is_only_downloaded(client: AsyncWebClient) -> None:
    """A page of somebody's making must not run as one of the simulator's."""
    await client.files_upload_v2(file=PAGE, filename="a.png", title="No picture", channel="C0GENERAL")
    [newest, *_] = (await client.conversations_history(channel="C0GENERAL"))["messages"]
    async with aiohttp.ClientSession() as session, session.get(newest["files"][0]["url_private"]) as got:
        assert got.content_type == "application/octet-stream"
        assert got.headers["Content-Disposition"] == "attachment"
        assert got.headers["X-Content-Type-Options"] == "nosniff"


async def test_an_upload_has_the_length_that_was_announced(sim: Simulator, client: AsyncWebClient) -> None:
    told = await client.files_getUploadURLExternal(filename="a.txt", length=5)
    files: list[dict[str, str | None]] = [{"id": told["file_id"]}]
    async with aiohttp.ClientSession() as session:
        for data, status in ((b"four", 404), (b"fives", 200)):
            with pytest.raises(SlackApiError, match="file_not_found"):
                await client.files_completeUploadExternal(files=files, channel_id="C0GENERAL")
            async with session.post(told["upload_url"], data=data) as got:
                assert got.status == status
        async with session.post(f"{sim.url}/upload/v1/guessed", data=b"fives") as got:
            assert got.status == 404
    assert (await client.files_completeUploadExternal(files=files, channel_id="C0GENERAL"))["ok"]


@pytest.mark.parametrize(("length", "error"), [(0, "missing_argument"), (10**9, "size_restricted")])
async def test_a_length_that_slack_takes_not(client: AsyncWebClient, length: int, error: str) -> None:
    with pytest.raises(SlackApiError, match=error):
        await client.files_getUploadURLExternal(filename="a.txt", length=length)


async def test_a_channel_has_to_be_one_that_the_app_is_in(sim: Simulator, client: AsyncWebClient) -> None:
    sim.workspace.store.execute("DELETE FROM channel_member WHERE channel = 'C0ACCESS' AND person = 'U0BOT'")
    for channel, error in (("C0ACCESS", "not_in_channel"), ("C0NOWHERE", "invalid_channel")):
        with pytest.raises(SlackApiError, match=error):
            await client.files_upload_v2(file=b"x", filename="a.txt", channel=channel)

"""A minimal Bolt app over aiohttp that acks a click and edits the card. It stores nothing."""

import asyncio
import os
import sys

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient


def bare_app(token: str, secret: str, base_url: str) -> AsyncApp:
    """An app whose Approve button edits the card to say so."""
    client = AsyncWebClient(token=token, base_url=base_url)
    app = AsyncApp(client=client, signing_secret=secret)

    @app.action("approve")
    async def approve(ack: AsyncAck, body: dict[str, object], client: AsyncWebClient) -> None:
        await ack()
        container = body["container"]
        if not isinstance(container, dict):
            raise TypeError("a click has a container")
        await client.chat_update(
            channel=container["channel_id"],
            ts=container["message_ts"],
            text="Approved",
            blocks=[{"type": "section", "text": {"type": "mrkdwn", "text": "Approved"}}],
        )

    return app


async def serve() -> None:
    """Serves `/slack/events`, and prints its port, until it is ended."""
    app = bare_app(os.environ["BENCH_TOKEN"], os.environ["BENCH_SECRET"], os.environ["BENCH_URL"])

    async def receive(request: web.Request) -> web.Response:
        return await to_aiohttp_response(await app.async_dispatch(await to_bolt_request(request)))

    server = web.Application()
    server.router.add_post("/slack/events", receive)
    runner = web.AppRunner(server, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())

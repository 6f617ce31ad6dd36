"""Opens the socket of Socket Mode, and opens it again if the SDK does not get it back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

from bot.slack.api.errors import described
from bot.slack.api.under_way import UnderWay
from bot.slack.input import payload
from bot.slack.input.payload import UnreadablePayloadError

log = logging.getLogger(__name__)

# Seconds to connect by a URL, which expires a little later, and for the SDK to reconnect after a loss.
PATIENCE: Final = 20.0
HANDED_ON: Final = 0.05  # seconds in which the SDK hands on what it has already read
ACKED_WITHIN: Final = 3.0  # seconds; Slack does not wait longer for an acknowledgement


class _AcknowledgingHandler(AsyncSocketModeHandler):
    """Bolt's handler, which keeps each message in `under_way` from when it is read until it is acknowledged."""

    def __init__(self, app: AsyncApp, app_token: str, under_way: UnderWay) -> None:
        super().__init__(app, app_token)
        self._under_way = under_way

    async def handle(self, client: AsyncBaseSocketModeClient, req: SocketModeRequest) -> None:
        try:
            payload.check(req.payload)
        except UnreadablePayloadError as error:
            log.warning("Socket Mode: %s", error)
            return
        await self._under_way.run(super().handle(client, req))  # type: ignore[arg-type]  # it is the client that Bolt made


class SlackSocket:
    """Hands what Slack sends to `app`. `app_token` is the app-level token; `patience` is in seconds."""

    def __init__(self, app: AsyncApp, app_token: str, patience: float = PATIENCE) -> None:
        self._app = app
        self._app_token = app_token
        self._patience = patience
        self._under_way = UnderWay()
        self._handler: _AcknowledgingHandler | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connects, and stays connected until `close`. Raises what the SDK raises, and `TimeoutError`."""
        await self._connect()
        self._keeping = self._keeping or asyncio.create_task(self._keep(), name="keep the socket")

    async def is_open(self) -> bool:
        """Whether Slack can send, as far as this side can tell."""
        return self._handler is not None and bool(await self._handler.client.is_connected())

    async def close(self) -> None:
        """Stops reading, acknowledges what was read, and disconnects. Slack shows a failure for anything not read."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if self._handler is not None:
            await self._acknowledged(self._handler)
        await self._hang_up()

    async def _acknowledged(self, handler: _AcknowledgingHandler) -> None:
        if handler.client.message_receiver is not None:
            handler.client.message_receiver.cancel()
        await asyncio.sleep(HANDED_ON)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ACKED_WITHIN):
                await self._under_way.finished()

    async def _connect(self) -> None:
        """Gets a URL and connects. The SDK itself would retry for ever, with tracebacks, if Slack refuses the token."""
        opened = await self._app.client.apps_connections_open(app_token=self._app_token)
        self._handler = self._handler or _AcknowledgingHandler(self._app, self._app_token, self._under_way)
        self._handler.client.wss_uri = str(opened["url"])
        async with asyncio.timeout(self._patience):
            await self._handler.connect_async()  # type: ignore[no-untyped-call]  # Bolt's

    async def _keep(self) -> None:
        """Connects anew if the SDK stays disconnected: it retries one URL for ever, which expires in half a minute."""
        missed = 0
        while True:
            await asyncio.sleep(self._patience / 4)
            missed = 0 if await self.is_open() else missed + 1
            if missed < 4:
                continue
            log.warning("The socket to Slack is lost, and is opened anew")
            try:
                await self._hang_up()
                await self._connect()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next try is in a moment
                log.warning(
                    "Slack cannot be reached (%s); the next try is in %g s", described(error), self._patience
                )
            missed = 0

    async def _hang_up(self) -> None:
        handler, self._handler = self._handler, None
        if handler is not None:
            await handler.close_async()  # type: ignore[no-untyped-call]  # Bolt's

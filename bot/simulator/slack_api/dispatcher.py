"""Delivers payloads to the app by the method that reaches it now, and repeats unanswered events."""

import asyncio
from typing import Any

from bot.simulator.slack_api.delivery import HttpDelivery, Kind, NoAckError, Redelivery
from bot.simulator.slack_api.installation import Installation
from bot.simulator.slack_api.socket_mode import SocketMode

Json = dict[str, Any]

# Seconds before each repetition. Source: https://docs.slack.dev/apis/events-api
RETRY_AFTER = (0.0, 60.0, 300.0)


class PayloadDispatcher:
    """Delivers over Socket Mode while the app is connected to it, and by HTTP otherwise, as Slack does."""

    def __init__(
        self,
        installation: Installation,
        http: HttpDelivery,
        sockets: SocketMode,
        retry_after: tuple[float, ...],
    ) -> None:
        self.http = http
        self.sockets = sockets
        self._installation = installation
        self._retry_after = retry_after
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def connected(self) -> str | None:
        """Say how the app is reached: "socket", "http", or None when it is not."""
        if self.sockets.connected:
            return "socket"
        return "http" if self.http.request_url else None

    async def deliver(self, kind: Kind, payload: Json, retry: Redelivery | None = None) -> Json | str | None:
        """Deliver a payload once; see DeliveryMethod."""
        way = self.sockets if self.sockets.connected else self.http
        return await way.deliver(kind, payload, retry)

    def emit(self, event: Json) -> None:
        """Send an event in the background, if the app subscribed to it. It is repeated until the app answers."""
        if _subscription(event) not in self._installation.app.events:
            return
        envelope = self._installation.interactions.event(event)
        task = asyncio.get_running_loop().create_task(self._deliver_until_acknowledged(envelope))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _deliver_until_acknowledged(self, envelope: Json) -> None:
        retry: Redelivery | None = None
        for number, pause in enumerate((*self._retry_after, None), start=1):
            try:
                await self.deliver("events_api", envelope, retry)
            except NoAckError as failure:
                if pause is None or not failure.retry:
                    return
                retry = Redelivery(number, failure.reason)
                await asyncio.sleep(pause)
            else:
                return

    async def close(self) -> None:
        """Drop events that are not delivered yet, and close connections."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self.http.close()


def _subscription(event: Json) -> str:
    """Return the name that the event has in a manifest."""
    if event["type"] != "message":
        return str(event["type"])
    return {"im": "message.im", "group": "message.groups"}.get(event["channel_type"], "message.channels")

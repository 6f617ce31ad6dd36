"""The Events API: telling the app what happens around it, again when it does not answer."""

import asyncio
from collections.abc import Callable
from typing import Any

from bot.simulator.app_config import AppConfig
from bot.simulator.delivery import Delivery, NoAckError, Retry
from bot.simulator.interactions import Interactions

Json = dict[str, Any]

# Source: https://docs.slack.dev/apis/events-api — nearly at once, after a minute, after five.
RETRY_AFTER = (0.0, 60.0, 300.0)


class Events:
    """Sends the events the app subscribed to, each by itself and without making anyone wait."""

    def __init__(
        self,
        app: AppConfig,
        interactions: Interactions,
        way: Callable[[], Delivery],
        retry_after: tuple[float, ...] = RETRY_AFTER,
    ) -> None:
        self._app = app
        self._interactions = interactions
        self._way = way
        self._retry_after = retry_after
        self._under_way: set[asyncio.Task[None]] = set()

    def emit(self, event: Json) -> None:
        """Send this event, if the app subscribed to its type."""
        if _subscription(event) not in self._app.events:
            return
        task = asyncio.get_running_loop().create_task(self._send(self._interactions.event(event)))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _send(self, envelope: Json) -> None:
        retry: Retry | None = None
        for number, pause in enumerate((*self._retry_after, None), start=1):
            try:
                await self._way().deliver("events_api", envelope, retry)
            except NoAckError as failure:
                retry = Retry(number, failure.reason)
            else:
                return
            if pause is not None:
                await asyncio.sleep(pause)

    async def close(self) -> None:
        """Drop what is under way; like Slack's own queue, it does not outlive this process."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)


def _subscription(event: Json) -> str:
    """Give the name under which a manifest subscribes to this event."""
    if event["type"] != "message":
        return str(event["type"])
    return {"im": "message.im", "group": "message.groups"}.get(event["channel_type"], "message.channels")

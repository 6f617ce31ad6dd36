"""The client of clock_service: reads and moves the clock of a hub in another process."""

import json
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self

import grpc

from orchestration.hub.errors import HubError

_TIMEOUT_S: Final = 10.0


class ClockClient:
    """Reads and moves the clock of the hub at `address`, which must run on a SkippableClock.

    Every method raises HubError where the hub refuses the call or cannot be reached.
    """

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def now(self) -> datetime:
        """The hub's time: aware, UTC."""
        return self._time("Now")

    def advance(self, delta: timedelta) -> datetime:
        """Move the hub's clock ahead by `delta`, durably; returns the new time."""
        return self._time("Advance", seconds=delta.total_seconds())

    def next_timer(self, beyond: timedelta | None = None) -> datetime | None:
        """When the hub's first timer is due, or None where there is none.

        With `beyond`: the first of those that are due more than so long from now.
        """
        return self._call("NextTimer", **({} if beyond is None else {"beyond": beyond.total_seconds()}))

    def _time(self, name: str, **request: float) -> datetime:
        time = self._call(name, **request)
        if time is None:
            raise HubError("The hub did not say what time it is.")
        return time

    def _call(self, name: str, **request: float) -> datetime | None:
        call: Any = self._channel.unary_unary(f"/countersign.Clock/{name}")
        try:
            answer = json.loads(call(json.dumps(request).encode(), timeout=_TIMEOUT_S, wait_for_ready=True))
        except grpc.RpcError as error:
            raise HubError(getattr(error, "details", lambda: None)() or str(error)) from error
        return None if answer["time"] is None else datetime.fromisoformat(answer["time"])

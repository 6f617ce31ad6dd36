"""What the page's buttons for time and for the app's process are wired to, where something is."""

from datetime import datetime, timedelta
from typing import Protocol


class Controls(Protocol):
    """A supervisor of the app under the page. Times are aware; `running` says whether the process lives."""

    @property
    def running(self) -> bool:
        """Whether the process of the app lives."""

    async def advance(self, delta: timedelta) -> datetime:
        """Let this much time pass, and give the time it is then."""

    async def next_deadline(self) -> datetime | None:
        """Give when something next becomes due; None when nothing waits."""

    async def kill(self) -> None:
        """End the app's process without warning (SIGKILL)."""

    async def start(self) -> None:
        """Start the app's process."""

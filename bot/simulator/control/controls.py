"""The interface behind the page's buttons for time and for the app's process."""

from datetime import datetime, timedelta
from typing import Protocol


class Controls(Protocol):
    """A supervisor of the app. Times carry a time zone."""

    @property
    def running(self) -> bool:
        """Whether the app's process runs."""

    async def advance(self, delta: timedelta) -> datetime:
        """Let this much time pass, and return the new time."""

    async def next_deadline(self) -> datetime | None:
        """Return when the next thing is due; None when nothing is waiting."""

    async def kill(self) -> None:
        """End the app's process without warning (SIGKILL)."""

    async def start(self) -> None:
        """Start the app's process."""

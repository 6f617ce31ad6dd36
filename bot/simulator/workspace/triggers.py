"""Trigger IDs: for a few seconds after a click, the app may show that person a modal."""

import secrets
import time
from dataclasses import dataclass

from bot.simulator.errors import SlackError

FORGET_AFTER = 60.0


@dataclass(slots=True)
class Trigger:
    """The person that a trigger ID is for, and the modal it came from."""

    person: str
    view_id: str | None
    issued: float
    used: bool = False


class Triggers:
    """Issues trigger IDs, each valid once within `lifetime` seconds of real time.

    They are not kept on disk, because they expire before a restart is done.
    """

    def __init__(self, lifetime: float) -> None:
        self._lifetime = lifetime
        self._issued: dict[str, Trigger] = {}

    def issue(self, person: str, view_id: str | None = None) -> str:
        """Return a fresh trigger ID."""
        now = time.monotonic()
        self._issued = {
            key: found for key, found in self._issued.items() if now - found.issued < FORGET_AFTER
        }
        trigger_id = (
            f"{secrets.randbelow(10**12):012d}.{secrets.randbelow(10**10):010d}.{secrets.token_hex(16)}"
        )
        self._issued[trigger_id] = Trigger(person, view_id, now)
        return trigger_id

    def spend(self, trigger_id: str) -> Trigger:
        """Return the trigger, and use it up.

        Raises SlackError with Slack's code when it is unknown, used or expired.
        """
        trigger = self._issued.get(trigger_id)
        if trigger is None:
            raise SlackError("invalid_trigger_id")
        if trigger.used:
            raise SlackError("exchanged_trigger_id")
        if time.monotonic() - trigger.issued > self._lifetime:
            raise SlackError("expired_trigger_id")
        trigger.used = True
        return trigger

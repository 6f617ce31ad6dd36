"""Shared by all that tell one person something by an outbox: nobody waits for it, and failures are logged."""

from __future__ import annotations

import logging
from datetime import timedelta

from durabletask.task import OrchestrationContext

from orchestration.domain.effects import Delivery
from orchestration.durable.outbox import OutboxItem

log = logging.getLogger(__name__)


class Tell(OutboxItem):
    """Tell the person, by that activity."""

    activity: str


class PersonTelling:
    """Handles the items of the outbox. Subclasses give the message in `build`."""

    def __init__(self, ctx: OrchestrationContext, person: str) -> None:
        self._person = person
        self._log = ctx.create_replay_safe_logger(log)

    def done(self, item: Tell, result: Delivery) -> None:
        """Does nothing: nothing follows."""

    def put_off(self, item: Tell, attempt: int, problem: str, pause: timedelta) -> None:
        """Handles a message that will be tried again later."""
        self._log.info(
            "%s: %s, try %d: %s; the next in %g s",
            self._person,
            item.activity,
            attempt,
            problem,
            pause.total_seconds(),
        )

    def late(self, item: Tell, problem: str) -> None:
        """Does nothing: nobody waits for it."""

    def failed(self, item: Tell, problem: str) -> None:
        """Handles a message that was given up."""
        self._log.error("%s: %s was given up: %s", self._person, item.activity, problem)

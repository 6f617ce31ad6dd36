"""What is the same for whatever tells one person something by an outbox: nobody waits for it, and it is logged."""

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
    """What the outbox asks; whoever derives from it says in `build` what is told."""

    def __init__(self, ctx: OrchestrationContext, person: str) -> None:
        self._person = person
        self._log = ctx.create_replay_safe_logger(log)

    def done(self, item: Tell, result: Delivery) -> None:
        """Nothing follows."""

    def put_off(self, item: Tell, attempt: int, problem: str, pause: timedelta) -> None:
        """It is tried again later."""
        self._log.info(
            "%s: %s, try %d: %s; the next in %g s",
            self._person,
            item.activity,
            attempt,
            problem,
            pause.total_seconds(),
        )

    def late(self, item: Tell, problem: str) -> None:
        """Nobody waits for it."""

    def failed(self, item: Tell, problem: str) -> None:
        """It will not be told."""
        self._log.error("%s: %s was given up: %s", self._person, item.activity, problem)

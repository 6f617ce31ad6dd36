"""Activities for orchestrations that ask: the event that tells them of an outcome, and the outcome itself."""

from __future__ import annotations

from durabletask.task import ActivityContext

from orchestration.domain.effects import AskedOutcome, Delivery, NotifyInstanceInput, ReadOutcomeInput
from orchestration.durable.delivery import deliver
from orchestration.ports import Askers


class AskerActivities:
    """Bound to the hub through a port."""

    def __init__(self, askers: Askers) -> None:
        self._askers = askers

    def notify_instance(self, _: ActivityContext, given: NotifyInstanceInput) -> Delivery:
        """Raises the event. It may come twice, and says nothing that its receiver does not read for itself."""
        return deliver(lambda: Delivery(answer=self._askers.notify_instance(given)))

    def read_outcome(self, _: ActivityContext, given: ReadOutcomeInput) -> AskedOutcome | None:
        """Reads it for the orchestration that asked: see `request_approval`."""
        return self._askers.read_outcome(given)

"""Activities for orchestrations that ask: raise the event that tells them of an outcome, and read the outcome."""

from __future__ import annotations

from durabletask.task import ActivityContext

from orchestration.domain.effects import AskedOutcome, Delivery, NotifyInstanceInput, ReadOutcomeInput
from orchestration.durable.delivery import deliver
from orchestration.ports import Askers


class AskerActivities:
    """Reaches the hub through a port."""

    def __init__(self, askers: Askers) -> None:
        self._askers = askers

    def notify_instance(self, _: ActivityContext, given: NotifyInstanceInput) -> Delivery:
        """Raises the event.

        It may come twice. The receiver reads the outcome itself and takes nothing from the event.
        """
        return deliver(lambda: Delivery(answer=self._askers.notify_instance(given)))

    def read_outcome(self, _: ActivityContext, given: ReadOutcomeInput) -> AskedOutcome | None:
        """Reads the outcome for the orchestration that asked: see `request_approval`."""
        return self._askers.read_outcome(given)

"""The I/O that only fulfilments need. Activities run at least once, on worker threads; each is safe to repeat."""

from __future__ import annotations

from durabletask.task import ActivityContext

from orchestration.domain.effects import Delivery, HandOverInput, RecordStepInput
from orchestration.durable.delivery import deliver
from orchestration.ports import Fulfilments, StepRecorder


class FulfilmentActivities:
    """The activities of fulfilments. They reach the outside through ports."""

    def __init__(self, fulfilments: Fulfilments, recorder: StepRecorder) -> None:
        self._fulfilments = fulfilments
        self._recorder = recorder

    def hand_over(self, _: ActivityContext, given: HandOverInput) -> Delivery:
        """Starts the fulfilment of an approved request, or tells a running one how the request's card looks now."""
        return deliver(lambda: Delivery(answer=self._fulfilments.hand_over(given)))

    def record_step(self, _: ActivityContext, given: RecordStepInput) -> Delivery:
        """Puts a step on record. A repeat of the same step adds nothing."""

        def record() -> Delivery:
            self._recorder.record_step(given)
            return Delivery()

        return deliver(record)

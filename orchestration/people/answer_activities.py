"""The I/O of an answer that is still owed to a person."""

from __future__ import annotations

from durabletask.task import ActivityContext

from orchestration.domain.answers import OwedAnswer
from orchestration.domain.effects import Delivery
from orchestration.durable.delivery import deliver
from orchestration.ports import AnswerFinder, Notifier


class AnswerActivities:
    """Gets the words through one port and sends them through the other."""

    def __init__(self, answers: AnswerFinder, notifier: Notifier) -> None:
        self._answers = answers
        self._notifier = notifier

    def tell_answer(self, _: ActivityContext, given: OwedAnswer) -> Delivery:
        """Tells the person, if there is something to say.

        It may come twice: a message only they see cannot be looked for.
        """

        def tell() -> Delivery:
            if words := given.words or self._answers.find(given):
                self._notifier.tell_privately(given.person, given.place, words)
            return Delivery()

        return deliver(tell)

"""The `owed_answer` orchestration: tells people what came of something they did, however long that takes.

Whoever took their acts starts it before they acknowledge them, where they cannot tell them in time: one for all the
answers that come to be owed at the same time. They go on trying, and raise `AnswerTold` once a person knows. Who does
not know by then, because they were killed or the act is still not handled, is told from here. An answer that was told
and not reported so comes twice, with the same words.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from durabletask.task import OrchestrationContext, Task, when_any
from pydantic import ValidationError

from orchestration.domain.answers import AnswerBatch, AnswersTold, OwedAnswer
from orchestration.domain.effects import Delivery
from orchestration.domain.names import EventName
from orchestration.durable import clock
from orchestration.durable.generator import Durable
from orchestration.durable.inbox import Inbox
from orchestration.durable.outbox import Lane, Outbox
from orchestration.people.telling import PersonTelling, Tell

# So long whoever took the act has to tell the person: they wait so long for a verdict.
FIRST_TURN: Final = timedelta(seconds=10)
RETRIED_FOR: Final = timedelta(days=1)
# So long it is told where they acted. The chat system keeps what only one sees for nobody who has left since, so it is
# told directly after that.
STILL_THERE: Final = timedelta(minutes=1)


class TellAnswer(Tell):
    """Tell the person."""

    activity: Literal["tell_answer"] = "tell_answer"


def owed_answer(ctx: OrchestrationContext, given: AnswerBatch) -> Durable[None]:
    """Waits until all are told by somebody else, and then tries each of the others for a day."""
    owed_since = clock.now(ctx)
    inbox = Inbox(ctx, EventName.ANSWER_TOLD)
    waiting = set(range(len(given.answers)))
    turn = clock.timer(ctx, owed_since + FIRST_TURN)
    while not turn.is_complete:
        yield when_any([*inbox.waits(), turn])
        waiting -= _told(inbox)
        if not waiting:
            turn.cancel()
            return
    outboxes = {place: _outbox(ctx, given.answers[place], owed_since) for place in sorted(waiting)}
    while True:
        for place in _told(inbox):
            outboxes.pop(place, None)
        for outbox in outboxes.values():
            outbox.step()
        outboxes = {place: outbox for place, outbox in outboxes.items() if outbox.busy()}
        if not outboxes:
            return
        yield when_any([*inbox.waits(), *_under_way(outboxes.values())])


def _told(inbox: Inbox) -> set[int]:
    """Which answers have been told since. A report that cannot be read says nothing: they are told once more."""
    told: set[int] = set()
    while (arrived := inbox.take()) is not None:
        try:
            told.update(AnswersTold.model_validate(arrived[1]).told)
        except ValidationError:
            continue
    return told


def _outbox(
    ctx: OrchestrationContext, given: OwedAnswer, owed_since: datetime
) -> Outbox[TellAnswer, Delivery]:
    """One for each person, so that what one of them has been told is dropped at once."""
    telling = _AnswerTelling(ctx, given, owed_since)
    outbox: Outbox[TellAnswer, Delivery] = Outbox(
        ctx, lambda: clock.now(ctx), dict[str, Lane[TellAnswer]](), telling, Delivery
    )
    outbox.put("tell", TellAnswer(give_up=RETRIED_FOR))
    return outbox


def _under_way(outboxes: Iterable[Outbox[TellAnswer, Delivery]]) -> list[Task[Any]]:
    return [task for outbox in outboxes for task in outbox.waits()]


class _AnswerTelling(PersonTelling):
    def __init__(self, ctx: OrchestrationContext, given: OwedAnswer, owed_since: datetime) -> None:
        super().__init__(ctx, given.person)
        self._ctx = ctx
        self._given = given
        self._owed_since = owed_since

    def build(self, item: TellAnswer, attempt: int, *, maybe_done: bool) -> tuple[str, OwedAnswer]:  # noqa: ARG002 - what only they see cannot be looked for
        left = clock.now(self._ctx) - self._owed_since > STILL_THERE
        place = None if left else self._given.place
        return item.activity, self._given.model_copy(update={"attempt": attempt, "place": place})

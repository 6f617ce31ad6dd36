"""The `owed_answer` orchestration: tells a person what came of something they did, however long that takes.

Whoever took the act starts it before they acknowledge it, where they cannot tell the person in time. They go on trying,
and raise `AnswerTold` once the person knows. If they have not by then, because they were killed or the act is still not
handled, it is told from here. An answer that was told and not reported so comes twice, with the same words.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

from durabletask.task import OrchestrationContext, when_any

from orchestration.domain.answers import OwedAnswer
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


def owed_answer(ctx: OrchestrationContext, given: OwedAnswer) -> Durable[None]:
    """Waits until it is told by somebody else, and then tries for a day."""
    owed_since = clock.now(ctx)
    inbox = Inbox(ctx, EventName.ANSWER_TOLD)
    yield when_any([*inbox.waits(), clock.timer(ctx, owed_since + FIRST_TURN)])
    outbox: Outbox[TellAnswer, Delivery] = Outbox(
        ctx,
        lambda: clock.now(ctx),
        dict[str, Lane[TellAnswer]](),
        _AnswerTelling(ctx, given, owed_since),
        Delivery,
    )
    outbox.put("tell", TellAnswer(give_up=RETRIED_FOR))
    while inbox.take() is None:
        outbox.step()
        if not outbox.busy():
            return
        yield when_any([*inbox.waits(), *outbox.waits()])


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

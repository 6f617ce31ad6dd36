"""The `owed_answer` orchestration: tells people the result of something they did, however long that takes.

The process that took their acts starts it before it acknowledges them, if it cannot answer in time: one instance for
all answers owed at the same moment. That process keeps trying, and raises `AnswerTold` once a person knows. If it was
killed, or the act is still not handled, this orchestration tells the person. An answer whose `AnswerTold` was lost
comes twice, with the same words.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from durabletask.task import OrchestrationContext, when_any
from pydantic import Field, ValidationError

from orchestration.domain.answers import AnswerBatch, AnswersTold, OwedAnswer
from orchestration.domain.effects import Delivery
from orchestration.domain.names import EventName
from orchestration.durable import clock
from orchestration.durable.generator import Durable
from orchestration.durable.inbox import Inbox
from orchestration.durable.outbox import Lane, Outbox
from orchestration.people.telling import PersonTelling, Tell

# How long the process that took the act has to tell the person: as long as it waits for a verdict.
FIRST_TURN: Final = timedelta(seconds=10)
RETRIED_FOR: Final = timedelta(days=1)
# For how long the answer is sent to the place where the person acted. The chat system does not keep messages that only
# one person sees for anybody who has left since, so after that it is sent as a direct message.
STILL_THERE: Final = timedelta(minutes=1)
# Tries under way at once: no more than a worker runs.
MOST_AT_ONCE: Final = 16
# The orchestration continues as new after this many tries, or bytes of their inputs and failures. A chat system that is
# down for a day would otherwise fill a history in an hour.
CONTINUE_AFTER_TRIES: Final = 200
CONTINUE_AFTER_BYTES: Final = 512 * 1024


class TellAnswer(Tell):
    """Tell the person."""

    activity: Literal["tell_answer"] = "tell_answer"


_Lanes: TypeAlias = dict[str, Lane[TellAnswer]]


class AnswersUntold(AnswerBatch):
    """Input of `owed_answer`: the batch.

    A later generation also gets when it began, and the state of each answer left.
    """

    owed_since: datetime | None = None
    left: dict[int, _Lanes] = Field(default_factory=dict)


def owed_answer(ctx: OrchestrationContext, given: AnswersUntold) -> Durable[None]:
    """Waits for somebody else to tell the answers, and then tries each remaining one for a day."""
    inbox = Inbox(ctx, EventName.ANSWER_TOLD)
    owed_since = given.owed_since or clock.now(ctx)
    left = given.left
    if given.owed_since is None:
        left = {place: _lanes() for place in range(len(given.answers))}
        turn = clock.timer(ctx, owed_since + FIRST_TURN)
        while not turn.is_complete:
            yield when_any([*inbox.waits(), turn])
            for place in _told(inbox):
                left.pop(place, None)
            if not left:
                turn.cancel()
                return
    tellings = {
        place: _Telling(ctx, given.answers[place], owed_since, lanes) for place, lanes in sorted(left.items())
    }
    told: set[int] = set()
    while True:
        told |= _told(inbox)
        long = _is_long(tellings.values())
        under_way = sum(one.outbox.running for one in tellings.values())
        for place, one in tellings.items():
            under_way -= one.outbox.running
            one.outbox.step(start=not long and place not in told and under_way < MOST_AT_ONCE)
            under_way += one.outbox.running
        left = {place: one.lanes for place, one in tellings.items() if one.goes_on(told=place in told)}
        if not left:
            return
        if long and not any(one.outbox.running for one in tellings.values()):
            ctx.continue_as_new(
                given.model_copy(update={"owed_since": owed_since, "left": left}), save_events=True
            )
            return
        yield when_any([*inbox.waits(), *(task for place in left for task in tellings[place].outbox.waits())])


def _told(inbox: Inbox) -> set[int]:
    """The answers that were told since the last look. An unreadable report counts for none: they are told once more."""
    told: set[int] = set()
    while (arrived := inbox.take()) is not None:
        try:
            told.update(AnswersTold.model_validate(arrived[1]).told)
        except ValidationError:
            continue
    return told


def _lanes() -> _Lanes:
    return {"tell": Lane[TellAnswer](queue=[TellAnswer(give_up=RETRIED_FOR)])}


class _Telling(PersonTelling):
    """Tells one person. Each has their own outbox, so that it can be dropped as soon as they were told elsewhere."""

    def __init__(
        self, ctx: OrchestrationContext, given: OwedAnswer, owed_since: datetime, lanes: _Lanes
    ) -> None:
        super().__init__(ctx, given.person)
        self._ctx = ctx
        self._given = given
        self._owed_since = owed_since
        self.lanes = lanes
        self.outbox: Outbox[TellAnswer, Delivery] = Outbox(ctx, lambda: clock.now(ctx), lanes, self, Delivery)
        self.tries = 0

    def goes_on(self, *, told: bool) -> bool:
        """Whether anything is left to do. A try under way is waited for, even if the person was `told` elsewhere."""
        return self.outbox.running or (self.outbox.busy() and not told)

    def build(self, item: TellAnswer, attempt: int, *, maybe_done: bool) -> tuple[str, OwedAnswer]:  # noqa: ARG002 - what only they see cannot be looked for
        self.tries += 1
        left = clock.now(self._ctx) - self._owed_since > STILL_THERE
        place = None if left else self._given.place
        return item.activity, self._given.model_copy(update={"attempt": attempt, "place": place})


def _is_long(tellings: Iterable[_Telling]) -> bool:
    """Whether the history of this generation is long."""
    tries, written = 0, 0
    for one in tellings:
        tries += one.tries
        written += one.outbox.written
    return tries >= CONTINUE_AFTER_TRIES or written >= CONTINUE_AFTER_BYTES

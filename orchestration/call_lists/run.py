"""One list of waiting calls: its events, its card, and when it is over."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from durabletask.entities import EntityInstanceId
from durabletask.task import OrchestrationContext, Task, when_any
from pydantic import ValidationError

from orchestration.approval.run import CONTINUE_AS_NEW_AFTER, CONTINUE_AS_NEW_BYTES, ContinueAsNew
from orchestration.call_lists.effects import CallListEffects
from orchestration.call_lists.models import (
    EVENT_LISTED,
    CallListInput,
    CallListProgress,
    CallListState,
)
from orchestration.domain.call_lists import ListedCall
from orchestration.domain.request import AGENT_RUN, to_json
from orchestration.durable import clock
from orchestration.durable.generator import Durable
from orchestration.durable.inbox import Inbox

log = logging.getLogger(__name__)


class CallListRun:
    """One open list, and the durable means to act on it."""

    def __init__(self, ctx: OrchestrationContext, given: CallListInput) -> None:
        self._ctx = ctx
        self._given = given
        self._log = ctx.create_replay_safe_logger(log)
        self._inbox = Inbox(ctx, EVENT_LISTED)
        self.state = given.state.model_copy(deep=True) if given.state else CallListState(calls=[given.first])
        self._effects = CallListEffects(ctx, given.channel, self.state, self._now)
        self._outbox = self._effects.outbox
        self._happened = 0
        self._heard = 0  # bytes of the events in this history

    def _now(self) -> datetime:
        return clock.now(self._ctx)

    def carried(self) -> CallListInput:
        """The input of the next generation."""
        return self._given.model_copy(update={"state": self.state})

    def progress(self) -> CallListProgress:
        """The status to publish."""
        state = self.state
        return CallListProgress(
            card=state.card, problem=state.problem, calls=len(state.calls), heard=state.heard
        )

    def begin(self) -> None:
        """In the first generation, posts the card."""
        if self._given.state is None:
            self._effects.post_card()

    def keep(self) -> Durable[None]:
        """Returns once no call on it waits, none can join, and its card shows that; or if the card cannot be posted."""
        while self._busy():
            arrived = self._inbox.take()
            if arrived is not None:
                self._take(arrived[1])
            elif self._outbox.busy():
                yield from self._wait()
            elif self.state.problem:
                return
            elif self.state.is_over() and (yield from self._is_left()):
                if not self._inbox.has_arrived():
                    return
            else:
                yield from self._wait()

    def _is_left(self) -> Durable[bool]:
        """Whether the run has no call on this list any more.

        A call may have joined it that has not been reported here yet.
        """
        run = EntityInstanceId(AGENT_RUN, self._given.run)
        call: Task[Any] = self._ctx.call_entity(run, "over", self._ctx.instance_id)
        return bool((yield from self._inbox.meanwhile(call)))

    def _wait(self) -> Durable[None]:
        """Waits for the next event. Raises `ContinueAsNew` when the history is long and no try is under way."""
        if self._long() and not self._outbox.running:
            raise ContinueAsNew
        yield when_any([*self._inbox.waits(), *self._outbox.waits()])

    def _long(self) -> bool:
        written = self._outbox.written + self._heard
        return self._happened >= CONTINUE_AS_NEW_AFTER or written >= CONTINUE_AS_NEW_BYTES

    def _busy(self) -> bool:
        """Runs the outbox and publishes the status; always true, to open a waiting loop."""
        self._outbox.step(start=not self._long())
        self._ctx.set_custom_status(self.progress())
        return True

    def _take(self, payload: Any) -> None:
        """Adds a call, or updates the content of its card. A call that has ended stays ended."""
        self._happened += 1
        self._heard += len(to_json(payload).encode())
        try:
            said = ListedCall.model_validate(payload)
        except ValidationError as error:
            self._log.warning("%s: malformed call (%d faults)", self._ctx.instance_id, error.error_count())
            return
        self.state.heard[said.key] = said.mark()
        call, calls = _short(said), self.state.calls
        known = next((n for n, one in enumerate(calls) if _is_same(one, call)), None)
        if known is None:
            calls.append(call)
            self._effects.tell_joined(call)
        elif calls[known].card == call.card or (
            calls[known].card.status.ended and not call.card.status.ended
        ):
            return
        else:
            calls[known] = call
        self._effects.refresh()


def _short(call: ListedCall) -> ListedCall:
    """The call, without its arguments once it has ended: the card then shows only how it ended."""
    if not call.card.status.ended:
        return call
    return call.model_copy(update={"card": call.card.model_copy(update={"description": ""})})


def _is_same(one: ListedCall, other: ListedCall) -> bool:
    return (one.card.request_id, one.card.nonce) == (other.card.request_id, other.card.nonce)

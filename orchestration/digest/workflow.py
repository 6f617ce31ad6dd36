"""The `channel_digest` orchestration: the listener of one channel. Deterministic, no I/O.

It handles lines, an hourly timer and a stop, in the order in which they come. It starts with the first line. It ends
after an hour without lines, or when it is stopped.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any, Final

from durabletask.task import OrchestrationContext, when_any
from pydantic import ValidationError

from orchestration.digest import tally
from orchestration.digest.models import EVERY, DigestInput, DigestProgress, DigestState, SendDigest
from orchestration.domain.digests import DigestLine, PostDigestInput
from orchestration.domain.effects import Delivery
from orchestration.domain.names import EventName
from orchestration.durable import clock
from orchestration.durable.generator import Durable
from orchestration.durable.inbox import Inbox
from orchestration.durable.outbox import Outbox
from orchestration.durable.post_try import COPIES_AFTER

log = logging.getLogger(__name__)

TIMER: Final = "timer"
LANE: Final = "post"
COPIES: Final = "copies"
# The orchestration continues as new after this many events.
CONTINUE_AS_NEW_AFTER: Final = 100
# A line repeated among this many later ones is counted once. Senders try again within minutes.
SEEN_KEPT: Final = 1000
RETRIED_FOR: Final = timedelta(days=3)
# The time from when the listener publishes that it closes to its end. A line sent before is counted; a later sender
# sees that it closes, and sends the line again. See `HubDigests`.
CLOSING_TIME: Final = timedelta(seconds=30)


def channel_digest(ctx: OrchestrationContext, given: DigestInput) -> Durable[DigestProgress | None]:
    """Runs for as long as lines come. Returns its last progress; None when it continues as new."""
    run = _DigestRun(ctx, given)
    run.go_on()
    while True:
        run.step()
        if (arrived := run.inbox.take()) is not None:
            run.handle(*arrived)
        elif run.over():
            return run.end()
        elif run.is_long():
            ctx.continue_as_new(run.carried(), save_events=True)
            return None
        else:
            yield when_any(run.waits())


class _DigestRun:
    """One listener, in the memory of a worker."""

    def __init__(self, ctx: OrchestrationContext, given: DigestInput) -> None:
        self._ctx = ctx
        self._given = given
        self._log = ctx.create_replay_safe_logger(log)
        self._happened = 0
        self._state = given.state.model_copy(deep=True) if given.state else DigestState(seen=given.seen)
        self.inbox = Inbox(ctx, EventName.DIGEST_LINE, EventName.DIGEST_STOP)
        self._outbox: Outbox[SendDigest, Delivery] = Outbox(ctx, self._now, self._state.lanes, self, Delivery)

    def _now(self) -> datetime:
        return clock.now(self._ctx)

    def go_on(self) -> None:
        """Waits for the hour that an earlier generation began, or begins one."""
        self._wait_until(self._state.due_at or self._now() + EVERY)

    def carried(self) -> DigestInput:
        """The input of the next generation."""
        return self._given.model_copy(update={"state": self._state, "seen": []})

    def end(self) -> DigestProgress:
        """The last progress, with the `seen` lines for the next listener, to which a line may be sent again."""
        return self.progress().model_copy(update={"seen": self._state.seen})

    def progress(self) -> DigestProgress:
        """What others may see."""
        state = self._state
        return DigestProgress(
            channel=self._given.channel,
            held=state.held.count if state.held else 0,
            since=state.held.since if state.held else None,
            due_at=state.due_at if state.held else None,
            sending=self._is_sending(),
            closing=state.closing,
            sent=state.sent,
        )

    # ---- the loop --------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Runs the outbox, and publishes the progress."""
        self._outbox.step(start=not self._long())
        if self._state.closing and self._state.held is not None and not self._is_sending():
            self._flush()
            self._outbox.step(start=not self._long())
        self._ctx.set_custom_status(self.progress())

    def waits(self) -> list[Any]:
        """The tasks to wait for."""
        return [*self.inbox.waits(), *self._outbox.waits()]

    def over(self) -> bool:
        """Whether nothing is left to do, and senders have had the time to see that it closes."""
        state = self._state
        waited = state.due_at is not None and self._now() >= state.due_at
        return state.closing and waited and state.held is None and not self._outbox.busy()

    def is_long(self) -> bool:
        """Whether to continue as new. Not while a try is under way: only this generation can receive its result."""
        return self._long() and not self._outbox.running

    def _long(self) -> bool:
        return self._happened >= CONTINUE_AS_NEW_AFTER

    def handle(self, name: str, payload: Any) -> None:
        """Handles one event: a line, the timer, or the stop. An unreadable event is ignored."""
        self._happened += 1
        if name == EventName.DIGEST_LINE:
            try:
                self._take(DigestLine.model_validate(payload))
            except ValidationError as error:
                self._log.warning(
                    "%s: malformed line (%d faults)", self._ctx.instance_id, error.error_count()
                )
        elif name == EventName.DIGEST_STOP:
            self._close()
        elif self._state.due_at is not None and self._now() >= self._state.due_at:
            self._hour()
        elif (
            self._state.due_at is not None
        ):  # a timer of an earlier generation, which some hubs still deliver
            self._wait_until(self._state.due_at)

    def _take(self, line: DigestLine) -> None:
        state = self._state
        if line.key in state.seen:
            return
        state.seen = [*state.seen, line.key][-SEEN_KEPT:]
        if state.held is None:
            state.held = tally.begun(self._now())
            self._wait_until(self._now() + EVERY)
        state.closing = False
        state.held = tally.counted(state.held, line)

    def _hour(self) -> None:
        """Posts the held summary at the end of an hour. After an hour without lines the listener closes."""
        if self._state.closing:
            return
        if self._state.held is None and not self._is_sending():
            self._close()
            return
        self._flush()
        self._wait_until(self._now() + EVERY)

    def _close(self) -> None:
        self._state.closing = True
        self._wait_until(self._now() + CLOSING_TIME)

    def _flush(self) -> None:
        """Sends the held summary. While an earlier message is still being tried, it stays held."""
        state = self._state
        if state.held is not None and not self._is_sending():
            state.sent += 1
            item = SendDigest(
                number=state.sent, place=self._given.channel, summary=state.held, give_up=RETRIED_FOR
            )
            state.held = None
            self._outbox.put(LANE, item)

    def _is_sending(self) -> bool:
        """Whether a message is being sent, or waits for another try."""
        return LANE in self._state.lanes

    def _wait_until(self, moment: datetime) -> None:
        self._state.due_at = moment
        self.inbox.watch(TIMER, clock.timer(self._ctx, moment))

    # ---- running an item: the outbox asks --------------------------------------------------------------------

    def build(self, item: SendDigest, attempt: int, *, maybe_done: bool) -> tuple[str, PostDigestInput]:
        """The activity and its input.

        The ID contains the start of this listener, because a channel may have several in turn.
        """
        return "remove_digest_copies" if item.copies else "post_digest", PostDigestInput(
            digest_id=f"{self._ctx.instance_id}:{item.summary.since.isoformat()}:{item.number}",
            channel=self._given.channel,
            place=item.place,
            summary=item.summary,
            problem=item.problem,
            attempt=attempt,
            maybe_done=maybe_done,
        )

    def done(self, item: SendDigest, result: Delivery) -> None:
        """Handles a posted summary. Lines held meanwhile are posted when their hour ends.

        If another try may have posted it too, its copies are looked for later: they may still be on their way now.
        """
        if result.unsure and not item.copies:
            copies = item.model_copy(update={"copies": True, "give_up": RETRIED_FOR})
            self._outbox.put(f"{COPIES}:{item.number}:{item.place}", copies, after=COPIES_AFTER)

    def put_off(self, item: SendDigest, attempt: int, problem: str, pause: timedelta) -> None:
        """Handles a message that will be tried again later."""
        self._log.info(
            "%s: %s %d, try %d: %s; the next in %g s",
            self._ctx.instance_id,
            COPIES if item.copies else LANE,
            item.number,
            attempt,
            problem,
            pause.total_seconds(),
        )

    def late(self, item: SendDigest, problem: str) -> None:
        """Does nothing: nobody waits for it."""

    def failed(self, item: SendDigest, problem: str) -> None:
        """Sends a summary that cannot be posted in the channel to the owner of a policy, with the reason."""
        if item.copies:
            self._log.warning("%s: copies of %d: %s", self._ctx.instance_id, item.number, problem)
            return
        owner = item.summary.owner
        self._log.error("%s: post_digest %d was given up: %s", self._ctx.instance_id, item.number, problem)
        if owner is not None and not item.problem:
            self._outbox.put(LANE, item.model_copy(update={"place": owner, "problem": problem[:300]}))

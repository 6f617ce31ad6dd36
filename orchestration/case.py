"""One request under way: its record, and the durable means to act on it. `approval` says what happens when."""

from __future__ import annotations

import logging
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from durabletask.task import OrchestrationContext, Task, TaskFailedError, when_any
from pydantic import ValidationError

from orchestration import policy as rules
from orchestration.cards import Card, Delivery, EditCard, Members, Membership, PostCard, Tell
from orchestration.inbox import Inbox
from orchestration.models import (
    EVENT_CANCELLED,
    EVENT_DECISION,
    ApprovalInput,
    Cancellation,
    CardRef,
    Choice,
    Decision,
    Level,
    Reason,
    Status,
    Vote,
)
from orchestration.outbox import Effect, Outbox
from orchestration.record import Record

log = logging.getLogger(__name__)

T = TypeVar("T")
Durable = Generator[Task[Any], Any, T]

EDITS_GIVE_UP: Final = timedelta(days=3)
LOOKUP_TRIES: Final = 2


class Case:
    """One request under way: its record, and the durable means to act on it."""

    def __init__(self, ctx: OrchestrationContext, given: ApprovalInput) -> None:
        self._ctx = ctx
        self._log = ctx.create_replay_safe_logger(log)
        self._inbox = Inbox(ctx, EVENT_DECISION, EVENT_CANCELLED)
        self._outbox = Outbox(ctx, self.now)
        self.record = Record(ctx.instance_id, given, self.now())
        self.settled_by: Vote | None = None
        self.silent = False

    def now(self) -> datetime:
        """The orchestration's own time, aware UTC."""
        return self._ctx.current_utc_datetime.replace(tzinfo=UTC)

    # ---- what happens to a request -----------------------------------------------------------------------

    def open_level(self, level: Level) -> None:
        """A level begins, with a card of its own."""
        self.record.open_level(level, self.now())
        self._refresh_cards()
        self._post(self.record.policy.channel, level.notify, essential=True)

    def escalate(self) -> None:
        """Silence: the escalation channel gets a card, and the first one says so and stays open."""
        escalation = self.record.policy.escalation
        if escalation is None:
            raise AssertionError("the policy was checked to have an escalation where a level escalates")
        self.record.escalate(escalation, self.now())
        self._post(escalation.channel, escalation.notify, essential=False)
        self._refresh_cards()
        self._tell_requester()

    def end(self, status: Status, *, by: str | None = None, comments: str = "", reason: str = "") -> None:
        """The request is over; every posted copy and the requester will hear of it."""
        self.record.end(status, self.now(), by=by, comments=comments, reason=reason)
        self._refresh_cards()
        self._tell_requester()

    # ---- waiting -----------------------------------------------------------------------------------------

    def wait_for_answers(self) -> Durable[None]:
        """Until the level is settled, the request has ended, or the deadline has passed in silence (`silent`)."""
        self.silent = False
        deadline = self._ctx.create_timer(self._naive(self.record.deadline))
        while self._busy() and self.record.open_rounds:
            yield when_any([*self._inbox.waits(), deadline, *self._outbox.waits()])
            if (event := self._inbox.take()) is not None:
                yield from self._handle(*event)
            elif deadline.is_complete:
                self.silent = True
                return
        deadline.cancel()

    def finish(self) -> Durable[None]:
        """Lets every outstanding effect finish; commands that still come in are told that it is over."""
        while self._busy() and (waits := self._outbox.waits()):
            yield when_any([*waits, *self._inbox.waits()])
            while (event := self._inbox.take()) is not None:
                yield from self._handle(*event)

    def _busy(self) -> bool:
        """Moves the effects along and publishes where things stand; always true, to open a waiting loop."""
        self._outbox.step()
        self._ctx.set_custom_status(self.record.progress())
        return True

    @staticmethod
    def _naive(when: datetime | None) -> datetime:
        """The SDK's timers take naive UTC."""
        if when is None:
            raise AssertionError("a round that is waited for has a deadline")
        return when.astimezone(UTC).replace(tzinfo=None)

    # ---- commands ----------------------------------------------------------------------------------------

    def _handle(self, name: str, payload: Any) -> Durable[None]:
        """Answers one command. A delivery that came twice already has its verdict."""
        model = Decision if name == EVENT_DECISION else Cancellation
        try:
            command = model.model_validate(payload)
        except ValidationError as error:
            self._refuse_malformed(name, payload, error)
            return
        if self.record.answered(command.command_id):
            return
        if isinstance(command, Decision):
            reason = yield from self._decide(command)
        else:
            reason = self._cancel(command)
        self.record.answer(command.command_id, reason)

    def _refuse_malformed(self, name: str, payload: Any, error: ValidationError) -> None:
        """Anyone may raise an event. One that does not fit is logged, and answered where it carries an ID."""
        self._log.warning(
            "%s: malformed %s passed over (%d faults)", self.record.request_id, name, error.error_count()
        )
        command_id = payload.get("command_id") if isinstance(payload, dict) else None
        if (
            isinstance(command_id, str)
            and 0 < len(command_id) <= 100
            and not self.record.answered(command_id)
        ):
            self.record.answer(command_id, Reason.MALFORMED)

    def _decide(self, decision: Decision) -> Durable[Reason]:
        if self.record.status.ended:
            return Reason.ALREADY_ENDED
        members = yield from self._members()
        if members is None:
            return Reason.DIRECTORY_UNAVAILABLE
        reason = rules.may_decide(
            decision,
            request=self.record.request,
            policy=self.record.policy,
            level=self.record.level,
            escalation=self.record.escalation,
            open_rounds=self.record.open_rounds,
            members=members,
        )
        if reason is Reason.RECORDED:
            reason = self.record.vote(decision, self.now())
        if reason is Reason.RECORDED:
            self._count(members)
        return reason

    def _count(self, members: dict[str, list[str]]) -> None:
        """After a new vote, ends the level or the whole request where it is settled."""
        settled = self.record.decided(members)
        if settled is None:
            self._refresh_cards()
        elif settled.choice is Choice.REJECT:
            self.end(Status.REJECTED, by=settled.actor, comments=settled.comment)
        else:
            self.settled_by = settled
            self.record.close_level(Status.APPROVED)

    def _cancel(self, cancellation: Cancellation) -> Reason:
        if self.record.status.ended:
            return Reason.ALREADY_ENDED
        if cancellation.actor != self.record.request.requester:
            return Reason.NOT_THE_REQUESTER
        self.end(Status.CANCELLED, by=cancellation.actor, comments=cancellation.reason)
        return Reason.RECORDED

    def _members(self) -> Durable[dict[str, list[str]] | None]:
        """Who is in the groups that may decide, at this moment and so on record; None when nobody could tell."""
        escalation = self.record.escalation
        groups = rules.groups_of(
            [*self.record.level.approvers, *(escalation.approvers if escalation else [])]
        )
        if not groups:
            return {}
        for _ in range(LOOKUP_TRIES):
            try:
                found: Membership = yield self._ctx.call_activity(
                    "members", input=Members(groups=groups), return_type=Membership
                )
            except TaskFailedError as error:
                self._log.warning("%s: group lookup failed: %s", self.record.request_id, error)
            else:
                return found.groups
        return None

    # ---- effects -----------------------------------------------------------------------------------------

    def _post(self, channel: str, notify: list[str], *, essential: bool) -> None:
        """Posts the newest round's card. Without a level's card nobody could decide, so its loss ends the request."""
        round_ = self.record.round
        shown: list[Card] = []

        def build(attempt: int, since: datetime) -> PostCard:
            shown[:] = [self.record.card(round_)]
            return PostCard(
                channel=channel, card=shown[0], notify=notify, attempt=attempt, scheduled_at=since
            )

        def posted(delivery: Delivery) -> None:
            if delivery.card is None:
                raise AssertionError("a card that was posted has a place")
            self.record.cards = [*self.record.cards, delivery.card]
            if (
                self.record.card(round_) != shown[0]
            ):  # it was decided, or escalated, while the post was under way
                self._refresh(delivery.card)

        def lost(problem: str) -> None:
            self._log.error("%s: round %d could not be posted: %s", self.record.request_id, round_, problem)
            if essential and not self.record.status.ended:
                self.end(Status.FAILED, reason=f"The card could not be posted: {problem}")

        give_up = (self.record.deadline or self.now()) - self.now()
        self._outbox.put(
            f"card:{round_}", Effect("post_card", build, give_up=give_up, done=posted, failed=lost)
        )

    def _refresh_cards(self) -> None:
        """Every posted copy is to say what is true now."""
        for ref in self.record.cards:
            self._refresh(ref)

    def _refresh(self, ref: CardRef) -> None:
        self._outbox.put(
            f"card:{ref.round}",
            Effect(
                activity="edit_card",
                build=lambda attempt, _: EditCard(ref=ref, card=self.record.card(ref.round), attempt=attempt),
                give_up=EDITS_GIVE_UP,
                failed=lambda problem: self._log.error(
                    "%s: the card %s in %s could not be edited: %s",
                    self.record.request_id,
                    ref.ts,
                    ref.channel,
                    problem,
                ),
                replaceable=True,
            ),
        )

    def _tell_requester(self) -> None:
        card = self.record.card(self.record.round)
        where = self.record.cards[0] if self.record.cards else None
        self._outbox.put(
            "requester",
            Effect(
                activity="tell",
                build=lambda attempt, _: Tell(user=card.requester, card=card, where=where, attempt=attempt),
                give_up=EDITS_GIVE_UP,
                failed=lambda problem: self._log.warning(
                    "%s: the requester could not be told: %s", self.record.request_id, problem
                ),
            ),
        )

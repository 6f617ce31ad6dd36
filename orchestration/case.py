"""One request under way: what happens to it, and the durable waiting. `approval` says in which order."""

from __future__ import annotations

import logging
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from durabletask.entities import EntityInstanceId
from durabletask.task import OrchestrationContext, Task, TaskFailedError, when_any
from pydantic import ValidationError

from orchestration import policy as rules
from orchestration.cards import Members, Membership, Notice, StepKind, Waiting
from orchestration.commands import (
    COMMANDS,
    Cancellation,
    Command,
    Comment,
    Decision,
    Delegation,
    Reason,
    Retry,
)
from orchestration.effects import Effects
from orchestration.inbox import Inbox
from orchestration.models import PERSON, CardRef, Choice, RemarkKind, Status
from orchestration.outbox import Outbox
from orchestration.people import Reminder, Wait
from orchestration.policies import PersonEntry
from orchestration.record import Record
from orchestration.state import ApprovalInput

log = logging.getLogger(__name__)

T = TypeVar("T")
Durable = Generator[Task[Any], Any, T]

LOOKUP_TRIES: Final = 2
LOOKUP_PAUSE: Final = timedelta(seconds=30)
# After so many things have happened the orchestration continues as new, so that no history grows without end.
TURN_OVER_AFTER: Final = 100


class TurnOver(Exception):  # noqa: N818 - not an error: the history is long enough, a new generation goes on
    """The orchestration has to continue as new with `Case.carried()`."""


class Case:
    """One request under way: its record, and the durable means to act on it."""

    def __init__(self, ctx: OrchestrationContext, given: ApprovalInput) -> None:
        self._ctx = ctx
        self._given = given
        self._log = ctx.create_replay_safe_logger(log)
        self._inbox = Inbox(ctx, *COMMANDS)
        self._outbox = Outbox(ctx, self.now)
        self.record = Record(ctx.instance_id, given, self.now())
        self._effects = Effects(self.record, self._outbox, self.now)
        self._happened = 0

    def now(self) -> datetime:
        """The orchestration's own time, aware UTC."""
        return self._ctx.current_utc_datetime.replace(tzinfo=UTC)

    def carried(self) -> ApprovalInput:
        """The input of the next generation."""
        return self._given.model_copy(update={"state": self.record.state})

    # ---- what happens to a request -----------------------------------------------------------------------

    def open_level(self, index: int) -> Durable[None]:
        """A level begins, with a card of its own; whoever is away is replaced by their stand-in."""
        record = self.record
        level = record.policy.levels[index]
        away = yield from self._stand_ins(level.approvers)
        record.open_level(index, away, self.now())
        if level.quorum == "all" or level.remind_every:
            yield from self._ask(must_know=level.quorum == "all")
        self._effects.refresh_cards()
        for absent, present in away.items():
            self._effects.trail(StepKind.STANDS_IN, actor=absent, to=present)
        self._effects.post_card(
            level.channel or record.policy.channel,
            level.notify,
            lost=self._card_lost,
            posted=lambda where: self._asked(where, list(away.values())),
        )

    def announce(self, reason: str) -> None:
        """Nobody needs to be asked: the channel still sees what was approved, and by which rule."""
        self.record.state.round = 1
        self.end(Status.AUTO_APPROVED, reason=reason)
        self._effects.post_card(self.record.policy.channel, [], lost=lambda _: None)

    def escalate(self) -> None:
        """Silence: the escalation channel gets a card, and the first one says so and stays open."""
        self.record.escalate(self.now())
        escalation = self.record.policy.escalation
        if escalation is None:
            raise AssertionError("escalating has checked it")
        self._effects.post_card(escalation.channel, escalation.notify, lost=lambda _: None)
        self._effects.refresh_cards()
        step = self._effects.trail(StepKind.ESCALATED, text=f"<#{escalation.channel}>")
        self._effects.tell_requester(Notice.PROGRESS, step)

    def end(self, status: Status, *, by: str | None = None, comments: str = "", reason: str = "") -> None:
        """The request is over: every posted copy and the requester hear of it, and the outcome's actions run."""
        self._close_waits()
        self.record.end(status, self.now(), by=by, comments=comments, reason=reason)
        self._effects.refresh_cards()
        step = self._effects.trail(StepKind.ENDED, actor=by, status=status, text=reason or comments)
        self._effects.tell_requester(Notice.PROGRESS, step)
        self._effects.run_actions()

    def _asked(self, where: CardRef, stand_ins: list[str]) -> None:
        """There is a card to look at: stand-ins are told of it, and it waits for those who were asked.

        Not before, since both come with a link; and not at all where everything was over by then.
        """
        record = self.record
        if where.round not in record.state.open_rounds:
            return
        for present in dict.fromkeys(stand_ins):
            self._effects.tell(present, Notice.ASKED)
        wait = Wait(
            request_id=record.request_id,
            title=record.request.title,
            deadline=record.state.deadline,
            where=where,
        )
        for person in record.state.asked:
            self._ctx.signal_entity(EntityInstanceId(PERSON, person), "waits", wait.model_dump(mode="json"))

    def _card_lost(self, problem: str) -> None:
        """Without a level's card nobody could decide."""
        self._log.error("%s: the card could not be posted: %s", self.record.request_id, problem)
        if not self.record.ended:
            self.end(Status.FAILED, reason=f"The card could not be posted: {problem}")

    # ---- waiting -----------------------------------------------------------------------------------------

    def wait_for_answers(self) -> Durable[bool]:
        """Until the level is settled or the request has ended (True), or the deadline passes in silence (False)."""
        state = self.record.state
        deadline = self._timer(state.deadline)
        reminder = self._timer(state.remind_at) if state.remind_at else None
        while self._busy() and state.level_open:
            timers = [deadline] if reminder is None else [deadline, reminder]
            yield when_any([*self._inbox.waits(), *timers, *self._outbox.waits()])
            if (event := self._inbox.take()) is not None:
                yield from self._handle(*event)
            elif deadline.is_complete:
                return False
            elif reminder is not None and reminder.is_complete:
                reminder = yield from self._remind()
            if self._happened >= TURN_OVER_AFTER and state.level_open and not self._outbox.waits():
                yield from self._take_all()
                if state.level_open and not self._outbox.busy():
                    raise TurnOver
        deadline.cancel()
        if reminder is not None:
            reminder.cancel()
        return True

    def _take_all(self) -> Durable[None]:
        """An event that a waiter already holds is not carried over, so none may be left in one."""
        while (event := self._inbox.take()) is not None:
            yield from self._handle(*event)

    def finish(self) -> Durable[None]:
        """Lets every outstanding effect finish; what failed can be tried again for as long as the policy says."""
        while self._busy():
            waits = self._outbox.waits()
            if waits:
                yield when_any([*waits, *self._inbox.waits()])
            elif any(action.status == "failed" for action in self.record.state.actions):
                if not (yield from self._wait_for_retry()):
                    return
            else:
                return
            yield from self._take_all()

    def _wait_for_retry(self) -> Durable[bool]:
        """Whether somebody acted before the owner's time to have the actions retried was over."""
        patience = self._ctx.create_timer(self.record.policy.actions_retried_for)
        yield when_any([*self._inbox.waits(), patience])
        if patience.is_complete:
            return False
        patience.cancel()
        return True

    def _busy(self) -> bool:
        """Moves the effects along and publishes where things stand; always true, to open a waiting loop."""
        self._outbox.step()
        self._ctx.set_custom_status(self.record.progress())
        return True

    def _timer(self, when: datetime | None) -> Any:
        """A durable timer; the SDK's take naive UTC."""
        if when is None:
            raise AssertionError("a round that is waited for has a deadline")
        return self._ctx.create_timer(when.astimezone(UTC).replace(tzinfo=None))

    # ---- commands ----------------------------------------------------------------------------------------

    def _handle(self, name: str, payload: Any) -> Durable[None]:
        """Answers one command. A delivery that came twice already has its verdict."""
        self._happened += 1
        try:
            command = COMMANDS[name].model_validate(payload)
        except ValidationError as error:
            self._refuse_malformed(name, payload, error)
            return
        if self.record.answered(command.command_id):
            return
        reason = yield from self._obey(command)
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

    def _obey(self, command: Command) -> Durable[Reason]:
        """Does what the command asks, if the rules allow it; returns what to tell the one who sent it."""
        if isinstance(command, Retry):
            return self._retry(command)
        if self.record.ended:
            return Reason.ALREADY_ENDED
        if isinstance(command, Cancellation):
            return self._cancel(command)
        bench = self.record.bench()
        members = yield from self._members([*bench.approvers, *bench.escalation])
        if members is None:
            return Reason.DIRECTORY_UNAVAILABLE
        if isinstance(command, Decision):
            return self._decide(command, members)
        return (
            self._delegate(command, members)
            if isinstance(command, Delegation)
            else self._comment(command, members)
        )

    def _decide(self, decision: Decision, members: rules.Members) -> Reason:
        record = self.record
        reason = rules.may_decide(
            decision, request=record.request, policy=record.policy, bench=record.bench(), members=members
        )
        if reason is Reason.RECORDED:
            reason = record.vote(decision, self.now())
        if reason is not Reason.RECORDED:
            return reason
        self._waited_enough([decision.actor])
        self._effects.trail(
            StepKind.VOTED, actor=decision.actor, choice=decision.choice, text=decision.comment
        )
        settled = record.decided(members)
        if settled is None:
            self._effects.refresh_cards()
        elif settled.choice is Choice.REJECT:
            self.end(Status.REJECTED, by=settled.actor, comments=settled.comment)
        else:
            self._close_waits()
            record.state.settled_by = settled
            record.close_level(Status.APPROVED)
        return reason

    def _delegate(self, delegation: Delegation, members: rules.Members) -> Reason:
        record = self.record
        reason = rules.may_delegate(
            delegation, request=record.request, policy=record.policy, bench=record.bench(), members=members
        )
        if reason is Reason.RECORDED:
            record.delegate(delegation)
            self._waited_enough([delegation.actor])
            self._effects.refresh_cards()
            step = self._effects.trail(StepKind.DELEGATED, actor=delegation.actor, to=delegation.to)
            self._effects.tell(delegation.to, Notice.ASKED, step)
        return reason

    def _comment(self, comment: Comment, members: rules.Members) -> Reason:
        record = self.record
        reason = rules.may_comment(comment, request=record.request, bench=record.bench(), members=members)
        if reason is not Reason.RECORDED:
            return reason
        asker = record.last_asker()
        record.remark(comment, self.now())
        step = self._effects.trail(StepKind(comment.kind.value), actor=comment.actor, text=comment.text)
        self._effects.refresh_cards()
        if comment.kind is RemarkKind.QUESTION:
            self._effects.tell_requester(Notice.QUESTION, step)
        elif comment.kind is RemarkKind.ANSWER and asker:
            self._effects.tell(asker, Notice.ANSWER, step)
        return reason

    def _cancel(self, cancellation: Cancellation) -> Reason:
        if cancellation.actor != self.record.request.requester:
            return Reason.NOT_THE_REQUESTER
        self.end(Status.CANCELLED, by=cancellation.actor, comments=cancellation.reason)
        return Reason.RECORDED

    def _retry(self, retry: Retry) -> Reason:
        if retry.actor != (self.record.policy.owner or self.record.request.requester):
            return Reason.NOT_THE_OWNER
        if not self.record.ended or not self._effects.retry_actions():
            return Reason.NOTHING_TO_RETRY
        self._effects.refresh_cards()
        return Reason.RECORDED

    # ---- people ------------------------------------------------------------------------------------------

    def _members(self, principals: list[str]) -> Durable[dict[str, list[str]] | None]:
        """Who is in these groups, at this moment and so on record; None when nobody could tell."""
        groups = rules.groups_of(principals)
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

    def _stand_ins(self, approvers: list[str]) -> Durable[dict[str, str]]:
        """Who of the named approvers is away, and who stands in: their own word, or else the operator's."""
        found: dict[str, str] = {}
        for person in approvers:
            if person.startswith("S"):
                continue
            own: Any = yield self._ctx.call_entity(EntityInstanceId(PERSON, person), "entry")
            entry = PersonEntry.model_validate(own) if own else self.record.people.get(person, PersonEntry())
            present = entry.stand_in(self.now().date())
            if present and (
                present != self.record.request.requester or self.record.policy.allow_self_approval
            ):
                found[person] = present
        return found

    def _ask(self, *, must_know: bool) -> Durable[None]:
        """Finds out who is asked. A quorum of all cannot do without, so it waits for a directory that is down."""
        record = self.record
        while (members := (yield from self._members(record.state.approvers))) is None:
            if not must_know or self.now() >= (record.state.deadline or self.now()):
                members = {}
                break
            yield self._ctx.create_timer(LOOKUP_PAUSE)
        record.ask(rules.people_of(record.state.approvers, members))

    def _close_waits(self) -> None:
        """Nobody waits for these people any more."""
        self._waited_enough(self.record.state.asked)

    def _waited_enough(self, people: list[str]) -> None:
        for person in people:
            self._ctx.signal_entity(EntityInstanceId(PERSON, person), "done", self.record.request_id)

    def _remind(self) -> Durable[Any]:
        """Reminds who has not decided, and sets the next reminder. Who has many waiting gets one digest a day."""
        self._happened += 1
        state = self.record.state
        reminded = []
        for person in self.record.undecided():
            raw = yield self._ctx.call_entity(
                EntityInstanceId(PERSON, person), "remind", {"now": self.now().isoformat()}
            )
            reminder = Reminder.model_validate(raw)
            if reminder.digest:
                waiting = [Waiting.model_validate(wait.model_dump()) for wait in reminder.digest]
                self._effects.tell(person, Notice.DIGEST, waiting=waiting)
            elif not reminder.quiet:
                self._effects.tell(person, Notice.REMINDER)
            if not reminder.quiet:
                reminded.append(person)
        if reminded:
            self._effects.trail(StepKind.REMINDED, text=" ".join(f"<@{person}>" for person in reminded))
        every = self.record.level.remind_every
        if every is None:
            raise AssertionError("only a level that reminds has a reminder")
        state.remind_at = self.now() + every
        return self._timer(state.remind_at)

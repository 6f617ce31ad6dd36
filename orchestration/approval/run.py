"""One open request: its events, and the durable waiting. `approval` sets the order of the steps."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, Final

from durabletask.entities import EntityInstanceId
from durabletask.task import OrchestrationContext, Task, TaskFailedError, when_any

from orchestration.approval import asking, projection
from orchestration.approval.approvers import Approvers
from orchestration.approval.command_handler import CommandHandler
from orchestration.approval.effects import Effects
from orchestration.approval.ending import RequestEnding
from orchestration.approval.granted import GrantLookup
from orchestration.approval.outbox_items import PostCard
from orchestration.approval.record import Record
from orchestration.approval.state import ApprovalInput, LostCard
from orchestration.approval.step_up import StepUp
from orchestration.challenge.models import EVENT_UNDELIVERED
from orchestration.domain.cards import Notice, StepKind
from orchestration.domain.commands import EVENTS
from orchestration.domain.policy import OnTimeout
from orchestration.domain.request import AGENT_RUN, CardRef, Status
from orchestration.domain.rounds import Members
from orchestration.durable import clock
from orchestration.durable.generator import Durable
from orchestration.durable.inbox import Inbox
from orchestration.held_calls.agent_run import RunMember
from orchestration.people.worklist import WorklistUpdates

log = logging.getLogger(__name__)

# Names of the timers in the inbox.
DEADLINE: Final = "deadline"
REMINDER: Final = "reminder"
PATIENCE: Final = "patience"
# The orchestration continues as new after this much. A worker can receive a history of at most 4 MiB, and each edit
# adds a card to it, perhaps with a long description and many comments.
CONTINUE_AS_NEW_AFTER: Final = 100  # events handled
CONTINUE_AS_NEW_BYTES: Final = 1024 * 1024  # of inputs and failures of activities
ASKED_DIRECTLY: Final = 50  # people asked directly in a round without a card


class ContinueAsNew(Exception):  # noqa: N818 - not an error: the history is long enough, a new generation goes on
    """The orchestration has to continue as new with `ApprovalRun.carried()`."""


class ApprovalRun:
    """One open request: its record, and the durable means to act on it."""

    def __init__(self, ctx: OrchestrationContext, given: ApprovalInput) -> None:
        self._ctx = ctx
        self._given = given
        self._log = ctx.create_replay_safe_logger(log)
        self._inbox = Inbox(ctx, *EVENTS.values(), EVENT_UNDELIVERED)
        self.record = Record(ctx.instance_id, given, self.now())
        self._effects = Effects(ctx, self.record, self.now, posted=self._card_posted, lost=self._card_lost)
        self._outbox = self._effects.outbox
        self._approvers = Approvers(ctx, self.record, self._inbox, self._effects, self.now)
        self._step_up = StepUp(ctx, self.record)
        self._worklists = WorklistUpdates(ctx, ctx.instance_id)
        self._ending = RequestEnding(
            self.record, self._effects, self._approvers, self._step_up, self._worklists, self.now
        )
        self._handler = CommandHandler(
            ctx,
            self.record,
            self._effects,
            self._approvers,
            self._step_up,
            self._worklists,
            self._ending,
            self.now,
        )
        self._grants = GrantLookup(ctx, self.record, self._inbox, self.now)
        self._happened = 0

    def now(self) -> datetime:
        """The orchestration's own time, aware UTC."""
        return clock.now(self._ctx)

    def carried(self) -> ApprovalInput:
        """The input of the next generation."""
        return self._given.model_copy(update={"state": self.record.state})

    # ---- what happens to a request -----------------------------------------------------------------------

    def begin(self) -> None:
        """In the first generation, puts the request on the worklist of the requester."""
        if self._given.state is None:
            request = self.record.request
            self._worklists.asked(request.requester, request.asked_with)

    def open_level(self, index: int) -> Durable[None]:
        """Opens a level with its own card; puts delegates in the place of those who are away."""
        record = self.record
        level = record.policy.levels[index]
        record.open_level(index, self.now())
        pool = record.policy.delegate_pool()
        members = yield from self._approvers.members([*record.voting.seated_in_reach(), *pool])
        if members is not None:
            self._approvers.ask(members)
        away = yield from self._approvers.find_delegates(level.approvers, members)
        if not index:
            yield from self._join_list()
        if index:
            passed = record.policy.levels[index - 1].name
            by = record.state.decided_by
            step = self._effects.post_reply(
                StepKind.LEVEL_PASSED, actor=by.actor if by else None, text=passed
            )
            self._effects.tell_requester(Notice.PROGRESS, step)
        self._worklists.waits(record.voting.named(), record.state.deadline)
        if members is not None:
            self._approvers.look_at(members)
        self._effects.refresh_cards()
        self._effects.post_card(level.channel or record.policy.channel, level.notify)
        self._tell_delegates(away)
        yield from self._look_for_gone()

    def _join_list(self) -> Durable[None]:
        """Puts the waiting calls of one run of an agent on one card. If that fails, the request gets its own card."""
        state = self.record.state
        if not self._given.run or state.list_id:
            return
        member = RunMember(request_id=self.record.request_id, nonce=self.record.identity.nonce)
        run = EntityInstanceId(AGENT_RUN, self._given.run)
        call: Task[Any] = self._ctx.call_entity(run, "join", member.model_dump(mode="json"))
        try:
            joined = yield from self._inbox.meanwhile(call)
        except TaskFailedError as error:
            self._log.warning("%s: gets a card of its own: %s", self.record.request_id, error)
        else:
            state.list_id = joined if isinstance(joined, str) else ""

    def leave_list(self) -> None:
        """Reports that the request has ended.

        Once its whole list has ended, the run's next call starts another list.
        """
        state = self.record.state
        if not state.list_id or state.left_list:
            return
        member = RunMember(request_id=self.record.request_id, nonce=self.record.identity.nonce)
        run = EntityInstanceId(AGENT_RUN, self._given.run)
        self._ctx.signal_entity(run, "leave", member.model_dump(mode="json"))
        state.left_list = True

    def _look_for_gone(self) -> Durable[None]:
        """Tells the owner of people who were asked and cannot be reached, once the card is on its way."""
        self._busy()
        yield from self._approvers.look_for_gone(self.record.voting.named())

    def _tell_delegates(self, away: dict[str, str]) -> None:
        for absent, delegate in away.items():
            self._effects.post_reply(StepKind.AWAY, actor=absent, to=delegate)
            self._effects.ask(delegate, round_=asking.newest_round_of(self.record, delegate))

    def announce(self, reason: str) -> None:
        """Ends a request that a rule approves. Nobody is asked; the channel sees what was approved and by what rule."""
        self.record.state.round = 1
        self.end(Status.AUTO_APPROVED, reason=reason)
        self._effects.announce()

    def use_grant(self) -> Durable[bool]:
        """Whether a standing grant approved the request, so that nobody is asked.

        Checked once, before anybody is asked.
        """
        if self._given.state is not None:
            return False
        used = yield from self._grants.use()
        if used is None:
            return False
        self.record.state.grant = used
        self.record.state.round = 1
        reason = f"By the standing grant {used.grant}, use {used.number} of {used.of}."
        self.end(Status.APPROVED, by=used.granted_by, reason=reason)
        return True

    def escalate(self) -> Durable[None]:
        """Escalates a level that timed out or that nobody can decide: posts a card there. The first card stays open."""
        escalation = self.record.policy.escalation
        if escalation is None:
            raise AssertionError("the policy was checked to have an escalation where a level escalates")
        why = self.undecidable_because() if self.record.state.undecidable else ""
        before = self.record.voting.named()
        self.record.escalate(self.now())
        pool = self.record.policy.delegate_pool()
        members = yield from self._approvers.members([*self.record.voting.seated(), *pool])
        away = yield from self._approvers.find_delegates(escalation.approvers, members)
        self._worklists.change(before, self.record.voting.named(), self.record.state.deadline)
        if members is not None:
            self._approvers.look_at(members)
            if not self.record.state.undecidable and not self._escalation_helps(members):
                why = (
                    f"{why or 'Nobody decided in time.'} Nobody whom it escalates to may decide it, "
                    f"but the approvers of the level {self.record.level.name} still can."
                )
        self._effects.post_card(escalation.channel, escalation.notify)
        self._effects.refresh_cards()
        step = self._effects.post_reply(StepKind.ESCALATED, place=escalation.channel, text=why)
        self._effects.tell_requester_once_shown(Notice.PROGRESS, step)
        self._tell_delegates(away)
        yield from self._look_for_gone()

    def _escalation_helps(self, members: Members) -> bool:
        """Whether the escalation's round can be approved.

        If not, the escalation says so, since waiting would be in vain.
        """
        return self.record.voting.approvable(members, self.record.state.round)

    def end(self, status: Status, *, by: str | None = None, comments: str = "", reason: str = "") -> None:
        """Ends the request: tells the requester, updates every posted copy, and runs the outcome's actions."""
        self._ending.end_request(status, by=by, comments=comments, reason=reason)

    def _card_posted(self, ref: CardRef) -> None:
        """Puts the request on the worklist of everybody who was asked and has not decided."""
        if ref.round in self.record.state.open_rounds and not self.record.state.escalated:
            self._approvers.wait_for(self.record.voting.undecided())

    def _card_lost(self, card: PostCard, problem: str) -> bool:
        """Handles a card of an open round that can never be posted: its people are asked without a card.

        If the level does not escalate, the request ends instead: the requester is told why, and can ask again.
        """
        state = self.record.state
        self._log.error("%s: the card could not be posted: %s", self.record.request_id, problem)
        if self.record.ended or card.round not in state.open_rounds:
            return False
        if state.escalated or self.record.level.on_timeout is OnTimeout.ESCALATE:
            state.lost_cards.append(LostCard(round=card.round, channel=card.channel, problem=problem))
        else:
            self.end(Status.FAILED, reason=f"The card could not be posted: {problem}")
        return True

    def _ask_without_card(self) -> Durable[None]:
        """Asks those who may decide a round without a card directly. Tells the requester and the owner about it."""
        record = self.record
        lost, record.state.lost_cards = record.state.lost_cards, []
        members = yield from self._approvers.members(record.voting.seated())
        for card in lost:
            people = record.voting.to_ask(card.round, members or {})[:ASKED_DIRECTLY]
            self._effects.ask_without_card(people, card.round)
            step = self._effects.post_reply(
                StepKind.CARD_NOT_POSTED,
                place=card.channel,
                round=card.round,
                text=card.problem,
                people=people,
            )
            for person in self._effects.concerned():
                self._effects.send_message(person, Notice.CARD_NOT_POSTED, step)

    def undecidable_because(self) -> str:
        """Why this level can no longer be decided, as a sentence."""
        return f"Too few people are left who may decide the level {self.record.level.name}."

    # ---- waiting -----------------------------------------------------------------------------------------

    def wait_for_answers(self) -> Durable[bool]:
        """True once the level or the request has ended; False once the deadline has passed, or nobody can decide it."""
        state = self.record.state
        self._watch(DEADLINE, state.deadline)
        self._watch(REMINDER, state.remind_at)
        # The end of a level causes several effects. They start together once it has ended, the most urgent first.
        while self._busy(start=state.level_open) and state.level_open:
            if state.lost_cards:
                yield from self._ask_without_card()
                continue
            if state.undecidable:
                self._inbox.drop(DEADLINE)
                self._inbox.drop(REMINDER)
                return False
            if (arrived := self._inbox.take()) is None:
                if (confirmed := self._step_up.take()) is not None:
                    act, trouble, told = confirmed
                    yield from self._handler.confirmed(act, trouble, told=told)
                else:
                    yield from self._wait()
            elif arrived[0] == REMINDER:
                yield from self._remind()
            elif arrived[0] != DEADLINE:
                yield from self._handle(*arrived)
            elif state.deadline is None or self.now() >= state.deadline:
                self._effects.look_for_cards()
                self._inbox.drop(REMINDER)
                return False
            else:  # a timer of an earlier generation, which some hubs still deliver
                self._watch(DEADLINE, state.deadline)
        self._inbox.drop(DEADLINE)
        self._inbox.drop(REMINDER)
        return True

    def finish(self) -> Durable[None]:
        """Lets every effect finish; the owner can retry what failed for as long as the policy says."""
        state = self.record.state
        while self._busy():
            if (arrived := self._inbox.take()) is not None:
                if arrived[0] != PATIENCE:
                    yield from self._handle(*arrived)
                    if (
                        self._outbox.busy()
                    ):  # actions are retried: the waiting time starts again when they fail
                        self._inbox.drop(PATIENCE)
                continue
            if not self._outbox.busy():
                if (
                    not self._effects.outcome.any_failed()
                    or state.retry_until is None
                    or self.now() >= state.retry_until
                ):
                    return
                if not self._inbox.watches(PATIENCE):
                    self._watch(PATIENCE, state.retry_until)
            yield from self._wait()

    def _wait(self) -> Durable[None]:
        """Waits for the next event. Raises `ContinueAsNew` when the history is long and no try is under way."""
        if self._long() and not self._outbox.running:
            raise ContinueAsNew
        yield when_any([*self._inbox.waits(), *self._step_up.waits(), *self._outbox.waits()])

    def _long(self) -> bool:
        """Whether the history is long. False while a code is awaited: its challenge reports to this generation only."""
        long = self._happened >= CONTINUE_AS_NEW_AFTER or self._outbox.written >= CONTINUE_AS_NEW_BYTES
        return long and not self._step_up.busy()

    def _busy(self, *, start: bool = True) -> bool:
        """Runs the outbox and publishes the status; always true, to open a waiting loop.

        Once the history is long, no new try starts, so that the next generation can begin however much is going on.
        """
        self._outbox.step(start=start and not self._long())
        self._ctx.set_custom_status(projection.progress(self.record))
        return True

    def _watch(self, name: str, when: datetime | None) -> None:
        """Has the inbox report that moment."""
        if when is not None:
            self._inbox.watch(name, clock.timer(self._ctx, when))

    def _remind(self) -> Durable[None]:
        """Handles a reminder timer. Ignores a timer of an earlier generation, which some hubs still deliver."""
        self._happened += 1
        state = self.record.state
        if state.remind_at is not None and self.now() >= state.remind_at:
            members = yield from self._approvers.members(self.record.voting.seated())
            if members is not None:
                self._approvers.look_at(members)
            yield from self._approvers.remind(members)
            state.remind_at = self.record.next_reminder(self.now())
        self._watch(REMINDER, state.remind_at)

    def _handle(self, name: str, payload: Any) -> Durable[None]:
        self._happened += 1
        if name == EVENT_UNDELIVERED:
            self._handler.undelivered(payload)
        else:
            yield from self._handler.handle(name, payload)

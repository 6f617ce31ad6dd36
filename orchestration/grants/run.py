"""One standing grant: its events, and the durable waiting. `standing_grant` sets the order of the steps."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, Final

from durabletask.entities import EntityInstanceId
from durabletask.task import OrchestrationContext, Task, TaskFailedError, when_any
from pydantic import TypeAdapter, ValidationError

from orchestration.approval.run import (
    CONTINUE_AS_NEW_AFTER,
    CONTINUE_AS_NEW_BYTES,
    DEADLINE,
    ContinueAsNew,
)
from orchestration.domain.cards import StepKind
from orchestration.domain.commands import Reason, Verdict, command_id_of
from orchestration.domain.effects import Membership, MembersInput
from orchestration.domain.grant_effects import (
    CountedUse,
    GrantCheckInput,
    GrantStanding,
    GrantView,
)
from orchestration.domain.grants import GrantEnd
from orchestration.domain.request import GRANT_USES
from orchestration.durable import clock
from orchestration.durable.generator import Durable
from orchestration.durable.inbox import Inbox
from orchestration.grants.effects import GrantEffects
from orchestration.grants.models import (
    EVENT_DOUBTED,
    EVENT_REVOKED,
    EVENT_USED,
    GrantInput,
    GrantProgress,
    GrantRevocation,
    GrantState,
)
from orchestration.held_calls.grant_uses import CloseGrant, OpenGrant

log = logging.getLogger(__name__)

VERDICTS_KEPT: Final = 50
TOO_MANY: Final = "There are several grants for calls like these already. Let one of them end first."
USED_UP: Final = "Every use was made."
EXPIRED: Final = "Its time is over."
STOPPED: Final = "It was stopped on the task hub."
_USES: TypeAdapter[list[CountedUse]] = TypeAdapter(list[CountedUse])


class GrantRun:
    """One open grant, and the durable means to act on it."""

    def __init__(self, ctx: OrchestrationContext, given: GrantInput) -> None:
        self._ctx = ctx
        self._given = given
        self._facts = given.given.facts
        self._log = ctx.create_replay_safe_logger(log)
        self._inbox = Inbox(ctx, EVENT_USED, EVENT_REVOKED, EVENT_DOUBTED)
        self.state = given.state.model_copy(deep=True) if given.state else GrantState()
        self._no_card = ""
        self._effects = GrantEffects(ctx, given, self.state, self._view, self.now, self._card_lost)
        self._outbox = self._effects.outbox
        self._happened = 0

    def now(self) -> datetime:
        """The orchestration's own time, aware UTC."""
        return clock.now(self._ctx)

    def carried(self) -> GrantInput:
        """The input of the next generation."""
        return self._given.model_copy(update={"state": self.state})

    def progress(self) -> GrantProgress:
        """The status to publish."""
        state = self.state
        return GrantProgress(
            facts=self._facts,
            opened=state.opened,
            used=len(state.uses),
            deciders=self._given.given.deciders,
            owner=self._given.given.owner,
            ended=state.ended,
            ended_at=state.ended_at,
            ended_by=state.ended_by,
            reason=state.reason,
            card=state.card,
            verdicts=state.verdicts,
        )

    def _view(self) -> GrantView:
        return self.progress().view()

    # ---- what happens to it ------------------------------------------------------------------------------

    def open(self) -> Durable[None]:
        """In the first generation, opens the grant, which counts from then on, and posts its card."""
        if self._given.stopped and self.state.ended is None:
            yield from self._close(GrantEnd.FAILED, reason=STOPPED)
        if self._given.state is not None:
            return
        terms = self._facts.terms
        asked = OpenGrant(
            id=self._facts.id,
            granted_by=self._facts.granted_by,
            until=terms.until,
            of=terms.uses,
            now=self.now(),
        )
        counts = yield from self._call("open", asked.model_dump(mode="json"))
        self._effects.post_card()
        if counts is True:
            self.state.opened = True
        elif self.now() >= terms.until:
            self._ended(GrantEnd.EXPIRED, reason=EXPIRED)
        else:
            self._ended(GrantEnd.FAILED, reason=TOO_MANY)

    def stand(self) -> Durable[None]:
        """Returns once the grant has ended: expired, revoked, or invalid after a change.

        A grant that is used up stays open until it expires: calls that it approved may not have been made yet, and
        people can still revoke it.
        """
        if self.state.ended is not None:
            return
        self._inbox.watch(DEADLINE, clock.timer(self._ctx, self._facts.terms.until))
        while self._busy() and self.state.ended is None:
            if self._no_card:
                problem, self._no_card = self._no_card, ""
                yield from self._close(GrantEnd.FAILED, reason=f"Its card could not be posted: {problem}")
                self._effects.tell_without_card(problem)
                continue
            arrived = self._inbox.take()
            if arrived is None:
                yield from self._wait()
            elif arrived[0] == DEADLINE:
                yield from self._deadline()
            else:
                yield from self._handle(*arrived)
        self._inbox.drop(DEADLINE)

    def finish(self) -> Durable[None]:
        """Lets every effect finish. A revocation that comes meanwhile is answered that the grant has ended."""
        while self._busy():
            arrived = self._inbox.take()
            if arrived is not None:
                yield from self._handle(*arrived)
            elif not self._outbox.busy():
                return
            else:
                yield from self._wait()

    def _deadline(self) -> Durable[None]:
        if self.now() >= self._facts.terms.until:
            yield from self._close(GrantEnd.EXPIRED)
        else:  # a timer of an earlier generation, which some hubs still deliver
            self._inbox.watch(DEADLINE, clock.timer(self._ctx, self._facts.terms.until))

    def _wait(self) -> Durable[None]:
        """Waits for the next event. Raises `ContinueAsNew` when the history is long and no try is under way."""
        if self._long() and not self._outbox.running:
            raise ContinueAsNew
        yield when_any([*self._inbox.waits(), *self._outbox.waits()])

    def _long(self) -> bool:
        return self._happened >= CONTINUE_AS_NEW_AFTER or self._outbox.written >= CONTINUE_AS_NEW_BYTES

    def _busy(self) -> bool:
        """Runs the outbox and publishes the status; always true, to open a waiting loop."""
        self._outbox.step(start=not self._long())
        self._ctx.set_custom_status(self.progress())
        return True

    def _card_lost(self, problem: str) -> None:
        """Makes `stand` end the grant, because nobody would see its uses."""
        if self.state.ended is None:
            self._no_card = problem or "Slack does not take it."

    # ---- events ------------------------------------------------------------------------------------------

    def _handle(self, name: str, payload: Any) -> Durable[None]:
        self._happened += 1
        try:
            if name == EVENT_USED:
                self._used([CountedUse.model_validate(payload)])
            elif name == EVENT_REVOKED:
                yield from self._revoke(GrantRevocation.model_validate(payload))
            elif self.state.ended is None:
                yield from self._look()
        except ValidationError as error:
            self._log.warning(
                "%s: malformed %s passed over (%d faults)", self._facts.id, name, error.error_count()
            )
            command_id = command_id_of(payload)
            if name == EVENT_REVOKED and command_id is not None:
                self._answer(command_id, Reason.MALFORMED)

    def _used(self, uses: list[CountedUse]) -> None:
        """Posts each use as a line of the thread, once, however often it is reported."""
        known = {use.number for use in self.state.uses}
        new = [use for use in uses if use.number not in known]
        if not new:
            return
        self.state.uses = sorted([*self.state.uses, *new], key=lambda use: use.number)
        for use in new:
            self._effects.post_reply(
                StepKind.GRANT_USED,
                use.number,
                text=use.title,
                to=use.request_id,
                event=f"{use.number} of {self._facts.terms.uses}",
            )
        self._effects.refresh()

    def _revoke(self, command: GrantRevocation) -> Durable[None]:
        fingerprint = command.fingerprint()
        if any(verdict.is_on(command.command_id, fingerprint) for verdict in self.state.verdicts):
            return
        reason = yield from self._obey(command)
        self._answer(command.command_id, reason, fingerprint)

    def _obey(self, command: GrantRevocation) -> Durable[Reason]:
        if command.nonce not in {None, self._facts.nonce}:
            return Reason.OUTDATED
        if self.state.ended is not None:
            return Reason.ALREADY_ENDED
        if not command.operator:
            may = yield from self._may_revoke(command.actor)
            if may is not Reason.RECORDED:
                return may
        yield from self._close(GrantEnd.REVOKED, by=command.actor)
        return Reason.RECORDED

    def _may_revoke(self, person: str) -> Durable[Reason]:
        """Whether the person may revoke it: its giver, who answers for the agent, the policy's owner, any approver."""
        given = self._given.given
        people = {self._facts.granted_by, self._facts.requester, given.owner, *given.deciders}
        if person in people - set(given.groups):
            return Reason.RECORDED
        if not given.groups:
            return Reason.NOT_AN_APPROVER
        lookup = self._ctx.call_activity(
            "members", input=MembersInput(groups=given.groups), return_type=Membership
        )
        try:
            found = yield from self._inbox.meanwhile(lookup)
        except TaskFailedError as error:
            self._log.warning("%s: group lookup failed: %s", self._facts.id, error)
            return Reason.DIRECTORY_UNAVAILABLE
        may = any(person in members for members in found.groups.values())
        return Reason.RECORDED if may else Reason.NOT_AN_APPROVER

    def _look(self) -> Durable[None]:
        """Checks whether the grant still counts. If that cannot be found out, it goes on: each use is checked again."""
        given = GrantCheckInput(
            grant=self._facts.id,
            granted_by=self._facts.granted_by,
            policy=self._facts.policy,
            policy_digest=self._facts.policy_digest,
        )
        check = self._ctx.call_activity("check_grant", input=given, return_type=GrantStanding)
        try:
            standing = yield from self._inbox.meanwhile(check)
        except TaskFailedError as error:
            self._log.warning("%s: could not be looked at: %s", self._facts.id, error)
            return
        if not standing.stands:
            yield from self._close(GrantEnd.LAPSED, reason=standing.reason)

    def _close(self, end: GrantEnd, *, by: str | None = None, reason: str = "") -> Durable[None]:
        """Closes the grant: no later use counts. Reports the uses that counted and were not reported yet."""
        closing = CloseGrant(id=self._facts.id, now=self.now())
        uses = yield from self._call("close", closing.model_dump(mode="json"))
        self._used(_USES.validate_python(uses or []))
        if end is GrantEnd.EXPIRED:
            all_used = len(self.state.uses) >= self._facts.terms.uses
            end, reason = (GrantEnd.USED_UP, USED_UP) if all_used else (end, EXPIRED)
        self._ended(end, by=by, reason=reason)

    def _ended(self, end: GrantEnd, *, by: str | None = None, reason: str = "") -> None:
        state = self.state
        state.ended, state.ended_at, state.ended_by, state.reason = end, self.now(), by, reason
        self._effects.post_reply(StepKind.GRANT_ENDED, 0, actor=by, event=end.value, text=reason)
        self._effects.refresh()

    def _answer(self, command_id: str, reason: Reason, fingerprint: str = "") -> None:
        verdict = Verdict(command_id=command_id, reason=reason, fingerprint=fingerprint)
        self.state.verdicts = [*self.state.verdicts, verdict][-VERDICTS_KEPT:]

    def _call(self, operation: str, given: Any) -> Durable[Any]:
        key = EntityInstanceId(GRANT_USES, self._facts.pattern.key)
        call: Task[Any] = self._ctx.call_entity(key, operation, given)
        return (yield from self._inbox.meanwhile(call))

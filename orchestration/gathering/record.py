"""The state of one gathering while it runs. No I/O, no durable calls: takes commands and gives verdicts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from orchestration.domain.cards import Step, StepKind
from orchestration.domain.commands import ACCEPTED, Reason, Verdict
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.fields import read_values
from orchestration.domain.gathering import (
    AnswerWay,
    GatheringAnswer,
    GatheringCommand,
    GatheringStatus,
    SourceAnswer,
)
from orchestration.domain.request import CardRef, Identity
from orchestration.domain.salts import text_salt
from orchestration.gathering.state import GatheringInput, GatheringState

CARD: Final = "card"  # the message in the policy's channel
VERDICTS_KEPT: Final = 100
COMMANDS_REMEMBERED: Final = 1000
CORRECTIONS: Final = 20  # of one source's answer; each is a line of the thread


class GatheringRecord:
    """One gathering. Its status is `collecting` until `end` is called, once."""

    def __init__(self, request_id: str, given: GatheringInput, now: datetime) -> None:
        if given.policy is None:
            raise AssertionError("a gathering is done by the policy that was taken for it")
        self.request_id = request_id
        self.request = given.request
        self.policy = given.policy
        self.asked_without_seal = given.asked_without_seal
        self.identity = Identity(nonce=given.nonce, digest=given.request.digest())
        self._salt = given.salt
        self.people = given.people
        self.state = given.state.model_copy(deep=True) if given.state else self._first(now)

    def _first(self, now: datetime) -> GatheringState:
        wait = min(self.policy.timeout, self.request.timeout or self.policy.timeout)
        every, escalation = self.policy.remind_every, self.policy.escalation
        return GatheringState(
            asked_at=now,
            deadline=now + wait,
            remind_at=now + every if every and every < wait else None,
            escalate_at=now + escalation.after if escalation and escalation.after < wait else None,
        )

    @property
    def ended(self) -> bool:
        """Whether the gathering has ended: no answer is accepted any more."""
        return self.state.status.ended

    @property
    def card(self) -> CardRef | None:
        """The card in the channel; None before it is posted."""
        return next((post.ref for post in self.state.posts if post.message_id == CARD), None)

    @property
    def missing(self) -> list[str]:
        """The sources that have not answered, in the policy's order."""
        return [name for name in self.policy.sources if name not in self.state.answers]

    @property
    def awaited(self) -> list[str]:
        """The people whose answer is still missing: those who are asked, and their delegates."""
        if self.ended:
            return []
        asked = [one for name in self.missing if (one := self.policy.sources[name].person) is not None]
        found = [*asked, *(self.state.delegates[one] for one in asked if one in self.state.delegates)]
        return list(dict.fromkeys(found))

    def asked_for(self, source: str) -> str | None:
        """The person who is asked for that source, or their delegate. None for a system."""
        person = self.policy.sources[source].person
        return person if person is None else self.state.delegates.get(person, person)

    def may_stand_in(self, delegate: str, person: str) -> bool:
        """Whether `delegate` may be asked in place of `person`: one hop only, and only if the policy allows them."""
        if delegate in self.state.delegates:
            return False
        entered = (self.people or {}).get(person)
        return self.policy.may_stand_in(
            delegate,
            person,
            requester=self.request.requester,
            entered=entered.delegate if entered else None,
        )

    # ---- commands ----------------------------------------------------------------------------------------

    def known_verdict(self, command: GatheringCommand) -> Reason | None:
        """The verdict on a command whose ID was accepted before: unchanged, or an ID used twice; None if it is new."""
        known = self.state.handled.get(command.command_id)
        if known is None:
            return None
        return Reason.UNCHANGED if known == command.fingerprint() else Reason.ID_REUSED

    def has_verdict(self, command_id: str, fingerprint: str = "") -> bool:
        """Whether exactly this command already has its verdict (a delivery that came twice)."""
        return any(verdict.is_on(command_id, fingerprint) for verdict in self.state.verdicts)

    def give_verdict(self, command_id: str, reason: Reason, fingerprint: str = "") -> None:
        """Publishes the verdict on a command; the last 100 are kept."""
        if reason in ACCEPTED and command_id not in self.state.handled:
            self.state.handled[command_id] = fingerprint
            if len(self.state.handled) > COMMANDS_REMEMBERED:
                del self.state.handled[next(iter(self.state.handled))]
        self.state.answered += 1
        verdict = Verdict(command_id=command_id, reason=reason, fingerprint=fingerprint)
        self.state.verdicts = [*self.state.verdicts, verdict][-VERDICTS_KEPT:]

    def unfit(self, command: GatheringCommand) -> Reason | None:
        """Why the command is refused unread: the gathering has ended, or the command is for another start of it."""
        if command.nonce not in {None, self.identity.nonce}:
            return Reason.OUTDATED
        return Reason.ALREADY_ENDED if self.ended else None

    def take(self, answer: GatheringAnswer, now: datetime) -> Reason:
        """Stores the answer of a source, in place of an earlier one.

        Only the person asked or their delegate may answer. A delegate cannot change an answer that the person gave.
        """
        if not self._may_answer(answer):
            return Reason.NOT_ASKED
        holder = self.policy.sources[answer.source].person
        before = self.state.answers.get(answer.source)
        if before is not None and before.actor == holder != answer.actor:
            return Reason.ANSWERED_BY_HOLDER
        try:
            values = read_values(self.policy.fields_of(answer.source), answer.values)
        except InvalidRequestError:
            return Reason.MALFORMED
        if before is not None and (before.actor, before.values) == (answer.actor, values):
            return Reason.UNCHANGED
        corrections = 0 if before is None else before.corrections + 1
        if corrections > CORRECTIONS:
            return Reason.TOO_OFTEN
        self.state.problems.pop(answer.source, None)
        self.state.answers[answer.source] = SourceAnswer(
            actor=answer.actor,
            holder=holder,
            at=now,
            way=answer.way,
            token=answer.token,
            values=values,
            corrections=corrections,
            salt=text_salt(self._salt, "answer", answer.source, corrections),
            seal=answer.seal,
        )
        return Reason.RECORDED

    def _may_answer(self, answer: GatheringAnswer) -> bool:
        source = self.policy.sources.get(answer.source)
        if source is None:
            return False
        if source.person is not None:
            asked = {source.person, self.state.delegates.get(source.person, source.person)}
            return answer.actor in asked and answer.way is not AnswerWay.HOOK
        return answer.actor is None and answer.way is AnswerWay.HOOK

    def end(self, status: GatheringStatus, now: datetime, *, by: str | None = None, reason: str = "") -> None:
        """Ends the gathering. Called once; nothing changes it afterwards."""
        state = self.state
        state.status, state.ended_at, state.ended_by, state.reason = status, now, by, reason
        state.record_pending = True

    def next_reminder(self, now: datetime) -> datetime | None:
        """When the next reminder is due; None if the deadline comes first."""
        every = self.policy.remind_every or timedelta(0)
        following = now + every
        return following if every and following < self.state.deadline else None

    # ---- steps -------------------------------------------------------------------------------------------

    def step(self, kind: StepKind, now: datetime, **what: object) -> Step:
        """The next line of the thread. The line of the end always has the number 0, so that there is only one."""
        number = 0 if kind is StepKind.GATHERED else self.next_number()
        return Step.model_validate({"number": number, "kind": kind, "at": now, **what})

    def next_number(self) -> int:
        """A number that no other line or message of this gathering has, in any generation."""
        self.state.steps += 1
        return self.state.steps

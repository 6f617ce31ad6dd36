"""Decisions and delegations that wait for a code. Each starts an `sms_challenge`, and counts once that is verified."""

from __future__ import annotations

from typing import Any

from durabletask.task import OrchestrationContext, Task, TaskFailedError

from orchestration.approval.record import Record
from orchestration.challenge.models import (
    EVENT_CANCELLED,
    Cancelled,
    ChallengeInput,
    ChallengeProgress,
    ChallengeStatus,
    ChallengeTarget,
    Trouble,
    Undelivered,
)
from orchestration.domain.commands import Decision, Delegation, Reason
from orchestration.domain.inert import unquoted
from orchestration.domain.money import format_amount
from orchestration.domain.names import code_id
from orchestration.domain.request import SMS_CHALLENGE, ApprovalRequest, Choice, to_json
from orchestration.domain.rounds import Members

# Told even to a person who knows that the message had not arrived: it did arrive, and then one of these happened.
SAID_AT_ITS_END = frozenset({Trouble.WRONG, Trouble.CANCELLED})
SUBJECT_TITLE = 60  # characters of a title that fit an SMS beside the rest


class StepUp:
    """The second factor of one request. It cannot be bypassed: escalation and delegation inherit it."""

    def __init__(self, ctx: OrchestrationContext, record: Record) -> None:
        self._ctx = ctx
        self._record = record
        self._under_way: dict[str, tuple[Decision | Delegation, Task[Any]]] = {}
        self._undelivered: set[str] = set()

    def needed(self, act: Decision | Delegation, members: Members) -> bool:
        """Whether this act needs a code. A rejection never does, because it is the safe answer."""
        voting = self._record.voting
        if isinstance(act, Delegation):
            return voting.code_to_delegate(act.actor, members)
        return act.choice is not Choice.REJECT and voting.needs_code(act.round)

    def begin(self, act: Decision | Delegation, about: ApprovalRequest | None = None) -> Reason:
        """Sends the actor a code, unless one for the same act is already on its way.

        `about` is the request with the actor's changes, if they approve it with changes.

        An earlier code of this actor for another act is withdrawn, because answering it would not do what they want
        now. A code that was reported as not delivered is withdrawn too.
        """
        record, about = self._record, about or self._record.request
        if not record.voting.enrolled(act.actor):
            return Reason.NOT_ENROLLED
        awaited = [
            _done_by(other)
            for challenge_id, (other, _) in self._under_way.items()
            if other.actor == act.actor and challenge_id not in self._undelivered
        ]
        if _done_by(act) in awaited:
            return Reason.CODE_ON_ITS_WAY
        self.drop(act.actor)
        record.state.challenges += 1
        challenge_id = code_id(record.request_id, record.identity.nonce, record.state.challenges)
        record.state.confirming[act.actor] = challenge_id
        given = ChallengeInput(
            target=ChallengeTarget(user=act.actor),
            subject=self._subject(act, about),
            bound=to_json(
                {
                    "request": record.request_id,
                    "round": act.round,
                    "person": act.actor,
                    "nonce": record.identity.nonce,
                    "digest": about.digest(),
                    "act": "delegate" if isinstance(act, Delegation) else act.choice,
                    **_granted(act),
                }
            ),
            alert_channel=record.alert_channel(),
            request_id=record.request_id,
        )
        task = self._ctx.call_sub_orchestrator(
            SMS_CHALLENGE, input=given, instance_id=challenge_id, return_type=ChallengeProgress
        )
        self._under_way[challenge_id] = (act, task)
        return Reason.CODE_SENT

    def _subject(self, act: Decision | Delegation, request: ApprovalRequest) -> str:
        """The act that the SMS asks to confirm. It names enough for a person to notice that they did not press this."""
        done = "delegate" if isinstance(act, Delegation) else "approve"
        if isinstance(act, Decision) and act.edits:
            done = "change and approve"
        what = f"{done} {self._record.request_id}"
        amount = ""
        if request.amount is not None:
            amount = f", {format_amount(request.amount, request.currency)}"
        if isinstance(act, Decision) and act.grant is not None:
            amount = f" and up to {act.grant.uses} calls like it, until {act.grant.until:%H:%M} UTC"
        title = unquoted(request.title)
        if (
            len(title) > SUBJECT_TITLE
        ):  # otherwise a cut-off command reads as complete; the GSM alphabet has no "…"
            title = f"{title[: SUBJECT_TITLE - 3]}..."
        return f'{what}{amount}: "{title}"'

    def waits(self) -> list[Task[Any]]:
        """The tasks to wait for."""
        return [task for _, task in self._under_way.values()]

    def busy(self) -> bool:
        """Whether any code is awaited."""
        return bool(self._under_way)

    def undelivered(self, report: Undelivered) -> str | None:
        """The person who waits for a code that did not arrive, at its first report; None if there is none."""
        found = self._under_way.get(report.challenge_id)
        if found is None or report.challenge_id in self._undelivered:
            return None
        self._undelivered.add(report.challenge_id)
        return found[0].actor

    def take(self) -> tuple[Decision | Delegation, Trouble | None, bool] | None:
        """An act whose challenge has ended; None if none has ended.

        Returned with why it is not confirmed (None if it is), and whether its person was told so when the message was
        reported as not delivered.
        """
        for challenge_id, (act, task) in list(self._under_way.items()):
            if task.is_complete:
                del self._under_way[challenge_id]
                self._record.state.confirming.pop(act.actor, None)
                trouble = self._trouble(task)
                return act, trouble, challenge_id in self._undelivered and trouble not in SAID_AT_ITS_END
        return None

    @staticmethod
    def _trouble(task: Task[Any]) -> Trouble | None:
        try:
            progress: ChallengeProgress = task.get_result()
        except TaskFailedError:  # terminated from outside, or our own fault: not confirmed
            return Trouble.CANCELLED
        if progress.status is ChallengeStatus.VERIFIED:
            return None
        return progress.trouble or Trouble.EXPIRED

    def drop(self, person: str) -> None:
        """Cancels the person's pending codes: they have decided otherwise since, so the older act never counts."""
        for challenge_id, (act, _) in list(self._under_way.items()):
            if act.actor == person:
                self._cancel(challenge_id)
                del self._under_way[challenge_id]
                self._record.state.confirming.pop(person, None)

    def drop_all(self) -> list[str]:
        """Cancels all codes because the level is over: no later answer counts.

        Returns the people who had confirmed, too late.
        """
        late = []
        for challenge_id, (act, task) in self._under_way.items():
            if not task.is_complete:
                self._cancel(challenge_id)
            elif self._trouble(task) is None:
                late.append(act.actor)
        self._under_way.clear()
        self._record.state.confirming.clear()
        return late

    def _cancel(self, challenge_id: str) -> None:
        cancelled = Cancelled(trouble=Trouble.CANCELLED).model_dump(mode="json")
        self._ctx.send_event(challenge_id, EVENT_CANCELLED, data=cancelled)


def _granted(act: Decision | Delegation) -> dict[str, Any]:
    """The grant given with the act, as the code is bound to it."""
    if isinstance(act, Delegation) or act.grant is None:
        return {}
    return {"grant": act.grant.model_dump(mode="json")}


def _done_by(act: Decision | Delegation) -> tuple[int, str, str, str]:
    """What the act does: equal for a repeated press, also by another way."""
    if isinstance(act, Delegation):
        return act.round, "delegate", act.to, ""
    return act.round, act.choice, act.comment, to_json({"edits": act.edits, **_granted(act)})

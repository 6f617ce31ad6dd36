"""The `sms_challenge` orchestration: send a code, wait for it, tell whether it came. Deterministic, no I/O."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any, Final

from durabletask.entities import EntityInstanceId
from durabletask.task import OrchestrationContext, RetryPolicy, TaskFailedError, when_any
from pydantic import ValidationError

from orchestration.challenge.boot_time import BootMoment
from orchestration.challenge.models import (
    EVENT_CANCELLED,
    EVENT_RESPONSE,
    Cancelled,
    ChallengeInput,
    ChallengeProgress,
    ChallengeStatus,
    CheckCode,
    CheckedCode,
    CodeResult,
    LockAlert,
    PhoneRef,
    Response,
    SendCode,
    Sent,
    Trouble,
)
from orchestration.challenge.phone import Opened, Opening
from orchestration.domain.request import PHONE
from orchestration.durable import clock
from orchestration.durable.generator import Durable
from orchestration.durable.inbox import Inbox

log = logging.getLogger(__name__)

# A challenge has two minutes, so the tries to send it are over after some fifteen seconds.
SEND_AGAIN: Final = RetryPolicy(
    first_retry_interval=timedelta(seconds=1), max_number_of_attempts=4, backoff_coefficient=3
)
ANSWERS_KEPT: Final = 10


def sms_challenge(ctx: OrchestrationContext, given: ChallengeInput) -> Durable[ChallengeProgress]:
    """Verified by the right code in time, failed by three wrong ones or when it cannot be sent, expired otherwise.

    It expires when its timer fires. Before that, an answer finds it over where the hub's time says so, or the time
    since boot of the machine that began it: a clock that is turned, or timers that wait, keep no code alive. The output
    is the last progress.
    """
    challenge = _Challenge(ctx, given)
    phone: PhoneRef = yield ctx.call_activity("look_up_phone", input=given.target, return_type=PhoneRef)
    if phone.trouble is not None:
        return challenge.failed(phone.trouble)
    challenge.publish(masked=phone.masked, until=challenge.now() + given.lifetime)
    entity = EntityInstanceId(PHONE, phone.key)
    opening = Opening(
        challenge_id=ctx.instance_id, now=challenge.now(), until=challenge.now() + given.lifetime
    )
    raw: Any = yield ctx.call_entity(entity, "open", opening.model_dump(mode="json"))
    opened = Opened.model_validate(raw)
    if opened.locked_now and given.alert_channel:
        alert = LockAlert(channel=given.alert_channel, masked=phone.masked, user=given.target.user)
        yield ctx.call_activity("alert_lock", input=alert)
    if not opened.allowed:
        return challenge.failed(Trouble.LOCKED)
    yield from challenge.send_and_wait(phone.at)
    ctx.signal_entity(entity, "close", ctx.instance_id)
    return challenge.progress


class _Challenge:
    """One challenge under way."""

    def __init__(self, ctx: OrchestrationContext, given: ChallengeInput) -> None:
        self._ctx = ctx
        self._given = given
        self._log = ctx.create_replay_safe_logger(log)
        self._inbox = Inbox(ctx, EVENT_RESPONSE, EVENT_CANCELLED)
        self.progress = ChallengeProgress(
            challenge_id=ctx.instance_id, user=given.target.user, subject=given.subject
        )
        self._began: BootMoment | None = None

    def now(self) -> datetime:
        return clock.now(self._ctx)

    def publish(self, **what: object) -> None:
        """Changes the progress and publishes it."""
        self.progress = self.progress.model_copy(update=what)
        self._ctx.set_custom_status(self.progress)

    def failed(self, trouble: Trouble) -> ChallengeProgress:
        self.publish(status=ChallengeStatus.FAILED, trouble=trouble)
        return self.progress

    def send_and_wait(self, began: BootMoment | None) -> Durable[None]:
        """The lifetime counts from the first try to send, and an answer is taken while another try is under way.

        By the time since boot it counts from `began`, shortly before.
        """
        self._began = began
        until = self.now() + self._given.lifetime
        self.publish(until=until)
        deadline = clock.timer(self._ctx, until)
        sending: Any = self._send()
        while self.progress.status is ChallengeStatus.WAITING:
            if (event := self._inbox.take()) is not None:
                yield from self._handle(*event)
            elif deadline.is_complete:
                self.publish(status=ChallengeStatus.EXPIRED)
            elif sending is not None and sending.is_complete:
                if (trouble := self._trouble_of(sending)) is not None:
                    self.failed(trouble)
                sending = None
            else:
                under_way = [sending] if sending is not None else []
                yield when_any([*self._inbox.waits(), deadline, *under_way])
        if not deadline.is_complete:
            deadline.cancel()

    def _send(self) -> Any:
        """A try repeated sends the same code: it is derived, not drawn. So the SDK's own retry serves."""
        given = self._given
        message = SendCode(
            challenge_id=self._ctx.instance_id,
            target=given.target,
            subject=given.subject,
            bound=given.bound,
            minutes=max(int(given.lifetime.total_seconds() // 60), 1),
        )
        return self._ctx.call_activity("send_code", input=message, return_type=Sent, retry_policy=SEND_AGAIN)

    def _trouble_of(self, sending: Any) -> Trouble | None:
        """Why it was not sent, or None when it was."""
        try:
            sent: Sent = sending.get_result()
        except TaskFailedError:
            return Trouble.UNSENT
        return sent.trouble

    def _handle(self, name: str, payload: Any) -> Durable[None]:
        """A malformed event is passed over: it verifies nothing and costs nothing."""
        try:
            if name == EVENT_CANCELLED:
                self.failed(Cancelled.model_validate(payload or {}).trouble)
                return
            response = Response.model_validate(payload)
        except ValidationError as error:
            self._log.warning(
                "%s: malformed %s (%d faults)", self._ctx.instance_id, name, error.error_count()
            )
            return
        if not any(answer.command_id == response.command_id for answer in self.progress.answers):
            yield from self._check(response)

    def _check(self, response: Response) -> Durable[None]:
        if self.progress.until is None or self.now() >= self.progress.until:
            self.publish(status=ChallengeStatus.EXPIRED)
            return
        given = CheckCode(
            challenge_id=self._ctx.instance_id,
            bound=self._given.bound,
            answer=response.answer,
            began=self._began,
            lifetime=self._given.lifetime,
        )
        checked: CheckedCode = yield self._ctx.call_activity(
            "check_code", input=given, return_type=CheckedCode
        )
        if checked.over:
            self.publish(status=ChallengeStatus.EXPIRED)
            return
        left = self.progress.attempts_left - (0 if checked.right else 1)
        answer = CodeResult(command_id=response.command_id, right=checked.right, attempts_left=left)
        self.publish(attempts_left=left, answers=[*self.progress.answers, answer][-ANSWERS_KEPT:])
        if checked.right:
            self.publish(status=ChallengeStatus.VERIFIED)
        elif left <= 0:
            self.failed(Trouble.WRONG)

"""The `sms_challenge` orchestration: sends a code by SMS or e-mail, waits for it, and says whether it came back.

Deterministic, no I/O.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any, Final

from durabletask.entities import EntityInstanceId
from durabletask.task import OrchestrationContext, RetryPolicy, TaskFailedError, when_any
from pydantic import ValidationError

from orchestration.challenge.boot_time import BootMoment
from orchestration.challenge.budgets import Budgets, Refusal, budgets_of
from orchestration.challenge.models import (
    EVENT_CANCELLED,
    EVENT_RESPONSE,
    EVENT_UNDELIVERED,
    OF_A_NUMBER,
    OF_THE_ACCOUNT,
    Cancelled,
    ChallengeInput,
    ChallengeProgress,
    ChallengeStatus,
    CheckCode,
    CheckedCode,
    CodeResult,
    DeliveryAlert,
    LockAlert,
    PhoneRef,
    QuotaAlert,
    Response,
    SendCode,
    Sent,
    Trouble,
    Undelivered,
)
from orchestration.challenge.phone import ACCOUNT, Telling
from orchestration.domain.request import PHONE
from orchestration.durable import clock
from orchestration.durable.generator import Durable
from orchestration.durable.inbox import Inbox

log = logging.getLogger(__name__)

# A challenge lasts two minutes, so the tries to send it end after some fifteen seconds.
SEND_AGAIN: Final = RetryPolicy(
    first_retry_interval=timedelta(seconds=1), max_number_of_attempts=4, backoff_coefficient=3
)
# A mail server may accept an unknown sender's message only at a second try, five minutes later (greylisting).
MAIL_AGAIN: Final = RetryPolicy(
    first_retry_interval=timedelta(seconds=2),
    max_number_of_attempts=7,
    backoff_coefficient=3,
    max_retry_interval=timedelta(minutes=2),
)
ANSWERS_KEPT: Final = 10


def sms_challenge(ctx: OrchestrationContext, given: ChallengeInput) -> Durable[ChallengeProgress]:
    """Verified by the right code in time, failed by three wrong ones or when it cannot be sent, expired otherwise.

    A message that is reported as not delivered may still arrive, so its code stays valid as long as any other. The
    challenge expires when its timer fires. Even before that, an answer is too late if the hub's time says so, or the
    time since boot of the machine that began it. So neither a changed clock nor a late timer keeps a code valid. The
    output is the last progress.
    """
    challenge = _Challenge(ctx, given)
    phone: PhoneRef = yield ctx.call_activity("look_up_phone", input=given.target, return_type=PhoneRef)
    if phone.trouble is not None:
        return challenge.failed(phone.trouble)
    challenge.publish(masked=phone.masked, until=challenge.now() + given.lifetime)
    budgets = Budgets(ctx, budgets_of(phone.key, given.asker))
    refusal = yield from budgets.open(challenge.now(), challenge.now() + given.lifetime)
    if refusal is not None:
        yield from challenge.tell_of(refusal)
        return challenge.failed(_trouble_of(refusal, given))
    yield from challenge.send_and_wait(EntityInstanceId(PHONE, phone.key), phone.at, budgets)
    return challenge.progress


def _trouble_of(refusal: Refusal, given: ChallengeInput) -> Trouble:
    if refusal.opened.busy:
        return Trouble.BUSY
    return Trouble.LOCKED if given.asker is None else Trouble.QUOTA


class _Challenge:
    """One open challenge."""

    def __init__(self, ctx: OrchestrationContext, given: ChallengeInput) -> None:
        self._ctx = ctx
        self._given = given
        self._log = ctx.create_replay_safe_logger(log)
        self._inbox = Inbox(ctx, EVENT_RESPONSE, EVENT_CANCELLED, EVENT_UNDELIVERED)
        self.progress = ChallengeProgress(
            challenge_id=ctx.instance_id, user=given.target.user, subject=given.subject
        )
        self._began: BootMoment | None = None
        # Why the message did not arrive, with the provider's number for that, until the operator is told if necessary.
        self._untold: tuple[Trouble, int | None] | None = None

    def now(self) -> datetime:
        return clock.now(self._ctx)

    def publish(self, **what: object) -> None:
        """Changes the progress and publishes it."""
        self.progress = self.progress.model_copy(update=what)
        self._ctx.set_custom_status(self.progress)

    def failed(self, trouble: Trouble) -> ChallengeProgress:
        self.publish(status=ChallengeStatus.FAILED, trouble=trouble)
        return self.progress

    def tell_of(self, refusal: Refusal) -> Durable[None]:
        """Reports a reached limit to the token's owner or the channel, once for as long as it refuses."""
        given = self._given
        if not refusal.opened.locked_now:
            return
        if given.asker is not None:
            alert = QuotaAlert(owner=given.asker.owner, token=given.asker.token, limit=refusal.budget.whose)
            yield from self.alert("alert_quota", alert)
        elif given.alert_channel:
            locked = LockAlert(
                channel=given.alert_channel, masked=self.progress.masked, user=given.target.user
            )
            yield from self.alert("alert_lock", locked)

    def send_and_wait(
        self, phone: EntityInstanceId, began: BootMoment | None, budgets: Budgets
    ) -> Durable[None]:
        """Sends the code and waits for its answer.

        The lifetime counts from the first try to send; an answer is accepted while another try is under way. By the
        time since boot, it counts from `began`, shortly before. The hourly limits count messages that the provider
        accepted, and challenges that were answered, because guesses must count even if the provider refuses to send. A
        verified code for a decision does not count: its press was honest.
        """
        self._began = began
        until = self.now() + self._given.lifetime
        self.publish(until=until)
        deadline = clock.timer(self._ctx, until)
        sending: Any = self._send()
        accepted = False
        while self.progress.status is ChallengeStatus.WAITING:
            if (event := self._inbox.take()) is not None:
                yield from self._handle(*event)
            elif deadline.is_complete:
                self.publish(status=ChallengeStatus.EXPIRED)
            elif sending is not None and sending.is_complete:
                accepted = self._take(sending, budgets)
                sending = None
            else:
                under_way = [sending] if sending is not None else []
                yield when_any([*self._inbox.waits(), deadline, *under_way])
            yield from self._tell_operator(phone)
        if not deadline.is_complete:
            deadline.cancel()
        verified = self.progress.status is ChallengeStatus.VERIFIED
        honest = verified and self._given.asker is None
        counts = accepted or sending is not None or bool(self.progress.answers)
        budgets.close(counts=counts and not honest, verified=verified)

    def _send(self) -> Any:
        """Starts to send the code.

        Each try sends the same code, because it is derived and not random, so the SDK may retry.
        """
        given = self._given
        message = SendCode(
            challenge_id=self._ctx.instance_id,
            target=given.target,
            subject=given.subject,
            bound=given.bound,
            minutes=max(int(given.lifetime.total_seconds() // 60), 1),
        )
        again = SEND_AGAIN if given.target.email is None else MAIL_AGAIN
        return self._ctx.call_activity("send_code", input=message, return_type=Sent, retry_policy=again)

    def _take(self, sending: Any, budgets: Budgets) -> bool:
        """Whether the provider accepted the message. If not, the challenge fails."""
        try:
            sent: Sent = sending.get_result()
        except TaskFailedError:
            unsent = Trouble.UNSENT if self._given.target.email is None else Trouble.MAIL_UNSENT
            sent = Sent(trouble=unsent)
        if sent.trouble is not None:
            self._untold = (sent.trouble, sent.code)
            self.failed(sent.trouble)
            return False
        budgets.sent()
        if sent.recovered:
            self._ctx.signal_entity(EntityInstanceId(PHONE, ACCOUNT), "recovered")
        return True

    def _tell_operator(self, phone: EntityInstanceId) -> Durable[None]:
        """Tells the channel why messages do not arrive, unless it was told the same within a day."""
        if self._untold is None:
            return
        (trouble, code), self._untold = self._untold, None
        channel = self._given.alert_channel
        if channel is None or trouble not in OF_A_NUMBER | OF_THE_ACCOUNT:
            return
        whose = phone if trouble in OF_A_NUMBER else EntityInstanceId(PHONE, ACCOUNT)
        telling = Telling(what=f"{trouble} {code}", now=self.now())
        if (yield self._ctx.call_entity(whose, "tell", telling.model_dump(mode="json"))):
            alert = DeliveryAlert(
                channel=channel,
                masked=self.progress.masked,
                user=self._given.target.user,
                trouble=trouble,
                code=code,
            )
            yield from self.alert("alert_delivery", alert)

    def alert(self, activity: str, alert: LockAlert | QuotaAlert | DeliveryAlert) -> Durable[None]:
        """Tells a channel or a person. A failure is only logged, so that whoever waits for the code is not delayed."""
        try:
            yield self._ctx.call_activity(activity, input=alert)
        except TaskFailedError as error:
            self._log.warning("%s: %s failed, nobody was told: %s", self._ctx.instance_id, activity, error)

    def _handle(self, name: str, payload: Any) -> Durable[None]:
        """Handles one event. A malformed event is ignored: it verifies nothing and uses up no try."""
        try:
            if name == EVENT_CANCELLED:
                self.failed(Cancelled.model_validate(payload or {}).trouble)
                return
            if name == EVENT_UNDELIVERED:
                self._not_delivered(Undelivered.model_validate(payload))
                return
            response = Response.model_validate(payload)
        except ValidationError as error:
            self._log.warning(
                "%s: malformed %s (%d faults)", self._ctx.instance_id, name, error.error_count()
            )
            return
        if not any(answer.command_id == response.command_id for answer in self.progress.answers):
            yield from self._check(response)

    def _not_delivered(self, report: Undelivered) -> None:
        """Publishes why the message has not arrived. The code stays valid, because the message may still arrive."""
        if self.progress.trouble is not None:  # the same report, delivered again
            return
        self._untold = (report.trouble, report.code)
        self.publish(trouble=report.trouble)

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
            email=self._given.target.email is not None,
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
            self.publish(status=ChallengeStatus.VERIFIED, trouble=None)
        elif left <= 0:
            self.failed(Trouble.WRONG)

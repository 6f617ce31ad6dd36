"""The I/O of a challenge. Numbers, addresses and codes stay within these functions, for the time of one call."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from durabletask.task import ActivityContext

from orchestration.challenge.attempts import WrongAnswers
from orchestration.challenge.boot_time import BootClock, since_boot
from orchestration.challenge.codes import Codes, mask
from orchestration.challenge.models import (
    OF_THE_ACCOUNT,
    ChallengeTarget,
    CheckCode,
    CheckedCode,
    DeliveryAlert,
    LockAlert,
    PhoneRef,
    QuotaAlert,
    SendCode,
    Sent,
    Trouble,
)
from orchestration.domain.emails import address_key, masked_address
from orchestration.domain.errors import MailRefusedError, SmsRefusedError
from orchestration.domain.inert import in_message
from orchestration.ports import Alerts, CodeTally, MailSender, Phones, SmsSender

log = logging.getLogger(__name__)

MESSAGE: Final = "Countersign: reply {code} to {subject}. Expires in {minutes} min."
NUMBER_CONTEXT: Final = "challenge"
EMAIL_CONTEXT: Final = "challenge by e-mail"


class _NoTally:
    """A tally that counts nothing."""

    def code_sent(self, result: str, *, email: bool) -> None:
        """See `CodeTally`."""

    def code_checked(self, result: str, *, email: bool) -> None:
        """See `CodeTally`."""


class ChallengeActivities:
    """Sends codes and compares answers.

    No error of these activities contains a number or a code, although the provider's own error texts may.
    """

    def __init__(
        self,
        codes: Codes,
        phones: Phones,
        sender: SmsSender,
        alerts: Alerts,
        since_boot: BootClock = since_boot,
        mail: MailSender | None = None,
        tally: CodeTally | None = None,
    ) -> None:
        self._codes = codes
        self._phones = phones
        self._sender = sender
        self._alerts = alerts
        self._mail = mail
        self._tally = tally or _NoTally()
        self._since_boot = since_boot
        self._wrong_answers = WrongAnswers()
        self._account_refused = False

    def look_up_phone(self, _: ActivityContext, target: ChallengeTarget) -> PhoneRef:
        """The key and the masked form of the number or address, or why no code can be sent to it."""
        if target.email is not None:
            if self._mail is None:
                return PhoneRef(trouble=Trouble.NO_EMAIL)
            address = self._codes.decrypt(target.email, EMAIL_CONTEXT)
            key = self._codes.number_key(address_key(address))
            return PhoneRef(key=key, masked=masked_address(address), at=self._since_boot())
        number = self._number(target)
        if number is None:
            return PhoneRef(trouble=Trouble.NOT_ENROLLED)
        if not self._phones.allowed(number):
            return PhoneRef(trouble=Trouble.COUNTRY)
        return PhoneRef(key=self._codes.number_key(number), masked=mask(number), at=self._since_boot())

    def send_code(self, _: ActivityContext, given: SendCode) -> Sent:
        """Sends the code; the same challenge always sends the same one. Raises if another try may help."""
        if given.target.email is not None:
            return self._send_mail(given, given.target.email)
        number = self._number(given.target)
        if number is None:
            return Sent(trouble=Trouble.NOT_ENROLLED)
        code = self._codes.code(given.challenge_id, given.bound)
        text = MESSAGE.format(code=code, subject=in_message(given.subject), minutes=given.minutes)
        try:
            with self._counted(email=False):
                self._sender.send(number, text, given.challenge_id)
        except SmsRefusedError as error:
            trouble = Trouble(error.trouble)
            self._account_refused |= trouble in OF_THE_ACCOUNT
            log.warning("%s: no code was sent: %s", given.challenge_id, error)
            return Sent(trouble=trouble, code=error.code)
        recovered, self._account_refused = self._account_refused, False
        return Sent(recovered=recovered)

    def _send_mail(self, given: SendCode, encrypted: str) -> Sent:
        if self._mail is None:
            return Sent(trouble=Trouble.NO_EMAIL)
        address = self._codes.decrypt(encrypted, EMAIL_CONTEXT)
        code = self._codes.code(given.challenge_id, given.bound)
        try:
            with self._counted(email=True):
                self._mail.send(address, code, given.minutes, given.challenge_id)
        except MailRefusedError as error:
            log.warning("%s: no code was sent: %s", given.challenge_id, error)
            return Sent(trouble=Trouble(error.trouble), code=error.code)
        return Sent()

    def check_code(self, _: ActivityContext, given: CheckCode) -> CheckedCode:
        """Whether the keyed answer is that of the right code, compared in constant time.

        A code is over once this machine's time since boot says that its lifetime has passed, whatever the hub's time
        is. After three wrong answers in this process, no answer is right, whatever the hub has stored about them.
        """
        if given.began is not None and given.began.ended_by(self._since_boot(), given.lifetime):
            self._tally.code_checked("over", email=given.email)
            return CheckedCode(right=False, over=True)
        if self._wrong_answers.used_up(given.challenge_id):
            self._tally.code_checked("wrong", email=given.email)
            return CheckedCode(right=False)
        right = self._codes.fits(given.answer, given.challenge_id, given.bound)
        if not right:
            self._wrong_answers.add(given.challenge_id, given.answer)
        self._tally.code_checked("right" if right else "wrong", email=given.email)
        return CheckedCode(right=right)

    @contextmanager
    def _counted(self, *, email: bool) -> Iterator[None]:
        """Counts the result of a try to send a code."""
        try:
            yield
        except Exception as error:
            refused = isinstance(error, SmsRefusedError | MailRefusedError)
            self._tally.code_sent("refused" if refused else "failed", email=email)
            raise
        self._tally.code_sent("sent", email=email)

    def alert_quota(self, _: ActivityContext, given: QuotaAlert) -> None:
        """Tells the token's owner about a reached limit, and logs it."""
        log.warning(
            "Codes by API: the limit of %s is reached; the last token was %s", given.limit, given.token
        )
        self._alerts.quota(given.owner, given.token, given.limit)

    def alert_lock(self, _: ActivityContext, given: LockAlert) -> None:
        """Tells the channel about a lock. If that fails, nobody has to wait: the lock holds all the same."""
        self._alerts.locked(given.channel, given.masked, given.user)

    def alert_delivery(self, _: ActivityContext, given: DeliveryAlert) -> None:
        """Tells the channel why codes do not arrive, and what the operator of Countersign can do."""
        remedy = self._sender.remedy(given.code, given.trouble)
        self._alerts.undelivered(given.channel, given.masked, given.user, remedy)

    def _number(self, target: ChallengeTarget) -> str | None:
        if target.encrypted is not None:
            return self._codes.decrypt(target.encrypted, NUMBER_CONTEXT)
        return self._phones.number_of(target.user) if target.user else None

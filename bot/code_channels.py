"""The ways to send codes: SMS, e-mail, or both. Both share one service and one set of activities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from durabletask.client import AsyncTaskHubGrpcClient

from bot.config import Settings
from bot.mail.sender import SmtpSender
from bot.mail.settings import read_mail
from bot.security.secrets import Secrets
from bot.twilio.account import SmsCounts, TwilioAccount, twilio_account
from bot.twilio.settings import read_api_limits, read_digits
from orchestration.challenge.activities import ChallengeActivities
from orchestration.challenge.codes import Codes
from orchestration.challenge.models import Trouble
from orchestration.domain.errors import SmsRefusedError
from orchestration.domain.policy_book import PolicyBook
from orchestration.ports import Alerts
from orchestration.runtime.turns import Turns
from orchestration.service.challenges import ApiLimits, ChallengeService


class NoSms:
    """`Phones` and `SmsSender` where codes go by e-mail alone: no phone is enrolled, and no text is sent."""

    def number_of(self, _: str) -> str | None:
        """Returns None for everybody."""

    def allowed(self, _: str) -> bool:
        """Returns False for every number."""
        return False

    def send(self, *_: str | None) -> None:
        """Refuses to send."""
        raise SmsRefusedError(Trouble.ACCOUNT)

    def remedy(self, *_: object) -> str:
        """Has no remedy to name."""
        return "Set the TWILIO_ settings."


@dataclass(frozen=True)
class CodeChannels:
    """The configured ways to send codes, at least one, and what is built on them."""

    sms: TwilioAccount | None
    mail: SmtpSender | None
    codes: Codes
    api_limits: ApiLimits

    def activities(
        self, book: Callable[[], PolicyBook], alerts: Alerts, counts: SmsCounts
    ) -> ChallengeActivities:
        """The activities of challenges, for the worker."""
        if self.sms is not None:
            return self.sms.activities(book, alerts, self.mail, counts)
        return ChallengeActivities(self.codes, NoSms(), NoSms(), alerts, mail=self.mail, tally=counts)

    def service(
        self, client: AsyncTaskHubGrpcClient, book: Callable[[], PolicyBook], turns: Turns
    ) -> ChallengeService:
        """The service for challenges."""
        ways = {"sms": self.sms is not None, "email": self.mail is not None}
        return ChallengeService(client, self.codes, self.api_limits, lambda: book().revoked(), turns, **ways)


def code_channels(settings: Settings, secrets: Secrets) -> tuple[TwilioAccount | None, CodeChannels | None]:
    """The SMS account and the sender of codes; None where nothing is configured.

    Raises `SettingError` naming what is missing or wrong.
    """
    sms, mail = twilio_account(settings, secrets), read_mail(settings.smtp)
    if sms is None and mail is None:
        return None, None
    return sms, CodeChannels(
        sms,
        SmtpSender(mail) if mail else None,
        Codes(secrets.values, read_digits(settings.sms)),
        read_api_limits(settings.sms),
    )

"""Builds the SMS parts from their settings: the activities, the challenge service and the webhooks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from bot.config import Settings
from bot.security.secrets import Secrets
from bot.setting_sources import SettingError
from bot.twilio.phones import EnrolledPhones
from bot.twilio.sender import TwilioSender
from bot.twilio.settings import (
    TwilioSettings,
    read_countries,
    read_digits,
    read_twilio,
)
from bot.twilio.webhooks import TwilioWebhooks
from orchestration.challenge.activities import ChallengeActivities
from orchestration.challenge.codes import Codes
from orchestration.challenge.models import Trouble
from orchestration.domain.policy_book import PolicyBook
from orchestration.people.activities import PeopleActivities
from orchestration.ports import Alerts, CodeTally, MailSender, Notifier
from orchestration.service.challenges import ChallengeService

NO_PUBLIC_URL: Final = (
    "COUNTERSIGN_PUBLIC_URL: is not set; Twilio signs the address that it calls, so give the one "
    "at which it reaches this port."
)


class SmsCounts(CodeTally, Protocol):
    """Counts codes, and the calls that send them."""

    def twilio_answered(self, status: int | None) -> None:
        """See `TwilioSender`."""
        ...

    def code_undelivered(self, trouble: Trouble) -> None:
        """See `TwilioWebhooks`."""
        ...


@dataclass(frozen=True)
class TwilioAccount:
    """A configured Twilio account, and what is built on it."""

    twilio: TwilioSettings
    codes: Codes
    countries: frozenset[str]
    public_url: str

    def activities(
        self, book: Callable[[], PolicyBook], alerts: Alerts, mail: MailSender | None, counts: SmsCounts
    ) -> ChallengeActivities:
        """What the worker runs for a challenge; `mail` sends the codes that go by e-mail."""
        phones = EnrolledPhones(book, self.countries)
        return ChallengeActivities(self.codes, phones, self._sender(counts), alerts, mail=mail, tally=counts)

    def people_activities(
        self, book: Callable[[], PolicyBook], notifier: Notifier, counts: SmsCounts
    ) -> PeopleActivities:
        """What the worker runs to tell people about their delegates."""
        phones = EnrolledPhones(book, self.countries)
        return PeopleActivities(notifier, phones, self._sender(counts))

    def _sender(self, counts: SmsCounts) -> TwilioSender:
        return TwilioSender(self.twilio, self.public_url, counts.twilio_answered)

    def webhooks(self, service: ChallengeService, counts: SmsCounts) -> TwilioWebhooks:
        """What Twilio calls."""
        return TwilioWebhooks(service, self.twilio.auth_token, self.public_url, counts.code_undelivered)


def twilio_account(settings: Settings, secrets: Secrets) -> TwilioAccount | None:
    """The account, or None where none is set. Raises `SettingError` naming what is missing or wrong."""
    twilio = read_twilio(settings.sms)
    if twilio is None:
        return None
    if settings.public_url is None:
        raise SettingError(NO_PUBLIC_URL)
    codes = Codes(secrets.values, read_digits(settings.sms))
    return TwilioAccount(twilio, codes, read_countries(settings.sms), settings.public_url)

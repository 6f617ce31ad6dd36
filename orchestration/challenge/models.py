"""The data types of a challenge: a code sent by SMS or e-mail, to be answered with.

None contains a number, an address or a code.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from orchestration.challenge.boot_time import BootMoment
from orchestration.domain.commands import CommandId
from orchestration.domain.ids import PersonId
from orchestration.domain.names import EventName
from orchestration.domain.request import Recorded

EVENT_RESPONSE: Final = EventName.SMS_RESPONSE
EVENT_CANCELLED: Final = EventName.SMS_CANCELLED
EVENT_UNDELIVERED: Final = EventName.SMS_UNDELIVERED

LIFETIME: Final = timedelta(minutes=2)
# E-mail is slower than SMS, and often read on another device.
EMAIL_LIFETIME: Final = timedelta(minutes=10)
ATTEMPTS: Final = 3


class ChallengeStatus(StrEnum):
    """Where a challenge stands; the last three are ends."""

    WAITING = "waiting"
    VERIFIED = "verified"
    FAILED = "failed"
    EXPIRED = "expired"


class Trouble(StrEnum):
    """Why a challenge failed, was not begun, or waits for a message that is said not to have arrived.

    The sentences for people are in `orchestration.service.messages`.
    """

    NOT_ENROLLED = "not_enrolled"
    COUNTRY = "country"
    LOCKED = "locked"
    QUOTA = "quota"
    NOT_A_NUMBER = "not_a_number"
    OPTED_OUT = "opted_out"
    NOT_MOBILE = "not_mobile"
    REGION = "region"
    ACCOUNT = "account"
    FILTERED = "filtered"
    UNREACHABLE = "unreachable"
    UNDELIVERABLE = "undeliverable"
    BUSY = "busy"
    UNSENT = "unsent"
    WRONG = "wrong"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    NO_EMAIL = "no_email"
    NO_MAILBOX = "no_mailbox"
    MAILBOX_FULL = "mailbox_full"
    MAIL_REFUSED = "mail_refused"
    MAIL_FILTERED = "mail_filtered"
    MAIL_UNSENT = "mail_unsent"


# Troubles of one number, and of the whole account. An operator is told of the latter once for all numbers.
OF_A_NUMBER: Final = frozenset({Trouble.NOT_A_NUMBER, Trouble.NOT_MOBILE})
OF_THE_ACCOUNT: Final = frozenset(
    {Trouble.ACCOUNT, Trouble.REGION, Trouble.FILTERED, Trouble.UNDELIVERABLE, Trouble.UNSENT}
)


class ChallengeTarget(Recorded):
    """Where the code goes: an enrolled person's phone, an encrypted number, or an encrypted address.

    Exactly one is given.
    """

    user: PersonId | None = None
    encrypted: str | None = None
    email: str | None = Field(default=None, description="An address, encrypted")


class Asker(Recorded):
    """The program that asked for a challenge by API: its token, whose owner hears of a reached limit.

    `per_token` and `in_all` are how many codes an hour the token, and all of them together, may have sent.
    """

    token: str
    owner: PersonId
    per_token: int = Field(ge=0)
    in_all: int = Field(ge=0)


class ChallengeInput(Recorded):
    """The input of the `sms_challenge` orchestration.

    `subject` completes "reply CODE to …"; `bound` is what the code confirms, as canonical text.
    """

    target: ChallengeTarget
    subject: str = Field(max_length=200)
    bound: str = Field(max_length=1000)
    alert_channel: str | None = Field(
        default=None, description="Who is told of a locked number or no delivery"
    )
    request_id: str | None = Field(
        default=None, description="Which approval is told of a message not delivered"
    )
    asker: Asker | None = Field(default=None, description="None where a decision needs it")
    lifetime: timedelta = LIFETIME

    def alone(self, challenge_id: str) -> bool:
        """Whether it confirms a number and nothing else. The code for a decision is bound to that decision."""
        return self.bound.split(" ")[0] == challenge_id and self.target.user is None


class Response(Recorded):
    """Payload of `SmsChallengeResponse`: the answer as a keyed digest of the digits."""

    command_id: CommandId
    answer: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Cancelled(Recorded):
    """Payload of `SmsChallengeCancelled`: the answer is no longer needed."""

    trouble: Trouble = Trouble.CANCELLED


class Undelivered(Recorded):
    """Payload of `SmsChallengeUndelivered`: the provider reports that the message did not arrive.

    It is raised on the challenge, and on the approval that waits for the code. `code` is the provider's number for the
    reason.
    """

    challenge_id: str
    trouble: Trouble
    code: int | None = None


class CodeResult(Recorded):
    """The result of one response."""

    command_id: str
    right: bool
    attempts_left: int


class ChallengeProgress(Recorded):
    """The custom status and the output of `sms_challenge`."""

    challenge_id: str
    status: ChallengeStatus = ChallengeStatus.WAITING
    trouble: Trouble | None = None
    masked: str = ""
    user: str | None = None
    subject: str = ""
    attempts_left: int = ATTEMPTS
    until: datetime | None = None
    answers: list[CodeResult] = Field(default_factory=list, description="The last few, newest last")


class PhoneRef(Recorded):
    """Result of `look_up_phone`: the entity's key and the masked form of the number or address, or why there are none.

    `at` is the moment of the look-up, by the time since boot. The code's lifetime counts from it.
    """

    key: str = ""
    masked: str = ""
    trouble: Trouble | None = None
    at: BootMoment | None = None


class SendCode(Recorded):
    """Input of `send_code`. The same challenge always sends the same code."""

    challenge_id: str
    target: ChallengeTarget
    subject: str
    bound: str
    minutes: int


class CheckCode(Recorded):
    """Input of `check_code`. `began` is when the code's `lifetime` began, by the time since boot."""

    challenge_id: str
    bound: str
    answer: str
    began: BootMoment | None = None
    lifetime: timedelta = LIFETIME
    email: bool = False


class CheckedCode(Recorded):
    """Result of `check_code`. If the code is `over`, the answer was not compared."""

    right: bool
    over: bool = False


class Sent(Recorded):
    """Result of `send_code`: sent, or why it never will be, with the provider's number for that.

    `recovered` says that the provider had refused the account before this message was sent.
    """

    trouble: Trouble | None = None
    code: int | None = None
    recovered: bool = False


class DeliveryAlert(Recorded):
    """Input of `alert_delivery`: tell the channel why codes do not arrive, and what can be done."""

    channel: str
    masked: str
    user: str | None = None
    trouble: Trouble
    code: int | None = None


class QuotaAlert(Recorded):
    """Input of `alert_quota`: tell a token's owner that programs have reached a limit on codes, and which limit."""

    owner: str
    token: str
    limit: str


class LockAlert(Recorded):
    """Input of `alert_lock`: tell the channel that a number had too many challenges and is locked for an hour."""

    channel: str
    masked: str
    user: str | None = None

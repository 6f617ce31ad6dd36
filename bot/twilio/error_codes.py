"""Twilio's error codes for messages: what the person who waits for a code, and whoever runs this server, can do.

The codes come in the answer to a send (20xxx, 21xxx) and in delivery reports (30xxx, 63xxx). Those that no text message
can get are left out. Source: https://www.twilio.com/docs/api/errors
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from orchestration.challenge.models import Trouble


class Remedy(Enum):
    """What whoever runs this server can do, as sentences."""

    CREDENTIALS = (
        "Twilio refuses the credentials: check TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_API_KEY."
    )
    ACCOUNT = (
        "The account may not send: Twilio's console says whether it is suspended or has reached a limit."
    )
    TRIAL = "A trial account sends to verified numbers only: verify the number at Twilio, or upgrade."
    SENDER = "The sender cannot send this: compare TWILIO_FROM or TWILIO_MESSAGING_SERVICE_SID with Twilio's console."
    REGISTRATION = (
        "The sender is not registered for the country or the carrier: register it in Twilio's console."
    )
    REQUEST = (
        "Twilio does not understand what this server sends: check COUNTERSIGN_PUBLIC_URL and "
        "COUNTERSIGN_TWILIO_API_URL, and report it as a fault of Countersign."
    )
    REGION = "Allow the number's country in Twilio's console, under the geographic permissions for messages."
    NUMBER = "Ask them for the number of a mobile phone of theirs, and correct `phone` in the policy file."
    CONTENT = (
        "The message is taken for unwanted: register the sender for one-time codes, or send from another."
    )
    FRAUD_GUARD = (
        "Twilio's protection against fraud blocks the destination for some hours: see Twilio's console."
    )
    OPTED_OUT = "They texted STOP to this server's number; only their own START lifts that."
    WAIT = "It passes by itself. If it does not, see status.twilio.com, and the rate limits of the sender."
    UNKNOWN = "Twilio's console says more about the message."


@dataclass(frozen=True)
class SmsError:
    """What an error code means. `again` says whether another try to send may succeed within seconds."""

    trouble: Trouble
    remedy: Remedy
    again: bool = False


_BY_MEANING: Final[tuple[tuple[SmsError, tuple[int, ...]], ...]] = (
    (
        SmsError(Trouble.ACCOUNT, Remedy.CREDENTIALS),
        (
            401,
            403,
            *(20003, 20006, 20008),
            *range(20101, 20108),
            *range(20151, 20158),
            20159,
            20160,
        ),
    ),
    (
        SmsError(Trouble.ACCOUNT, Remedy.ACCOUNT),
        (
            10001,
            20005,
            20010,
            20403,
            21472,
            30002,
            30010,
            30023,
            30027,
            30037,
            30112,
            30454,
            63038,
            63051,
        ),
    ),
    (SmsError(Trouble.ACCOUNT, Remedy.TRIAL), (10002, 21219, 21267, 21607, 21608, 30044, 63015)),
    (
        SmsError(Trouble.ACCOUNT, Remedy.SENDER),
        (
            *(
                21210,
                21212,
                21264,
                21401,
                21407,
                21601,
                21603,
                21606,
                21612,
                21616,
                21657,
                21659,
                21660,
                21661,
            ),
            *(21701, 21702, 21703, 21704, 21705, 21708, 21709, 21711, 21712, 21715, 21733),
            *(30015, 30016, 30020, 30043, 63001, 63002, 63007, 63008, 63020),
        ),
    ),
    (
        SmsError(Trouble.ACCOUNT, Remedy.REGISTRATION),
        (
            *(21717, 21729, 21731, 21737, 30018, 30024, 30032, 30033, 30034, 30035, 30040, 30041, 30042),
            *(30620, 63022, 63035),
        ),
    ),
    (
        SmsError(Trouble.ACCOUNT, Remedy.REQUEST),
        (
            *(400, 404, 410, 20001, 20002, 20004, 20011, 20012, 20404, 20410, 20413, 20422, 20423, 20426),
            *(
                21470,
                21471,
                21502,
                21602,
                21604,
                21605,
                21609,
                21617,
                21618,
                21619,
                21620,
                21621,
                21622,
                21623,
            ),
            *(21624, 21626, 21627, 21652, 21653, 21654, 21655, 21656, 21658),
            *(30011, 30012, 30013, 30019, 30028, 30029, 30030, 30031, 30045, 30109, 30400, 30404),
            *(
                63005,
                63006,
                63011,
                63013,
                63016,
                63019,
                63021,
                63025,
                63027,
                63028,
                63029,
                63030,
                63034,
                63037,
            ),
            *(63040, 63041, 63042),
        ),
    ),
    (SmsError(Trouble.REGION, Remedy.REGION), (21215, 21408, 30648)),
    (SmsError(Trouble.NOT_A_NUMBER, Remedy.NUMBER), (21211, 21217, 21421, 30014)),
    (
        SmsError(Trouble.NOT_MOBILE, Remedy.NUMBER),
        (
            *(21214, 21265, 21266, 21268, 21614, 21635, 30005, 30006, 30038, 30039),
            *(63003, 63024, 63031, 63036),
        ),
    ),
    (SmsError(Trouble.OPTED_OUT, Remedy.OPTED_OUT), (21610, 30630, 63033)),
    (
        SmsError(Trouble.FILTERED, Remedy.CONTENT),
        (30004, 30007, 30610, 30615, 30640, 63014, 63026, 63032, 63049),
    ),
    (SmsError(Trouble.FILTERED, Remedy.FRAUD_GUARD), (21216, 30450, 30453, 30485)),
    (SmsError(Trouble.UNREACHABLE, Remedy.WAIT), (30003,)),
    (SmsError(Trouble.UNDELIVERABLE, Remedy.UNKNOWN), (30008, 30046, 63023)),
    (
        SmsError(Trouble.BUSY, Remedy.WAIT),
        (21611, 21730, 30001, 30017, 30021, 30022, 30036, 30410, 30500, 63009, 63010, 63012, 63017, 63018),
    ),
    (
        SmsError(Trouble.UNSENT, Remedy.WAIT, again=True),
        (408, 429, 503, 20162, 20409, 20429, 20500, 20503, 20504),
    ),
)

SMS_ERRORS: Final[dict[int, SmsError]] = {code: error for error, codes in _BY_MEANING for code in codes}

FIRST_OF_ITS_OWN: Final = 10_000
FIRST_OF_A_SERVER: Final = 500
BAD_REQUEST: Final = 400

# For an unknown code nobody knows whether another attempt helps, so nobody is told to try again.
UNKNOWN: Final = SmsError(Trouble.UNDELIVERABLE, Remedy.UNKNOWN)
NO_ANSWER: Final = SmsError(Trouble.UNSENT, Remedy.WAIT, again=True)


def refused_with(status: int, code: int | None) -> SmsError:
    """What a send means that was answered with this HTTP status, and this code where there was one."""
    if code in SMS_ERRORS:
        return SMS_ERRORS[code]
    if status >= FIRST_OF_A_SERVER:
        return NO_ANSWER
    return SMS_ERRORS.get(status, UNKNOWN) if status != BAD_REQUEST else UNKNOWN


def reported_with(code: int | None) -> SmsError:
    """What the error code of a delivery report means; None where the report has none."""
    return UNKNOWN if code is None else SMS_ERRORS.get(code, UNKNOWN)


def remedy_for(code: int | None, trouble: str) -> str:
    """What the operator of this server can do, and where Twilio says more. Without a code the trouble decides."""
    if code is None:
        found = NO_ANSWER if trouble == Trouble.UNSENT else UNKNOWN
        return found.remedy.value
    remedy = SMS_ERRORS.get(code, UNKNOWN).remedy
    if code < FIRST_OF_ITS_OWN:  # Twilio's client gives the HTTP status where the answer has no code
        return remedy.value
    return f"{remedy.value} Twilio's error {code}: https://www.twilio.com/docs/api/errors/{code}"

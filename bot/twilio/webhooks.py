"""What Twilio sends us: replies from phones, and delivery reports. The signature of every request is checked."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from aiohttp import web
from twilio.request_validator import RequestValidator
from twilio.twiml.messaging_response import MessagingResponse

from bot import request_body
from bot.twilio.error_codes import reported_with
from orchestration.challenge.models import ChallengeProgress, ChallengeStatus, Trouble
from orchestration.domain.errors import CountersignError
from orchestration.domain.inert import in_message
from orchestration.domain.text import keyword, phone_number
from orchestration.service.challenges import ChallengeService, Heard

BODY_LIMIT: Final = 64 * 1024  # bytes; a text has at most 1,600 characters
REPLIES_REMEMBERED: Final = 10_000
# Twilio answers these itself and also sends them to us. We answer nothing: that would be a second reply, or not sent.
KEYWORDS: Final = frozenset(
    {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "START", "YES", "UNSTOP", "HELP", "INFO"}
)
FAILED: Final = frozenset({"failed", "undelivered"})

NOTHING_WAITS: Final = "Nothing is waiting for a code from this number."
NOT_A_CODE: Final = "Please reply with the {digits} digits of the code, nothing else."
NOT_YET: Final = "Your code has come in and will be checked shortly. The card will say how it went."
TOO_LATE: Final = "That code has expired. Please press the button again for a new one."
USED: Final = "That code has been used already. Nothing is waiting for it."
NOT_NEEDED: Final = "That code is no longer needed: what it was for has ended."
NO_LONGER: Final = "That code no longer counts. Please press the button again for a new one."
SAME_CODE: Final = (
    "Two of your requests wait with that very code. Please press Enter code on the card you mean."
)
NEWEST: Final = " A newer code that you have still counts."
RIGHT: Final = "Thanks, confirmed."
RIGHT_OF_SEVERAL: Final = "Thanks, confirmed: {subject}."
WRONG: Final = "That code isn't right, {left} {tries} left."
WRONG_LAST: Final = (
    "That code isn't right, and it was the last try. Please press the button again for a new code."
)


class TwilioWebhooks:
    """`POST /twilio/sms` and `POST /twilio/status`, at the public URL that Twilio was given and has signed."""

    def __init__(
        self,
        service: ChallengeService,
        auth_token: str,
        public_url: str,
        undelivered: Callable[[Trouble], None] = lambda _trouble: None,
    ) -> None:
        """`undelivered` is told of each report that a code did not arrive."""
        self._undelivered = undelivered
        self._service = service
        self._validator = RequestValidator(auth_token)
        self._public_url = public_url
        # A redelivered reply gets the same text as the first time. After a restart the challenge recognises it.
        self._replies: OrderedDict[str, str] = OrderedDict()

    async def sms(self, request: web.Request) -> web.Response:
        """Handles a reply from a phone, and answers with a text in TwiML."""
        form = await self._signed(request)
        message_id, number, text = form.get("MessageSid", ""), form.get("From", ""), form.get("Body", "")
        if keyword(text).upper() in KEYWORDS:
            return _twiml(None)
        if message_id in self._replies:
            return _twiml(self._replies[message_id])
        try:
            heard = await self._service.hear(phone_number(number), text, message_id)
            words = words_for(heard, self._service.codes.digits)
        except CountersignError as error:
            return _twiml(str(error))
        self._replies[message_id] = words
        while len(self._replies) > REPLIES_REMEMBERED:
            self._replies.popitem(last=False)
        return _twiml(words)

    async def status(self, request: web.Request) -> web.Response:
        """Handles a delivery report. The person who waits for the code is told at once why it does not come.

        A code that arrives still counts.
        """
        form = await self._signed(request)
        challenge = request.query.get("challenge", "")
        if form.get("MessageStatus") in FAILED and challenge:
            code = form.get("ErrorCode", "")
            number = int(code) if code.isascii() and code.isdigit() else None
            trouble = reported_with(number).trouble
            self._undelivered(trouble)
            try:
                await self._service.undelivered(challenge, trouble, number)
            except CountersignError as error:
                # Twilio does not repeat a report, so the challenge ends at its deadline without one.
                raise web.HTTPServiceUnavailable(text=str(error)) from error
        return web.Response(status=204)

    async def _signed(self, request: web.Request) -> dict[str, str]:
        """The form, once its signature holds over the exact public URL; 403 otherwise.

        Twilio signs the fields, so they are parsed first, by a strict and bounded parser.
        """
        form = request_body.form_of(request, await request_body.read(request, BODY_LIMIT))
        url = self._public_url + request.raw_path
        signature = request.headers.get("X-Twilio-Signature", "")
        if not self._validator.validate(url, form, signature):
            raise web.HTTPForbidden(text="Invalid signature.")
        return form


def words_for(heard: Heard, digits: int) -> str:
    """Returns the answer to a reply from a phone; `digits` is the length of a code."""
    if heard.ended is not None or heard.waiting == 0:
        fate = _fate(heard.ended) if heard.ended is not None else NOTHING_WAITS
        return fate + (NEWEST if heard.waiting else "")
    if heard.not_a_code or heard.same_code:
        return SAME_CODE if heard.same_code else NOT_A_CODE.format(digits=digits)
    if heard.challenge is not None and heard.challenge.status is ChallengeStatus.VERIFIED:
        return _right(heard, heard.challenge)
    if heard.answered is None or heard.challenge is None:
        slow = heard.challenge is not None and heard.challenge.status is ChallengeStatus.WAITING
        return NOT_YET if slow else TOO_LATE
    if heard.answered.right:
        return _right(heard, heard.challenge)
    left = heard.answered.attempts_left
    return WRONG.format(left=left, tries="try" if left == 1 else "tries") if left > 0 else WRONG_LAST


def _right(heard: Heard, challenge: ChallengeProgress) -> str:
    """Returns the answer to a right code. If several codes were awaited, it says which one has come."""
    if heard.waiting > 1 and challenge.subject:
        return RIGHT_OF_SEVERAL.format(subject=in_message(challenge.subject))
    return RIGHT


def _fate(ended: ChallengeProgress) -> str:
    """Says how the challenge of a late code had ended."""
    if ended.status is ChallengeStatus.VERIFIED:
        return USED
    if ended.status is ChallengeStatus.EXPIRED:
        return TOO_LATE
    return NOT_NEEDED if ended.trouble is Trouble.CANCELLED else NO_LONGER


def _twiml(words: str | None) -> web.Response:
    response = MessagingResponse()
    if words:
        response.message(words)
    return web.Response(text=str(response), content_type="text/xml")

"""`/2010-04-01/Accounts/{sid}/Messages`: Twilio's API for sending texts and reading their status."""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from bot.simulator.faults import CallLog, Faults, LoggedCall
from bot.simulator.sms.account import SmsAccount
from bot.simulator.sms.carrier import API_VERSION, Carrier
from bot.simulator.sms.faults import SmsFault
from bot.simulator.sms.numbers import MAGIC, is_e164
from bot.simulator.sms.rest_calls import PREFIX, authenticate, refused
from bot.simulator.sms.rest_errors import RestError
from bot.simulator.sms.segments import count_segments
from bot.simulator.workspace.texts import PlannedOutcome, TextMessage, Texts

Json = dict[str, Any]

LONGEST = 1600  # characters
# The error for a valid number that nobody here has. Source: https://www.twilio.com/docs/api/errors/30005
UNKNOWN_HANDSET = 30005
CREATE = "sms.messages.create"


class MessagesApi:
    """Serves the API. Every create makes a new text: Twilio has no idempotency key.

    `calls` records each create as `sms.messages.create`, with its form.
    """

    def __init__(
        self, texts: Texts, account: SmsAccount, carrier: Carrier, calls: CallLog, faults: Faults[SmsFault]
    ) -> None:
        self._faults = faults
        self._texts = texts
        self._account = account
        self._carrier = carrier
        self._calls = calls

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to serve."""
        return [
            web.post(f"{PREFIX}/Messages.json", self.create),
            web.get(f"{PREFIX}/Messages/{{sid}}.json", self.fetch),
        ]

    async def create(self, request: web.Request) -> web.Response:
        """Accept a text for sending."""
        form = {name: str(value) for name, value in (await request.post()).items()}
        try:
            authenticate(self._account, request)
            text = self._take(form)
        except RestError as error:
            self._log(form, str(error.code))
            return refused(error)
        self._log(form, None)
        return web.json_response(self._resource(text), status=201)

    async def fetch(self, request: web.Request) -> web.Response:
        """Return a text as it is now, whether the app or a person sent it."""
        try:
            authenticate(self._account, request)
        except RestError as error:
            return refused(error)
        text = self._texts.get(request.match_info["sid"])
        if text is None:
            return refused(RestError(20404, uri=request.path))
        return web.json_response(self._resource(text))

    def _take(self, form: dict[str, str]) -> TextMessage:
        to, body = form.get("To", ""), form.get("Body", "")
        fault = self._faults.strike(lambda planned: planned.hits(to))
        if fault is not None:
            _strike(fault, to)
        _check_content(to, body)
        sender, callback = self._sender(form), form.get("StatusCallback")
        self._check(to, sender, callback)
        service = form.get("MessagingServiceSid")
        text = self._carrier.send(
            TextMessage(
                direction="outbound-api",
                sender=sender,
                recipient=to,
                body=body,
                status="accepted" if service else "queued",
                service=service,
                callback=callback or (self._account.status_url if service else None),
                outcome=self._outcome(to, fault),
            )
        )
        if fault is not None and fault.kind == "lost_answer":
            raise RestError(20500)
        return text

    def _check(self, to: str, sender: str, callback: str | None) -> None:
        """Raise RestError when nothing can be sent from this sender to this number."""
        if callback and urlsplit(callback).scheme not in {"http", "https"}:
            raise RestError(21609, callback=callback)
        if to in MAGIC:
            raise RestError(MAGIC[to], to=to)
        if self._account.region(to) is None:
            raise RestError(21408, to=to)
        if self._texts.has_opted_out(to, self._account.sender_scope(sender)):
            raise RestError(21610)

    def _sender(self, form: dict[str, str]) -> str:
        """Return the number to send from. Raises RestError."""
        service = form.get("MessagingServiceSid")
        if service and service != self._account.messaging_service_sid:
            raise RestError(21705)
        sender = form.get("From") or (self._account.numbers[0] if service else "")
        if not sender:
            raise RestError(21603)
        if sender not in self._account.numbers:
            raise RestError(21606, sender=sender)
        return sender

    def _outcome(self, to: str, fault: SmsFault | None) -> PlannedOutcome:
        if fault is not None:
            return fault.outcome()
        if self._texts.owner_of(to) is None:
            return PlannedOutcome("undelivered", UNKNOWN_HANDSET)
        return PlannedOutcome()

    def _resource(self, text: TextMessage) -> Json:
        uri = f"/{API_VERSION}/Accounts/{self._account.account_sid}/Messages/{text.sid}"
        # When a messaging service accepts a text, it has not chosen a number or counted segments yet.
        chosen = text.status != "accepted"
        return {
            "account_sid": self._account.account_sid,
            "api_version": API_VERSION,
            "body": text.body,
            "date_created": _instant(text.created),
            "date_sent": _instant(text.created if text.inbound else text.sent),
            "date_updated": _instant(text.updated),
            "direction": text.direction,
            "error_code": text.error_code,
            "error_message": None,
            "from": text.sender if chosen else None,
            "messaging_service_sid": text.service,
            "num_media": "0",
            "num_segments": str(count_segments(text.body) if chosen else 0),
            "price": None,
            "price_unit": "USD",
            "sid": text.sid,
            "status": text.status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": text.recipient,
            "uri": f"{uri}.json",
        }

    def _log(self, form: dict[str, str], error: str | None) -> None:
        self._calls.add(LoggedCall(CREATE, form, self._texts.now(), ok=error is None, error=error))


def _check_content(to: str, body: str) -> None:
    if not to:
        raise RestError(21604)
    if not is_e164(to):
        raise RestError(21211, to=to)
    if not body:
        raise RestError(21602)
    if len(body) > LONGEST:
        raise RestError(21617)


def _strike(fault: SmsFault, to: str) -> None:
    match fault.kind:
        case "ratelimited":
            raise RestError(20429, retry_after=fault.retry_after)
        case "http_500":
            raise RestError(20500)
        case "refuse":
            raise RestError(fault.refusal, to=to)


def _instant(epoch: float | None) -> str | None:
    return (
        None if epoch is None else format_datetime(datetime.fromtimestamp(epoch, UTC).replace(microsecond=0))
    )

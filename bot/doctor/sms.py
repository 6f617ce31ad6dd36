"""Checks SMS: the account, its sender, and the address that Twilio sends replies to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client

from bot.doctor.aside import aside
from bot.doctor.finding import DoctorFinding, Severity, error, ok, unchecked, warning
from bot.doctor.subject import Subject
from bot.twilio.sender import rest_client
from bot.twilio.settings import TwilioSettings

Look = Callable[[Subject, TwilioSettings], Iterator[DoctorFinding]]

REFUSED: Final = frozenset({401, 403})
NOT_FOUND: Final = 404
POINT: Final = "point it at COUNTERSIGN_PUBLIC_URL + /twilio/sms, by POST"
NO_SMS: Final = "TWILIO_FROM: is a number that takes no text messages; give one that does."
NOT_OURS: Final = "TWILIO_FROM: is no number of that account; take one of its numbers from Twilio's console."
NO_SERVICE: Final = (
    "TWILIO_MESSAGING_SERVICE_SID: is no messaging service of that account; copy its SID from Twilio's "
    "console."
)
NO_SENDER: Final = (
    "TWILIO_MESSAGING_SERVICE_SID: that service has no sender; add a number to it in Twilio's console."
)


async def check(subject: Subject) -> AsyncGenerator[DoctorFinding, None]:
    """Runs all checks of SMS. Only looks things up, and sends nothing."""
    twilio = subject.twilio
    if twilio is None:
        if subject.settings.sms:
            yield unchecked("sms", "Not checked, as the TWILIO_ settings cannot be used.")
        else:
            yield ok("sms", "No TWILIO_ setting is given: no code goes by SMS.")
        return
    for look in (_account, _sender):
        found = await aside(partial(_told, look, subject, twilio))
        for finding in found:
            yield finding
        if any(finding.severity is Severity.ERROR for finding in found):
            return


def _told(look: Look, subject: Subject, twilio: TwilioSettings) -> list[DoctorFinding]:
    """The findings, or Twilio's refusal without its text, as that may hold a number."""
    try:
        return list(look(subject, twilio))
    except TwilioException as failure:
        status = _status(failure)
        if status is None:
            return [error("sms", _unreached(failure))]
        if status in REFUSED and look is _account:
            text = (
                "Twilio refuses TWILIO_ACCOUNT_SID with TWILIO_AUTH_TOKEN; copy both from Twilio's console."
            )
        elif status in REFUSED:
            text = "Twilio refuses TWILIO_API_KEY with TWILIO_API_SECRET; make a key in Twilio's console."
        else:
            text = f"Twilio answers {status}; see whether it has trouble, and COUNTERSIGN_TWILIO_API_URL is right."
        return [error("sms", text)]
    except OSError as failure:
        return [error("sms", _unreached(failure))]


def _status(failure: TwilioException) -> int | None:
    """The HTTP status of Twilio's refusal. For a list, Twilio's client has the answer beside the message."""
    if isinstance(failure, TwilioRestException):
        return int(failure.status)
    status = getattr(failure.args[1], "status_code", None) if len(failure.args) > 1 else None
    return status if isinstance(status, int) else None


def _unreached(failure: Exception) -> str:
    return (
        f"Twilio cannot be reached ({type(failure).__name__}); see whether this machine may reach it, and "
        "whether COUNTERSIGN_TWILIO_API_URL is right."
    )


def _account(_: Subject, twilio: TwilioSettings) -> Iterator[DoctorFinding]:
    """Checks the account with the token. Twilio's calls are checked by it, so an API key cannot replace it."""
    account = rest_client(twilio, as_account=True).api.v2010.accounts(twilio.account_sid).fetch()
    if account.status != "active":
        yield error(
            "sms.account", f"The Twilio account is {account.status}; its console says what has to be done."
        )
    elif account.type == "Trial":
        yield warning(
            "sms.account",
            "The Twilio account is on trial, so it sends to verified numbers alone; upgrade it before you rely on it.",
        )
    else:
        yield ok("sms.account", "Twilio knows the account, and it is active.")


def _sender(subject: Subject, twilio: TwilioSettings) -> Iterator[DoctorFinding]:
    client = rest_client(twilio)
    public = subject.settings.public_url
    wanted = f"{public}/twilio/sms" if public else None
    if twilio.messaging_service_sid:
        yield from _of_service(client, twilio.messaging_service_sid, wanted)
    elif twilio.sender and twilio.sender.startswith("+"):
        yield from _of_number(client, twilio.sender, wanted)
    elif twilio.sender:
        found = client.short_codes.list(short_code=twilio.sender, limit=1)
        yield from (
            _of_webhook("the short code", found[0].sms_url, found[0].sms_method, wanted)
            if found
            else [error("sms.sender", NOT_OURS)]
        )


def _of_number(client: Client, number: str, wanted: str | None) -> Iterator[DoctorFinding]:
    listed = client.incoming_phone_numbers.list(phone_number=number, limit=20)
    found = next((one for one in listed if one.phone_number == number), None)
    if found is None:
        yield error("sms.sender", NOT_OURS)
        return
    # Twilio's client returns the capabilities in the form of Twilio's JSON.
    if not dict(found.capabilities or {}).get("sms"):
        yield error("sms.sender", NO_SMS)
        return
    yield ok("sms.sender", "TWILIO_FROM is a number of that account which takes text messages.")
    if found.sms_application_sid:
        yield warning(
            "sms.webhook",
            f"The number's texts go to a TwiML app of Twilio's, which cannot be looked into; take that out, "
            f"and {POINT}.",
        )
        return
    yield from _of_webhook("the number", found.sms_url, found.sms_method, wanted)


def _of_service(client: Client, sid: str, wanted: str | None) -> Iterator[DoctorFinding]:
    try:
        service = client.messaging.v1.services(sid).fetch()
        numbers = client.messaging.v1.services(sid).phone_numbers.list(limit=1)
    except TwilioRestException as failure:
        if failure.status != NOT_FOUND:
            raise
        yield error("sms.sender", NO_SERVICE)
        return
    if not numbers and not client.messaging.v1.services(sid).short_codes.list(limit=1):
        yield error("sms.sender", NO_SENDER)
        return
    yield ok("sms.sender", "The messaging service is of that account, and has a sender.")
    if service.use_inbound_webhook_on_number:
        yield unchecked(
            "sms.webhook",
            f"The messaging service leaves replies to the webhooks of its numbers; see that each does, or {POINT}.",
        )
        return
    yield from _of_webhook(
        "the messaging service", service.inbound_request_url, service.inbound_method, wanted
    )


def _of_webhook(
    whose: str, url: str | None, method: str | None, wanted: str | None
) -> Iterator[DoctorFinding]:
    if wanted is None:
        yield unchecked("sms.webhook", "Not checked, as COUNTERSIGN_PUBLIC_URL is not set.")
    elif not url:
        yield error(
            "sms.webhook", f"No webhook is set for what comes to {whose}, so no reply arrives; {POINT}."
        )
    elif url != wanted:
        # An address may contain a password, so only its host is shown.
        where = urlsplit(url).hostname or "no host"
        other = "another path" if where == urlsplit(wanted).hostname else where
        yield error(
            "sms.webhook",
            f"The webhook of {whose} leads to {other}, so no reply arrives here; {POINT}.",
        )
    elif method != "POST":
        yield error(
            "sms.webhook", f"The webhook of {whose} is called by {method}, so no reply arrives; {POINT}."
        )
    else:
        yield ok("sms.webhook", f"Twilio brings what comes to {whose} here.")

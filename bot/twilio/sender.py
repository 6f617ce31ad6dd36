"""Sends text messages through Twilio's client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode, urlsplit, urlunsplit

from twilio.base.exceptions import TwilioRestException, TwilioServiceException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from bot.twilio.error_codes import refused_with, remedy_for
from bot.twilio.settings import TwilioSettings
from orchestration import telemetry
from orchestration.domain.errors import SmsRefusedError

TIMEOUT: Final = 10.0  # seconds
TWILIO: Final = "api.twilio.com"
CREATED: Final = 201


class SmsUnsentError(Exception):
    """The provider did not take the message; its text is left out, as it may hold the number."""


class _OtherServer(TwilioHttpClient):  # type: ignore[misc]  # Twilio's client has no types
    """Sends to a server other than Twilio's. Twilio's client has no option for that, so the host is replaced here."""

    def __init__(self, base: str) -> None:
        super().__init__(timeout=TIMEOUT)
        self._base = urlsplit(base)

    def request(self, method: str, url: str, *args: Any, **given: Any) -> Any:
        parts = urlsplit(url)
        there = urlunsplit((self._base.scheme, self._base.netloc, parts.path, parts.query, ""))
        return super().request(method, there, *args, **given)


def rest_client(settings: TwilioSettings, *, as_account: bool = False) -> Client:
    """Returns Twilio's client, with the API key if there is one. `as_account`: always with the account's own token."""
    key, secret = (None, None) if as_account else (settings.api_key, settings.api_secret)
    return Client(
        key or settings.account_sid,
        secret or settings.auth_token,
        settings.account_sid,
        http_client=_OtherServer(settings.api_url) if settings.api_url else TwilioHttpClient(timeout=TIMEOUT),
    )


class TwilioSender:
    """Sends messages through Twilio, which reports their delivery to our status webhook."""

    def __init__(
        self,
        settings: TwilioSettings,
        public_url: str | None,
        answered: Callable[[int | None], None] = lambda _status: None,
    ) -> None:
        """`answered` is told the HTTP status of each call's answer, and None where there was none."""
        self._answered = answered
        self._settings = settings
        self._public_url = public_url
        self._client = rest_client(settings)

    def send(self, number: str, text: str, challenge_id: str | None = None) -> None:
        """See `SmsSender`."""
        origin = (
            {"messaging_service_sid": self._settings.messaging_service_sid}
            if self._settings.messaging_service_sid
            else {"from_": self._settings.sender}
        )
        if self._public_url and challenge_id is not None:
            origin["status_callback"] = (
                f"{self._public_url}/twilio/status?{urlencode({'challenge': challenge_id})}"
            )
        try:
            with telemetry.call("twilio messages.create"):
                self._client.messages.create(to=number, body=text, **origin)
            self._answered(CREATED)
        except (TwilioRestException, TwilioServiceException) as error:
            self._answered(error.status)
            # Twilio's texts may hold the number, so only the code is read.
            code = error.code if isinstance(error.code, int) else None
            meant = refused_with(error.status, code)
            if not meant.again:
                raise SmsRefusedError(meant.trouble, code) from None
            raise SmsUnsentError(f"Twilio answered {error.status} with code {error.code}.") from None
        except OSError as error:
            self._answered(None)
            raise SmsUnsentError(f"Twilio cannot be reached ({type(error).__name__}).") from None

    def remedy(self, code: int | None, trouble: str) -> str:
        """See `SmsSender`."""
        return remedy_for(code, trouble)

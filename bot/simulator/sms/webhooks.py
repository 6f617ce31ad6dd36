"""Twilio's requests to the app: forms, signed over the URL and every field."""

import asyncio
import base64
import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp
from yarl import URL

ATTEMPTS = 2  # Twilio may try once more, so an app must expect it

Form = dict[str, str]


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """What the app answered, with a 2xx status."""

    content_type: str
    text: str


class Webhooks:
    """Posts forms to the app, and repeats once when there is no answer with a 2xx status.

    Waits `timeout` seconds for an answer.
    """

    def __init__(self, auth_token: str, timeout: float) -> None:
        self._key = auth_token.encode()
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, form: Form, token: str) -> WebhookResponse | None:
        """Post the form and return the app's answer; None without one. `token` marks repetitions of a request."""
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "User-Agent": "TwilioProxy/1.1",
            "I-Twilio-Idempotency-Token": token,
            "X-Twilio-Signature": signature(self._key, url, form),
        }
        for _ in range(ATTEMPTS):
            answer = await self._attempt(url, urlencode(form).encode(), headers)
            if answer is not None:
                return answer
        return None

    async def _attempt(self, url: str, body: bytes, headers: Form) -> WebhookResponse | None:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        try:
            async with (
                asyncio.timeout(self._timeout),
                # Not encoded again: the app must receive exactly the URL that was signed.
                self._session.post(
                    URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                text = await response.text(errors="replace")
        except (TimeoutError, aiohttp.ClientError, ValueError):
            return None
        return WebhookResponse(response.content_type, text) if 200 <= response.status < 300 else None

    async def close(self) -> None:
        """Close open connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def signature(key: bytes, url: str, form: Form) -> str:
    """Return X-Twilio-Signature: HMAC-SHA1, in base64, over the URL and the fields in order of their names.

    Source: https://www.twilio.com/docs/usage/security#validating-requests
    """
    signed = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(key, signed.encode(), hashlib.sha1).digest()).decode()

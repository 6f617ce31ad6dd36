"""Delivers payloads to the app by signed HTTP requests. Socket Mode is the other delivery method."""

import asyncio
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from urllib.parse import urlencode

import aiohttp

Json = dict[str, Any]
Kind = Literal["slash_commands", "interactive", "events_api"]


@dataclass(frozen=True, slots=True)
class Redelivery:
    """The number of a repeated attempt, counted from 1, and Slack's code for its reason."""

    number: int
    reason: str


class NoAckError(Exception):
    """The app did not acknowledge. `reason` is Slack's code; `status` is the HTTP status, if there was one.

    `retry` is False when the app refused repetitions by `X-Slack-No-Retry: 1`.
    """

    def __init__(self, reason: str, status: int | None = None, *, retry: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.retry = retry


class DeliveryMethod(Protocol):
    """A way to deliver payloads to the app."""

    async def deliver(self, kind: Kind, payload: Json, retry: Redelivery | None = None) -> Json | str | None:
        """Deliver a payload and return the app's acknowledgement: an object, a text, or nothing.

        Raises NoAckError when there was no acknowledgement in time.
        """


class HttpDelivery:
    """Signs and posts to `request_url`, which may change at any time.

    Waits `timeout` seconds for the answer.
    Source: https://docs.slack.dev/authentication/verifying-requests-from-slack
    """

    def __init__(self, request_url: str | None, signing_secret: str, timeout: float) -> None:
        self.request_url = request_url
        self._secret = signing_secret.encode()
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def deliver(self, kind: Kind, payload: Json, retry: Redelivery | None = None) -> Json | str | None:
        """See DeliveryMethod."""
        if self.request_url is None:
            raise NoAckError("connection_failed")
        body, content_type = _encode(kind, payload)
        headers = {"Content-Type": content_type, "User-Agent": "Slackbot 1.0", **self._signature(body)}
        if retry is not None:
            headers |= {"X-Slack-Retry-Num": str(retry.number), "X-Slack-Retry-Reason": retry.reason}
        if self._session is None:
            self._session = aiohttp.ClientSession()
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._session.post(
                    self.request_url, data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                answer = await response.read()
        except TimeoutError:
            raise NoAckError("http_timeout") from None
        except aiohttp.ClientError:
            raise NoAckError("connection_failed") from None
        if response.status != 200:
            again = response.headers.get("X-Slack-No-Retry") != "1"
            raise NoAckError("http_error", response.status, retry=again)
        return _decode(answer, response.content_type)

    def _signature(self, body: bytes) -> dict[str, str]:
        # Real time, not the workspace's: the app compares it with its own clock.
        timestamp = str(int(time.time()))
        digest = hmac.new(self._secret, b"v0:%s:%s" % (timestamp.encode(), body), hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": f"v0={digest}"}

    async def close(self) -> None:
        """Close open connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _encode(kind: Kind, payload: Json) -> tuple[bytes, str]:
    if kind == "slash_commands":
        return urlencode(payload).encode(), "application/x-www-form-urlencoded"
    text = json.dumps(payload, ensure_ascii=False)
    if kind == "interactive":
        return urlencode({"payload": text}).encode(), "application/x-www-form-urlencoded"
    return text.encode(), "application/json"


def _decode(body: bytes, content_type: str) -> Json | str | None:
    text = body.decode(errors="replace").strip()
    if not text:
        return None
    if content_type == "application/json":
        try:
            answer = json.loads(text)
        except ValueError:
            raise NoAckError("http_error", 200) from None
        return answer if isinstance(answer, dict) else None
    return text

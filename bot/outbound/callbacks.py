"""Callbacks: an outcome POSTed to where the one who asked wants it, signed by the Standard Webhooks scheme."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import json
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
from standardwebhooks import Webhook

from bot.security.keys import Secrets
from orchestration.domain.effects import SendCallbackInput
from orchestration.domain.errors import CountersignError, DeliveryError, ThrottledError

TIMEOUT: Final = 10.0  # seconds, for all of one try
PURPOSE: Final = "callback"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class NetworkSettingError(CountersignError):
    """COUNTERSIGN_CALLBACK_NETWORKS is not a list of networks, such as 10.0.0.0/8."""


class _ForbiddenTargetError(OSError):
    """The address belongs to a network that callbacks must not reach."""


def networks(setting: str | None) -> tuple[Network, ...]:
    """The networks that are allowed although they are not public. Raises `NetworkSettingError`."""
    try:
        return tuple(ipaddress.ip_network(part) for part in (setting or "").replace(",", " ").split())
    except ValueError as error:
        raise NetworkSettingError(f"COUNTERSIGN_CALLBACK_NETWORKS: {error}.") from error


def secret_of(secrets: Secrets, token: str | None) -> str:
    """What the receiver verifies with, `whsec_…`: each token has its own, so none can forge another's callbacks."""
    return "whsec_" + base64.b64encode(secrets.derive(PURPOSE, token or "")).decode()


class HttpCaller:
    """Delivers callbacks. Called from worker threads."""

    def __init__(self, secrets: Secrets, allowed: Sequence[Network]) -> None:
        self._secrets = secrets
        self._allowed = allowed

    def send_callback(self, callback: SendCallbackInput) -> str:
        """One try. Raises `DeliveryError` where another could not help, anything else where it could."""
        return asyncio.run(self._post(callback))

    async def _post(self, callback: SendCallbackInput) -> str:
        body = json.dumps(callback.event, ensure_ascii=False, separators=(",", ":"))
        connector = aiohttp.TCPConnector(socket_factory=self._socket, force_close=True)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http,
                http.post(
                    callback.url,
                    data=body.encode(),
                    headers=self._headers(callback, body),
                    # A redirect would lead past the check of the address, or turn the POST into a GET.
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=TIMEOUT),
                ) as answer,
            ):
                return _judge(answer)
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, _ForbiddenTargetError):
                raise DeliveryError(str(error.os_error)) from error
            raise
        except aiohttp.InvalidURL as error:
            raise DeliveryError(f"{callback.url} is not an address.") from error

    def _headers(self, callback: SendCallbackInput, body: str) -> dict[str, str]:
        """Signed anew at each try, as receivers refuse an old timestamp; the ID stays the same."""
        now = datetime.now(UTC)
        signature = Webhook(secret_of(self._secrets, callback.asked_with)).sign(callback.id, now, body)
        return {
            "Content-Type": "application/json",
            "User-Agent": "countersign",
            "webhook-id": callback.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature,
        }

    def _socket(self, target: tuple[Any, ...]) -> socket.socket:
        """A socket for the very address that is about to be connected to.

        A check of the name's addresses beforehand could be led astray by a name that resolves anew.
        """
        family, kind, protocol, _, place = target
        address = ipaddress.ip_address(place[0].partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        address = mapped or address
        if not address.is_global and not any(address in network for network in self._allowed):
            raise _ForbiddenTargetError(
                f"{address} is not a public address; COUNTERSIGN_CALLBACK_NETWORKS can allow its network."
            )
        return socket.socket(family, kind, protocol)


def _judge(answer: aiohttp.ClientResponse) -> str:
    """What the status means, by the Standard Webhooks rules: 2xx is done, 410 is never again, all else is again."""
    if 200 <= answer.status < 300:
        return f"answered {answer.status}"
    if answer.status == 410:
        raise DeliveryError("It answered 410: it wants no callbacks any more.")
    after = answer.headers.get("Retry-After", "")
    if answer.status in {429, 503} and after.isdigit():
        raise ThrottledError(min(float(after), 3600.0))
    if 300 <= answer.status < 400:
        raise DeliveryError(f"It answered {answer.status}; redirects are not followed.")
    raise CountersignError(f"It answered {answer.status}.")

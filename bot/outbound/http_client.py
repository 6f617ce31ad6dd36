"""The one HTTP client for callbacks and for the POSTs of outcome actions.

One set of rules holds for both. An address that is not public is refused unless its network is allowed. Where the
operator gives a list of hosts, every other host is refused. No redirect is followed, no proxy or `.netrc` of the
environment is used, and no cookie is kept. An attempt times out after ten seconds. No more of a response is read than
the caller asks for.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from bot.outbound.addresses import Network, may_be_called
from bot.setting_sources import SettingError
from orchestration import telemetry
from orchestration.domain.errors import DeliveryError, ThrottledError, TryFailedError

T = TypeVar("T")

TIMEOUT: Final = 10.0  # seconds, for one whole attempt
_HOST: Final = re.compile(r"(\*\.)?([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}|\[[0-9a-f:.]+\]")
LONGEST_WAIT: Final = 3600.0  # seconds; the longest wait, even if a system asks for more


@dataclass(frozen=True)
class HttpAnswer:
    """What the other system answered. `body` is the beginning of the answer's body, decompressed."""

    status: int
    body: bytes = b""

    @property
    def ok(self) -> bool:
        """Whether the other system accepted it (2xx)."""
        return 200 <= self.status < 300


def allowed_networks(setting: str | None) -> tuple[Network, ...]:
    """Parses the networks of COUNTERSIGN_CALLBACK_NETWORKS, separated by spaces or commas. Raises `SettingError`."""
    try:
        return tuple(ipaddress.ip_network(part) for part in (setting or "").replace(",", " ").split())
    except ValueError as error:
        raise SettingError(
            f"COUNTERSIGN_CALLBACK_NETWORKS: {error}; give networks such as 10.0.0.0/8, separated by commas."
        ) from error


def allowed_hosts(setting: str | None) -> HostList | None:
    """Parses the hosts of COUNTERSIGN_CALLBACK_HOSTS; None if every host may be called. Raises `SettingError`."""
    if setting is None:
        return None
    hosts = [host.lower() for host in setting.replace(",", " ").split()]
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise SettingError(
                f"COUNTERSIGN_CALLBACK_HOSTS: {host!r} is no host; give names such as erp.example.com or "
                "*.example.com, without scheme, port and path, separated by commas."
            )
    return HostList(hosts)


class HostList:
    """The only hosts that may be called.

    `*.example.com` means every name under example.com, but not example.com itself.
    """

    def __init__(self, hosts: Sequence[str]) -> None:
        self._hosts = frozenset(host for host in hosts if not host.startswith("*."))
        self._domains = tuple(host.removeprefix("*") for host in hosts if host.startswith("*."))

    def __contains__(self, host: str) -> bool:
        return host in self._hosts or host.endswith(self._domains)


class HttpClient:
    """POSTs to other systems. Called from worker threads; each call has its own connection."""

    def __init__(self, allowed: Sequence[Network], hosts: HostList | None = None) -> None:
        """`allowed`: networks that may be reached although they are not public. `hosts`: the only hosts, or None."""
        self._allowed = allowed
        self._hosts = hosts

    def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        is_final: Callable[[int], bool],
        read: int = 0,
    ) -> HttpAnswer:
        """Sends one POST of a JSON `body`. `read`: how many bytes of the answer's body are looked at.

        `is_final` says of a status from 400 on whether trying again is useless. The answer has a 2xx or such a final
        status. Any other result raises: `DeliveryError` for a redirect, a forbidden address and what is no URL;
        `ThrottledError` where the other system says when to try again; `TryFailedError` for the rest.
        """
        host = host_of(url)

        async def take(answer: aiohttp.ClientResponse) -> HttpAnswer:
            _check(answer, host, is_final)
            return HttpAnswer(answer.status, await _beginning(answer.content, read))

        return asyncio.run(
            self._exchange("POST", url, {"Content-Type": "application/json", **headers}, body, take)
        )

    def ask(self, url: str, headers: Mapping[str, str], wanted: str) -> str | None:
        """Sends one OPTIONS before a POST. Returns the answer's header `wanted`, whatever the status; None without it.

        Raises `DeliveryError` and `TryFailedError` as `post` does, if the address is forbidden or not reached.
        """

        async def take(answer: aiohttp.ClientResponse) -> str | None:
            return answer.headers.get(wanted)

        return asyncio.run(self._exchange("OPTIONS", url, headers, None, take))

    async def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        take: Callable[[aiohttp.ClientResponse], Awaitable[T]],
    ) -> T:
        host = host_of(url)
        if self._hosts is not None and host.removesuffix(".") not in self._hosts:
            raise DeliveryError(f"{host} is not among the hosts that COUNTERSIGN_CALLBACK_HOSTS allows.")
        sockets = _PublicSockets(self._allowed)
        connector = aiohttp.TCPConnector(
            socket_factory=sockets.open, force_close=True, resolver=_DaemonResolver()
        )
        try:
            async with (
                _spanned(method, host),
                aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http,
                http.request(
                    method,
                    url,
                    data=body,
                    headers={"User-Agent": "countersign", **headers},
                    # A redirect leads to an address that nobody configured, and may turn the POST into a GET.
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=TIMEOUT),
                ) as answer,
            ):
                return await take(answer)
        except (aiohttp.InvalidURL, UnicodeError) as error:
            raise DeliveryError(f"{host} is not an address that can be called.") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if sockets.refused is not None and not sockets.opened:
                raise DeliveryError(
                    f"{sockets.refused} is not a public address; COUNTERSIGN_CALLBACK_NETWORKS can allow its network."
                ) from error
            raise TryFailedError(f"{host} could not be reached ({_reason(error)}).") from error


class _PublicSockets:
    """Opens the sockets of one request, each for the very address that is about to be connected to.

    Checking the name's addresses earlier is not enough: it may resolve to another address the second time.
    """

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = allowed
        self.opened = 0
        self.refused: ipaddress.IPv4Address | ipaddress.IPv6Address | None = None

    def open(self, target: tuple[Any, ...]) -> socket.socket:
        """Opens a socket for one result of `getaddrinfo`. Raises `OSError` for an address that must not be reached."""
        family, kind, protocol, _, place = target
        address = ipaddress.ip_address(place[0].partition("%")[0])
        if not may_be_called(address, self._allowed):
            self.refused = address
            raise OSError(f"{address} is not a public address.")
        self.opened += 1
        return socket.socket(family, kind, protocol)


class _DaemonResolver(AbstractResolver):
    """Resolves each name in its own thread. After the attempt's timeout nobody waits for that thread."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Returns the addresses of the name. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[Any]] = loop.create_future()

        def look() -> None:
            result: list[Any] | OSError
            try:
                result = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
            except OSError as error:
                result = error
            except UnicodeError:  # a label that is too long or empty
                result = socket.gaierror(socket.EAI_NONAME, "the name is not valid")
            with suppress(RuntimeError):  # the attempt is over, and its loop is closed
                loop.call_soon_threadsafe(_settle, found, result)

        threading.Thread(target=look, name=f"resolve {host}", daemon=True).start()
        return [
            ResolveResult(
                hostname=host,
                host=place[0],
                port=place[1],
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, place in await found
        ]

    async def close(self) -> None:
        """Does nothing: there is nothing to close."""


def _settle(future: asyncio.Future[list[Any]], result: list[Any] | OSError) -> None:
    if future.done():
        return
    if isinstance(result, OSError):
        future.set_exception(result)
    else:
        future.set_result(result)


@asynccontextmanager
async def _spanned(method: str, host: str) -> AsyncIterator[None]:
    """Opens a span for one attempt. It has neither the path nor the query of the URL."""
    attributes = {"http.request.method": method, "server.address": host}
    with telemetry.call(method, attributes=attributes):
        yield


def host_of(url: str) -> str:
    """Returns the host of a URL. It may be shown to people; path and query may hold secrets."""
    try:
        return urlsplit(url).hostname or "the URL"
    except ValueError:
        return "the URL"


def _check(answer: aiohttp.ClientResponse, host: str, is_final: Callable[[int], bool]) -> None:
    """Raises for every status that is neither 2xx nor final."""
    status = answer.status
    if 200 <= status < 300 or (status >= 400 and is_final(status)):
        return
    if 300 <= status < 400:
        raise DeliveryError(
            f"{host} answered {status}, a redirect, and none is followed; give its final address."
        )
    if (wait := _retry_after(answer.headers.get("Retry-After"))) is not None:
        raise ThrottledError(wait, f"{host} asks us to wait ({status}).")
    raise TryFailedError(f"{host} answered {status}.")


def _retry_after(text: str | None) -> float | None:
    """Returns the seconds of either form of the header; None if it has no valid value."""
    if not text:
        return None
    if text.isascii() and text.strip().isdecimal():
        return min(float(text), LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    left = (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(left, 0.0), LONGEST_WAIT)


async def _beginning(content: aiohttp.StreamReader, size: int) -> bytes:
    """Reads at most the first `size` bytes."""
    found = b""
    while len(found) < size and (piece := await content.read(size - len(found))):
        found += piece
    return found


def _reason(error: Exception) -> str:
    """Says in a few words why it was not reached, without the URL's path."""
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT:.0f} s"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name cannot be resolved"
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno)  # asyncio's own text repeats the address
    return type(error).__name__

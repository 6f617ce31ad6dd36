"""Checks the server: whether it runs, whether the public address leads to it, and what it refuses."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from bot.doctor import certificates
from bot.doctor.finding import DoctorFinding, error, ok, unchecked, warning
from bot.doctor.subject import Subject
from bot.outbound.addresses import may_be_called
from bot.security.secrets import SHORTEST, Secrets
from bot.security.server_proof import challenge, proof, proves

PATIENCE: Final = 8.0  # seconds, for one call
BYTES: Final = 64 * 1024  # the part of an answer that is read
ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound
PUBLIC_URL: Final = "COUNTERSIGN_PUBLIC_URL"
ELSEWHERE: Final = (
    "COUNTERSIGN_LISTEN: something else answers at {place}, or Countersign with another secret; stop it, or choose "
    "another port."
)
NOT_NEEDED: Final = f"{PUBLIC_URL} is not set: Socket Mode needs none, and there are no links to records."
NOT_SET: Final = (
    f"{PUBLIC_URL}: is not set, so nobody can look from here whether Slack reaches this server; set it to the address "
    "that Slack calls, without /slack/events."
)
NOT_HTTPS: Final = (
    f"{PUBLIC_URL}: is no https:// address, and Slack calls no other; put a proxy that speaks TLS in front."
)
IN_THE_CLEAR: Final = (
    f"{PUBLIC_URL}: is no https:// address, so codes and links cross the network in the clear; put a proxy that speaks "
    "TLS in front."
)
SIGNED: Final = (("/slack/events", 401), ("/twilio/sms", 403))


@dataclass(frozen=True)
class _HttpAnswer:
    status: int
    body: Any
    seconds: float


class _UnansweredError(Exception):
    """Nothing came from an address. Its text says why, as the middle of a sentence."""


async def check(subject: Subject) -> AsyncGenerator[DoctorFinding, None]:
    """Runs all checks. If the server does not run, a stand-in answers for a moment, to test the address."""
    if why := subject.usable("COUNTERSIGN_LISTEN", PUBLIC_URL):
        yield unchecked("server", why)
        return
    settings = subject.settings
    known = subject.secrets or Secrets(os.urandom(SHORTEST))
    place = _place(settings.host, settings.port)
    async with AsyncExitStack() as closing:
        http = await closing.enter_async_context(_session())
        try:
            runs = await _is_ours(http, f"http://{place}", known)
        except _UnansweredError:
            runs = None
        if runs:
            async for finding in _ready(http, place):
                yield finding
        elif runs is None:
            yield unchecked("server", f"The server does not run: nothing answers at {place}.")
            try:
                await closing.enter_async_context(_stand_in(settings.host, settings.port, known))
            except OSError as failure:
                yield error(
                    "server",
                    f"COUNTERSIGN_LISTEN: {place} cannot be listened on ({failure.strerror}); choose another port or "
                    "address.",
                )
                return
        else:
            yield error("server", ELSEWHERE.format(place=place))
            return
        outside = await closing.enter_async_context(_session(outside=True))
        async for finding in _public(outside, subject, known, runs=bool(runs)):
            yield finding


async def _ready(http: aiohttp.ClientSession, place: str) -> AsyncGenerator[DoctorFinding, None]:
    """What the running server says about itself."""
    try:
        answer = await _get(http, f"http://{place}/readyz")
    except _UnansweredError as failure:
        yield error("server", f"The server does not say how it is: {failure}; look into its log.")
        return
    said = answer.body if isinstance(answer.body, dict) else {}
    problem = said.get("problem")
    down = [name for name in ("hub", "slack") if said.get(name) != "up"]
    if problem:
        yield error("server", f"The server says: {str(problem).rstrip('.')}.")
    elif down:
        yield error("server", f"The server has no {' and no '.join(down)}; look into its log.")
    else:
        took = answer.seconds * 1000
        yield ok("server", f"The server runs at {place}; its hub and Slack are up ({took:,.0f} ms).")
    for one in said.get("warnings", ()):
        yield warning("server", f"The server says: {str(one).rstrip('.')}.")


async def _public(
    http: aiohttp.ClientSession, subject: Subject, known: Secrets, *, runs: bool
) -> AsyncGenerator[DoctorFinding, None]:
    settings = subject.settings
    url = settings.public_url
    if url is None:
        yield ok("address", NOT_NEEDED) if settings.socket_mode else warning("address", NOT_SET)
        return
    if urlsplit(url).scheme != "https" and not _stays_here(url):
        yield warning("address", IN_THE_CLEAR) if settings.socket_mode else error("address", NOT_HTTPS)
    asked = challenge()
    try:
        answer = await _get(http, f"{url}/healthz?challenge={asked}")
    except _UnansweredError as failure:
        yield error("address", f"{PUBLIC_URL}: {failure}.")
        return
    for finding in certificates.lasting(
        "address.certificate", "COUNTERSIGN_PUBLIC_URL", await _certificate_until(url)
    ):
        yield finding
    if not _proven(answer, known, asked):
        yield error("address", f"{PUBLIC_URL}: {_not_us(answer)}.")
        return
    how = "" if runs else ", as was tried with a stand-in for it"
    yield ok("address", f"COUNTERSIGN_PUBLIC_URL leads to this server{how}.")
    for path, refusal in SIGNED:
        if (path == "/slack/events" and settings.socket_mode) or (
            path.startswith("/twilio") and subject.twilio is None
        ):
            continue
        if runs:
            yield await _refuses(http, f"{url}{path}", path, refusal)
        else:
            yield unchecked("address.signature", f"Not checked, as the server does not run: {path}.")


async def _refuses(http: aiohttp.ClientSession, url: str, path: str, refusal: int) -> DoctorFinding:
    """Whether the server itself refuses a call that nobody signed."""
    try:
        async with http.post(url, data={"Body": "unsigned"}, allow_redirects=False) as answer:
            status = answer.status
    except (aiohttp.ClientError, OSError, TimeoutError) as failure:
        return error("address.signature", f"{PUBLIC_URL}: {path} {_why(failure)}.")
    if status == refusal:
        return ok("address.signature", f"{path} is reached, and refuses what is not signed.")
    return error(
        "address.signature",
        f"{PUBLIC_URL}: {path} answers {status} to what is not signed, and the server would answer {refusal}; see that "
        "the proxy in front passes it on untouched.",
    )


async def _is_ours(http: aiohttp.ClientSession, url: str, known: Secrets) -> bool:
    asked = challenge()
    return _proven(await _get(http, f"{url}/healthz?challenge={asked}"), known, asked)


def _proven(answer: _HttpAnswer, known: Secrets, asked: str) -> bool:
    shown = answer.body.get("proof") if isinstance(answer.body, dict) else None
    return isinstance(shown, str) and proves(known, asked, shown)


def _not_us(answer: _HttpAnswer) -> str:
    if 300 <= answer.status < 400:
        return f"leads elsewhere (HTTP {answer.status}), and neither Slack nor Twilio follows; give the address itself"
    if isinstance(answer.body, dict) and answer.body.get("status") == "alive":
        return "leads to another Countersign; correct the address, or give both the same COUNTERSIGN_SECRET"
    return (
        f"something else answers there (HTTP {answer.status}); correct it, or have the proxy in front pass on "
        "/healthz too"
    )


async def _get(http: aiohttp.ClientSession, url: str) -> _HttpAnswer:
    """Raises `_UnansweredError`."""
    began = time.monotonic()
    try:
        async with http.get(url, allow_redirects=False) as answer:
            text = await answer.content.read(BYTES)
            return _HttpAnswer(answer.status, _json(text), time.monotonic() - began)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as failure:
        raise _UnansweredError(_why(failure)) from failure


def _why(failure: BaseException) -> str:
    """The reason as the middle of a sentence, with the remedy."""
    match failure:
        case aiohttp.ClientConnectorCertificateError():
            reason = failure.certificate_error
            said = (
                reason.verify_message
                if isinstance(reason, ssl.SSLCertVerificationError)
                else "it is not valid"
            )
            return f"its certificate is not good ({said}); renew it, or serve the whole chain of it"
        case aiohttp.ClientConnectorDNSError():
            return "its name is not known; correct it, or its entry in the DNS"
        case aiohttp.ClientConnectorError():
            number = failure.os_error.errno
            said = os.strerror(number) if number and number > 0 else "no connection"
            return f"nothing answers there ({said}); see the proxy and the firewall in front"
        case TimeoutError():
            return f"nothing answers there within {PATIENCE:g} s; see the proxy and the firewall in front"
        case _:
            return f"what answers there is no web server ({type(failure).__name__}); see the proxy in front"


async def _certificate_until(url: str) -> datetime | None:
    """The certificate's expiry, from a new connection, as aiohttp closes its own. None if that cannot be made."""
    parts = urlsplit(url)
    if parts.scheme != "https":
        return None
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(
                parts.hostname, parts.port or 443, ssl=ssl.create_default_context()
            )
            peer = writer.get_extra_info("peercert")
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
    except (OSError, TimeoutError):
        return None
    return certificates.ends(peer)


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _session(*, outside: bool = False) -> aiohttp.ClientSession:
    """A session. With `outside` it checks certificates as anybody would, and uses the environment's proxy, if any."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=PATIENCE),
        connector=aiohttp.TCPConnector(ssl=ssl.create_default_context() if outside else True),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=outside,
    )


def _place(host: str, port: int) -> str:
    host = ANY.get(host, host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _stays_here(url: str) -> bool:
    """Whether it is an address of this machine or its network, as is usual in trials."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or not may_be_called(ipaddress.ip_address(host), ())
    except ValueError:
        return False


@asynccontextmanager
async def _stand_in(host: str, port: int, known: Secrets) -> AsyncIterator[None]:
    """Serves at the server's own address: answers challenges, and 503 to all else. Raises `OSError`."""

    async def answer(request: web.Request) -> web.Response:
        shown = proof(known, request.query.get("challenge", "")) if request.path == "/healthz" else None
        return web.json_response({"proof": shown}) if shown else web.Response(status=503)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()

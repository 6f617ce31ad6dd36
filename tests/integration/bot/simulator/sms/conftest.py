"""Twilio's own client against the simulator, and an app that keeps what Twilio's webhooks tell it."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from bot.simulator import Person, Simulator, SmsAccount, Timeouts
from tests.support import PATIENCE_S

SID = "AC" + "a1" * 16
TOKEN = "2f" * 16
SERVICE = "MG" + "c3" * 16
KEY, KEY_SECRET = "SK" + "d4" * 16, "its-secret"
FROM, ADA = "+12025550100", "+12025550142"

ACCOUNT = SmsAccount(SID, TOKEN, api_keys={KEY: KEY_SECRET}, messaging_service_sid=SERVICE)
QUICK = Timeouts(status_delay=0.005, webhook=0.3)


class LocalHttpClient(TwilioHttpClient):
    """Twilio's HTTP client, with another host."""

    def __init__(self, base: str) -> None:
        super().__init__(timeout=5)
        self.base = base

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        return super().request(method, url.replace("https://api.twilio.com", self.base), *args, **kwargs)


class Twilio:
    """Twilio's client, off the event loop that serves it."""

    def __init__(self, base: str, username: str = SID, password: str = TOKEN) -> None:
        self.http = LocalHttpClient(base)
        self.client = Client(username, password, SID, http_client=self.http)

    async def send(self, **given: Any) -> Any:
        """Sends "hello" to Ada from the account's number, but for what is given."""
        arguments = {"to": ADA, "from_": FROM, "body": "hello"} | given
        return await asyncio.to_thread(self.client.messages.create, **arguments)

    async def refused(self, **given: Any) -> TwilioRestException:
        with pytest.raises(TwilioRestException) as caught:
            await self.send(**given)
        return caught.value

    async def fetch(self, sid: str) -> Any:
        return await asyncio.to_thread(self.client.messages(sid).fetch)

    def close(self) -> None:
        self.http.session.close()


@dataclass
class WebhookApp:
    """A web app as Twilio sees one: its requests are kept, and each signature must hold.

    `answers` are given in order, each (status, content type, body); then an empty TwiML response.
    """

    url: str = ""
    answers: list[tuple[int, str, str]] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    hold: asyncio.Event | None = None

    async def handle(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert request.content_type == "application/x-www-form-urlencoded"
        # Over the URL that Twilio was given, as a bot behind a proxy does it.
        signed = self.url + request.path_qs.removeprefix("/hook")
        signature = request.headers["X-Twilio-Signature"]
        assert RequestValidator(TOKEN).validate(signed, form, signature)
        assert not RequestValidator("another").validate(signed, form, signature)
        self.forms.append({name: str(value) for name, value in form.items()})
        self.tokens.append(request.headers["I-Twilio-Idempotency-Token"])
        if self.hold is not None:
            await self.hold.wait()
        status, kind, body = self.answers.pop(0) if self.answers else (200, "text/xml", "<Response/>")
        return web.Response(status=status, content_type=kind, text=body)

    async def seen(self, count: int) -> list[dict[str, str]]:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.forms) < count:
                await asyncio.sleep(0.005)
        return self.forms


def twiml(*texts: str) -> tuple[int, str, str]:
    inner = "".join(f"<Message>{text}</Message>" for text in texts)
    return 200, "text/xml", f'<?xml version="1.0" encoding="UTF-8"?><Response>{inner}</Response>'


@pytest.fixture
def says() -> Callable[..., tuple[int, str, str]]:
    return twiml


@pytest.fixture
async def sim(start: Any) -> AsyncIterator[Simulator]:
    async with start(sms=ACCOUNT, timeouts=QUICK) as simulator:
        yield simulator


@pytest.fixture
def account() -> SmsAccount:
    return ACCOUNT


@pytest.fixture
def twilio_at() -> Any:
    """Clients for any simulator and credentials; closed at the end."""
    opened: list[Twilio] = []

    def connect(simulator: Simulator, *credentials: str) -> Twilio:
        opened.append(Twilio(simulator.sms_api_url, *credentials))
        return opened[-1]

    yield connect
    for client in opened:
        client.close()


@pytest.fixture
def twilio(sim: Simulator, twilio_at: Any) -> Any:
    return twilio_at(sim)


@pytest.fixture
async def hook(serve: Any) -> AsyncIterator[WebhookApp]:
    found = WebhookApp()
    app = web.Application()
    app.router.add_post("/hook", found.handle)
    async with serve(app) as url:
        found.url = f"{url}/hook"
        yield found


@pytest.fixture
async def ada(sim: Simulator) -> AsyncIterator[Person]:
    async with Person(sim.url, "U0ADA") as person:
        yield person


@pytest.fixture
def plan_at() -> Any:
    """Plans a fault of texts at any simulator; fails with its sentence where that is refused."""

    async def post(simulator: Simulator, **fault: Any) -> None:
        url = f"{simulator.url}/sim/faults"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, json={"service": "sms", **fault}) as response,
        ):
            assert response.status == 200, f"{response.status} {await response.text()}"

    return post


@pytest.fixture
def plan(sim: Simulator, plan_at: Any) -> Any:
    return functools.partial(plan_at, sim)

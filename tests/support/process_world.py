"""`countersign run` as a process that tests kill, in a simulated workspace that goes on without it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import unquote_plus

import aiohttp
from aiohttp import web

from bot.demo.bot_process import BOT_TOKEN, SIGNING_SECRET, SMS_ACCOUNT, SMS_NUMBER, SMS_TOKEN, BotProcess
from bot.demo.manifest import APP
from bot.security.tokens import FILE as TOKENS
from bot.security.tokens import TokenFile
from bot.simulator import Person, Simulator, SmsAccount, Workspace
from tests.faults.passing import answered, listen, passed_on
from tests.support import PATIENCE_S, hub_forms
from tests.support.api_world import ApiAnswer
from tests.support.hub_forms import HubForm
from tests.support.looking import pause_after
from tests.support.mail_server import MailServer
from tests.support.receiver import Receiver
from tests.support.world import read

TRIED_AGAIN: Final = timedelta(seconds=25)  # durable time within which retries come, and no code expires


class Wire:
    """Passes calls on to `target`. The answer of a call that `hold` names never comes."""

    def __init__(self) -> None:
        self.target = ""
        self.url = ""
        self.held = asyncio.Event()
        self._wanted: tuple[str, ...] | None = None
        self._free = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=["Accept-Encoding"])
        self._runner, self.url = await listen(self._pass)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.let_go()
        await self._runner.cleanup()
        await self._http.close()

    def hold(self, *words: str) -> None:
        """Lets the next call with these words in its path or body take effect, but holds its answer back."""
        self._wanted = words
        self.held.clear()
        self._free.clear()

    def let_go(self) -> None:
        """Ends the wait for the held answer, or for the call."""
        self._wanted = None
        self._free.set()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        try:
            body = await request.read()
            async with self._http.request(
                request.method,
                self.target + request.path_qs,
                data=body or None,
                headers=passed_on(request.headers),
            ) as found:
                answer = await answered(found)
        except ConnectionResetError:
            raise web.HTTPBadGateway from None  # the caller was killed
        said = request.path + unquote_plus(body.decode())
        if self._wanted is not None and all(word in said for word in self._wanted):
            self._wanted = None
            self.held.set()
            await self._free.wait()
            raise web.HTTPBadGateway
        return answer


class ProcessWorld:
    """The process, its workspace, and what else it talks to. Use it as an async context manager.

    `system` receives POSTed outcomes, and `mail` is the mail server. The hub has the current form; one outside the
    process goes on while the process is killed.
    """

    def __init__(self, place: Path, policies: str, system: Receiver, mail: MailServer) -> None:
        """`policies` is the text of the policy file."""
        self.system = system
        self.mail = mail
        self.data = place / "data"
        self.data.mkdir(mode=0o700)
        (place / "policies.toml").write_text(policies)
        self.log = place / "log"
        self._outside = None if hub_forms.current() is HubForm.EMBEDDED else hub_forms.outside(self.data)
        settings = hub_forms.settings(self._outside) if self._outside else {}
        settings |= mail.settings | {"COUNTERSIGN_SMS_COUNTRIES": "US"}
        self.process = BotProcess(self.data, place / "policies.toml", self.log, settings)
        self._tokens = TokenFile(self.data / TOKENS)
        self._numbers = itertools.count(1)
        self._ahead = timedelta(0)
        self.workspace = Workspace.open(None, now=self._now)
        self.simulator = Simulator(
            self.workspace,
            bot_token=BOT_TOKEN,
            app_token="xapp-1-A0APP-1-x",
            signing_secret=SIGNING_SECRET,
            request_url=self.process.request_url,
            app=APP,
            sms=SmsAccount(
                SMS_ACCOUNT,
                SMS_TOKEN,
                numbers=(SMS_NUMBER,),
                inbound_url=f"{self.process.public_url}/twilio/sms",
            ),
        )
        self.slack, self.sms = Wire(), Wire()
        self._people: dict[str, Person] = {}

    async def __aenter__(self) -> Self:
        await self.simulator.start()
        self.slack.target = self.sms.target = self.simulator.url
        await self.slack.__aenter__()
        await self.sms.__aenter__()
        through = [
            url.replace(self.simulator.url, wire.url)
            for url, wire in ((self.simulator.api_url, self.slack), (self.simulator.sms_api_url, self.sms))
        ]
        self.process.reach(*through)
        self.http = aiohttp.ClientSession()
        await self.process.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.process.stop()
        if self._outside:
            await asyncio.to_thread(self._outside.stop)
        for person in self._people.values():
            await person.close()
        await self.http.close()
        await self.slack.__aexit__()
        await self.sms.__aexit__()
        await self.simulator.stop()
        self.workspace.close()

    async def kill(self) -> None:
        """Kills the process by SIGKILL, drops all answers that are held for it, and starts another one."""
        await self.process.kill()
        self.slack.let_go()
        self.sms.let_go()
        self.system.free.set()
        self.mail.free.set()
        await self.process.start()

    # ---- who uses it -----------------------------------------------------------------------------------------

    def person(self, user: str) -> Person:
        if user not in self._people:
            self._people[user] = Person(self.simulator.url, user)
        return self._people[user]

    def token(self, owner: str, *scopes: str) -> str:
        return self._tokens.create(f"program-{next(self._numbers)}", owner, scopes, 100_000)

    async def call(self, method: str, path: str, token: str | None = None, **how: Any) -> ApiAnswer:
        headers = {**how.pop("headers", {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        url = path if path.startswith("http") else self.process.public_url + path
        async with self.http.request(method, url, headers=headers, **how) as answer:
            is_json = answer.content_type.endswith("json")
            body = await answer.json(content_type=None) if is_json else await answer.text()
            return ApiAnswer(answer.status, answer.headers, body)

    async def insist(self, method: str, path: str, token: str | None = None, **how: Any) -> ApiAnswer:
        """Calls again until an answer other than 503 comes, as a program does."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    answer = await self.call(method, path, token, **how)
                except aiohttp.ClientError:
                    await asyncio.sleep(0.02)
                else:
                    if answer.status != 503:
                        return answer

    async def ask(self, token: str, **given: Any) -> str:
        """Asks, and returns the request's ID."""
        answer = await self.call("POST", "/api/approvals", token, json=given)
        assert answer.status == 202, answer.body
        request_id: str = answer.body["id"]
        return request_id

    async def shown(self, token: str, request_id: str) -> dict[str, Any]:
        """What the API says of the request."""
        found: dict[str, Any] = (await self.insist("GET", f"/api/approvals/{request_id}", token)).body
        return found

    async def decide(self, token: str, request_id: str, **more: Any) -> ApiAnswer:
        """Approves the request as it stands."""
        seen = await self.shown(token, request_id)
        body = {"choice": "approve", "nonce": seen["nonce"], "digest": seen["digest"], **more}
        return await self.insist("POST", f"/api/approvals/{request_id}/decision", token, json=body)

    # ---- what is seen ----------------------------------------------------------------------------------------

    def said(self, channel: str, words: str) -> list[str]:
        """The messages with these words in a channel or direct message, without thread replies."""
        messages = self.workspace.messages.in_channel(channel)
        return [text for text in map(read, messages) if words in text]

    def cards(self, request_id: str) -> list[Any]:
        """The cards of a request, wherever they are."""
        return [
            message
            for channel in self.workspace.channels.all()
            for message in self.workspace.messages.in_channel(channel.id)
            if message.metadata
            and message.metadata["event_type"] == "approval_requested"
            and message.metadata["event_payload"]["instance_id"] == request_id
        ]

    def shown_card(self, request_id: str) -> str:
        """All that the only card of a request says."""
        [card] = self.cards(request_id)
        return read(card)

    def thread(self, request_id: str) -> list[str]:
        """The lines under the only card of a request."""
        [card] = self.cards(request_id)
        return [read(line) for line in self.workspace.messages.in_thread(card.channel, card.ts)[1:]]

    # ---- time ------------------------------------------------------------------------------------------------

    def _now(self) -> float:
        return (datetime.now(UTC) + self._ahead).timestamp()

    async def skip(self, by: timedelta) -> None:
        """Moves durable time on, and the workspace's clock with it."""
        if self._outside:
            now = await asyncio.to_thread(self._outside.advance, by)
        else:
            now = await self.process.advance(by)
        self._ahead = now - datetime.now(UTC)

    async def eventually(self, true: Callable[[], bool]) -> None:
        """Returns once `true()` holds. Skips time, so that retries come at once."""
        async with asyncio.timeout(PATIENCE_S):
            for look in itertools.count(1):
                began = time.perf_counter()
                if true():
                    return
                await asyncio.sleep(pause_after(time.perf_counter() - began))
                if look % 5 == 0:
                    await self._hasten()

    async def _hasten(self) -> None:
        if self._outside:
            due, now = await asyncio.to_thread(self._outside.next_timer), self._outside.clock.now()
        else:
            due, now = await self.process.next_deadline(), await self.process.now()
        if due is not None and timedelta(0) < due - now <= TRIED_AGAIN:
            await self.skip(due - now)

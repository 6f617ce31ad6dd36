"""A world for tests of the HTTP API: programs ask and decide, each with a token of its own."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import aiohttp

from bot.security.tokens import FILE as TOKENS
from bot.security.tokens import TokenFile
from orchestration.hub import Hub
from tests.support.identity import SHOWN
from tests.support.world import World, policies, read, request_of

ALL_SCOPES = ("request", "read", "admin", "challenge", "decide:deploy", "decide:purchase")
NEW_SECRET, OLD_SECRET = "n" * 32, "o" * 32


class ApiAnswer:
    """An answer of the API. `body` is the parsed JSON, or the text where the answer is no JSON."""

    def __init__(self, status: int, headers: Mapping[str, str], body: Any) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def fields(self) -> set[str]:
        """The fields that a problem names."""
        return {error["field"] for error in self.body["errors"]}


class ApiWorld(World):
    """The world of `policies/api.toml`, with phones and a public address, so that every route is there.

    Without `sms` it has neither.
    """

    def __init__(
        self,
        data: Path,
        *orchestrators: Callable[..., Any],
        settings: Mapping[str, str] | None = None,
        sms: bool = True,
        hub: Hub | None = None,
    ) -> None:
        data.mkdir(mode=0o700, exist_ok=True)
        given = {"COUNTERSIGN_SECRET": f"{NEW_SECRET} {OLD_SECRET}", **(settings or {})}
        super().__init__(data, policies("api"), sms=sms, hub=hub, orchestrators=orchestrators, settings=given)
        self.tokens = TokenFile(data / TOKENS)
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> Self:
        self.http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return await super().__aenter__()

    async def __aexit__(self, *error: object) -> None:
        await super().__aexit__(*error)
        await self.http.close()

    def token(self, name: str, owner: str = "U0RITA", *scopes: str, rate: int = 100_000) -> str:
        """A new token, called `name` and a number that nobody has had."""
        return self.tokens.create(f"{name}-{next(self._numbers)}", owner, scopes or ALL_SCOPES, rate)

    async def call(self, method: str, path: str, token: str | None = None, **how: Any) -> ApiAnswer:
        headers = {**how.pop("headers", {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        if self.several > 1 and method == "POST":
            # The front door repeats calls that get no answer; a program that repeats calls sends a key, too.
            headers.setdefault("Idempotency-Key", secrets.token_hex(8))
        url = path if path.startswith("http") else self.url + path
        async with self.http.request(method, url, headers=headers, allow_redirects=False, **how) as answer:
            is_json = answer.content_type.endswith("json")
            body = await answer.json(content_type=None) if is_json else await answer.text()
            return ApiAnswer(answer.status, answer.headers, body)

    async def ask(self, token: str, **changes: Any) -> str:
        """Asks, and returns once the request has its card."""
        given = {"policy": "deploy", "title": "Deploy 4f2c1a to production?"} | changes
        answer = await self.call("POST", "/api/approvals", token, json=given)
        assert answer.status == 202, answer.body
        request_id: str = answer.body["id"]
        await self.until(request_id, lambda progress: len(progress.cards) == 1)
        return request_id

    async def asked(self, title: str) -> str:
        """The ID of the request of that title that somebody else asked for, once its card is posted."""
        await self.eventually(lambda: bool(self.titled(title)))
        return self.titled(title)[0]

    def titled(self, title: str) -> list[str]:
        """The IDs of the requests whose cards have that title."""
        return [request_of(card) for card in self.cards() if title in read(card)]

    async def decide(self, token: str, request_id: str, choice: str = "approve", **more: Any) -> ApiAnswer:
        """Decides on the request as it stands; fields in `more` replace those sent."""
        body = {"choice": choice, **await self.seen(token, request_id), **more}
        return await self.call("POST", f"/api/approvals/{request_id}/decision", token, json=body)

    async def seen(self, token: str, request_id: str) -> dict[str, Any]:
        """The nonce and digest that a decision has to name now; other ones where the token may not read the request."""
        answer = await self.call("GET", f"/api/approvals/{request_id}", token)
        if answer.status not in {200, 202}:
            return SHOWN.model_dump()
        return {name: answer.body[name] for name in ("nonce", "digest")}

"""The demo's client of its bot's HTTP API, with tokens that are made as an operator makes them.

The bot keeps only a token's hash. The demo holds the token, so it keeps the secret in a file beside the bot's data,
where the next run finds it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from http import HTTPStatus
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from bot.security.tokens import FILE, TokenFile
from orchestration.domain.errors import CountersignError

ANSWER_TIMEOUT: Final = 5.0  # seconds, besides those that a call asks the API to wait


class ApiRefusedError(CountersignError):
    """The bot's API refused. The message is the API's sentence, `status` the HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class ApiUnreachableError(CountersignError):
    """The bot does not answer; it may be stopped."""


@dataclass(frozen=True)
class Programs:
    """The bot's API as the scenarios' programs use it: with the token of Sam's agent, and with that of an operator."""

    agent: BotApi
    operator: BotApi


def held_token(place: Path, bot_data: Path, name: str, owner: str, scopes: Sequence[str]) -> str:
    """The secret of a token of this owner with these scopes: the kept one while it is valid, else a new one.

    `place` is a directory for the secrets, made with mode 0700, each a file with mode 0600. Raises `TokenError`.
    """
    tokens = TokenFile(bot_data / FILE)
    kept = place / name
    if kept.exists():
        secret = kept.read_text()
        token = tokens.find(secret)
        if token is not None and (token.owner, token.scopes) == (owner, frozenset(scopes)):
            return secret
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret = tokens.create(_free(name, tokens), owner, scopes)
    fresh = place / f".{name}"
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secret)
    fresh.replace(kept)
    return secret


def _free(name: str, tokens: TokenFile) -> str:
    """Returns a name that no token has or had. Records name tokens, so the bot never reuses a name."""
    taken = {token.name for token in tokens.all()}
    return next(free for n in count(1) if (free := name if n == 1 else f"{name}-{n}") not in taken)


class BotApi(AbstractAsyncContextManager["BotApi"]):
    """The bot's HTTP API, called with one token. Has one connection pool; leave the context to close it."""

    def __init__(self, url: str, secret: str) -> None:
        """`url` is where the bot is reached; it need not run yet."""
        self._url = url
        self._secret = secret
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(self._url, headers={"Authorization": f"Bearer {self._secret}"})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.close()

    async def get(self, path: str, *, wait: int = 0) -> dict[str, Any]:
        """Returns what is at `path`, such as `/api/approvals/ID`.

        With `wait`, the API may hold the answer for those seconds.

        Raises `ApiRefusedError` and `ApiUnreachableError`.
        """
        query = {"wait": f"{wait}s"} if wait else None
        return await self._call("GET", path, params=query, limit=wait + ANSWER_TIMEOUT)

    async def post(self, path: str, body: Mapping[str, Any], *, key: str | None = None) -> dict[str, Any]:
        """Sends `body`; `key` is the Idempotency-Key. Raises as `get` does."""
        headers = {"Idempotency-Key": key} if key else None
        return await self._call("POST", path, json=body, headers=headers, limit=ANSWER_TIMEOUT)

    async def _call(self, method: str, path: str, *, limit: float, **more: Any) -> dict[str, Any]:
        if self._http is None:
            raise RuntimeError("The API is used outside its context.")
        try:
            async with self._http.request(
                method, path, timeout=aiohttp.ClientTimeout(limit), **more
            ) as answer:
                found: dict[str, Any] = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ApiUnreachableError from error
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise ApiRefusedError(found.get("detail") or found["title"], answer.status)
        return found

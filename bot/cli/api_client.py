"""Calls the API at COUNTERSIGN_URL with COUNTERSIGN_TOKEN, for the command line."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp
from yarl import URL

from bot.problem_line import problem_line
from bot.setting_list import DEFAULTS
from orchestration.domain.errors import CountersignError

URL_DEFAULT: Final = DEFAULTS["COUNTERSIGN_URL"]
PUBLISHED: Final = "/.well-known/jwks.json"  # the keys that check receipts
CALL_TIMEOUT: Final = 20.0  # seconds, on top of the time that the server was asked to wait
# The server, or a proxy before it, is away for a moment; the call may be repeated.
AWAY: Final = frozenset({429, 500, 502, 503, 504})


STRANGE: Final = "The server answered {status}, and not as Countersign does; check COUNTERSIGN_URL."


class CallRefusedError(CountersignError):
    """The server refused the call. `fields` are those that it found wrong or missing."""

    def __init__(self, status: int, message: str, fields: frozenset[str] = frozenset()) -> None:
        super().__init__(message)
        self.status = status
        self.fields = fields


class UnreachableError(CountersignError):
    """The server cannot be reached."""

    def __init__(self, message: str, retry_after: float = 0, status: int | None = None) -> None:
        """retry_after: seconds that the server asked to wait, if it did. status: of its answer, if there was one."""
        super().__init__(message)
        self.retry_after = retry_after
        self.status = status


@dataclass(frozen=True)
class ApiReply:
    """A successful answer: its status and its JSON."""

    status: int
    body: Any


class MissingMemberError(CountersignError, KeyError):
    """The answer lacks a member that Countersign always sends. A `KeyError` too, for those who look for one."""

    def __str__(self) -> str:
        return str(self.args[0])


class _Answered(dict[str, Any]):
    """An object of an answer. Raises `MissingMemberError` for a member that it does not have."""

    def __missing__(self, name: str) -> Any:
        raise MissingMemberError(STRANGE.format(status=f"without {name!r}"))


def approval_path(request_id: str) -> str:
    """The path of one approval."""
    return f"/api/approvals/{quote(request_id, safe='')}"


def url_of(environment: Mapping[str, str]) -> str:
    """COUNTERSIGN_URL without its last slash. Raises `CountersignError`."""
    url = environment.get("COUNTERSIGN_URL", "").strip().rstrip("/") or URL_DEFAULT
    if URL(url).scheme not in {"http", "https"} or not URL(url).host:
        raise CountersignError(
            f"COUNTERSIGN_URL: {url!r} is not an http:// or https:// address; give one such as http://127.0.0.1:3000."
        )
    return url


async def fetch_public(environment: Mapping[str, str], path: str) -> Any:
    """JSON that needs no token. Raises `CountersignError`."""
    url = url_of(environment) + path
    try:
        async with (
            aiohttp.ClientSession(trust_env=True, timeout=aiohttp.ClientTimeout(total=CALL_TIMEOUT)) as http,
            http.get(url, allow_redirects=False, raise_for_status=True) as answer,
        ):
            return await answer.json()
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise UnreachableError(f"{url} cannot be read ({error or type(error).__name__}).") from error


class ApiClient:
    """A session with the server, for `async with`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Raises `CountersignError` where a setting is missing or wrong."""
        self.url = url_of(environment)
        token = environment.get("COUNTERSIGN_TOKEN", "").strip()
        if not token:
            raise CountersignError(
                "COUNTERSIGN_TOKEN: is not set; `countersign token create` makes one where the server runs."
            )
        if not token.isascii() or not token.isprintable():
            raise CountersignError(
                "COUNTERSIGN_TOKEN: is not a token; give what `countersign token create` printed."
            )
        self._authorization = f"Bearer {token}"

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(middlewares=[self._authorized], trust_env=True)
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        await self._session.close()

    async def _authorized(
        self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Adds the token last: the library also reads ~/.netrc, and refuses a request that has such a header."""
        request.headers["Authorization"] = self._authorization
        return await send(request)

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        key: str | None = None,
        wait: float = 0,
    ) -> ApiReply:
        """Makes one call. `key` makes it safe to repeat. `wait` is how many seconds the server may hold it.

        Raises `CallRefusedError`, or `UnreachableError` where another try may help.
        """
        try:
            async with self._session.request(
                method,
                URL(self.url + path).update_query(query or {}),
                json=body,
                headers={"Idempotency-Key": key} if key else {},
                timeout=aiohttp.ClientTimeout(total=CALL_TIMEOUT + wait),
                # A redirect could carry the token to another host, or turn the POST into a GET.
                allow_redirects=False,
            ) as answer:
                text = await answer.text(errors="replace")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnreachableError(
                f"{self.url} cannot be reached ({error or type(error).__name__})."
            ) from error
        try:
            found = json.loads(text, object_hook=_Answered)
        except ValueError:
            found = None
        if answer.status in AWAY:
            after = answer.headers.get("Retry-After", "")
            raise UnreachableError(
                _problem_line(answer.status, found),
                float(after) if after.isascii() and after.isdecimal() else 0,
                answer.status,
            )
        if answer.status >= 300 or (found is None and text):
            errors = found.get("errors", []) if isinstance(found, dict) else []
            raise CallRefusedError(
                answer.status,
                _problem_line(answer.status, found),
                frozenset(fault["field"] for fault in errors),
            )
        return ApiReply(answer.status, found)

    async def approvals(self, query: Mapping[str, str]) -> AsyncIterator[dict[str, Any]]:
        """Every approval that matches the query, oldest first. Reads the pages one after the other."""
        after: dict[str, str] = {}
        while True:
            page = (await self.call("GET", "/api/approvals", query={**query, "limit": "200", **after})).body
            for item in page["items"]:
                yield item
            if page["next"] is None:
                return
            after = {"after": page["next"]}


def _problem_line(status: int, body: Any) -> str:
    """A problem document in one line."""
    if not isinstance(body, dict) or "title" not in body:
        return STRANGE.format(status=status)
    errors = [(fault["field"], fault["detail"]) for fault in body.get("errors", [])]
    return problem_line(body["title"], body.get("detail"), errors)

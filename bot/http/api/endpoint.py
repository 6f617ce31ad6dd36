"""Describes one endpoint of the API: its input, who may call it and its responses.

Routing, authentication, the OpenAPI document and the tests all read the same table.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from bot import request_body
from bot.http.api import json_text
from bot.http.api.models import BODY_LIMIT, Method
from bot.http.api.problems import Problem, invalid
from bot.security.tokens import DECIDE, Token
from orchestration import telemetry
from orchestration.domain.errors import UnknownRequestError
from orchestration.domain.names import is_entity
from orchestration.domain.request import Via
from orchestration.service.approvals import Actor

M = TypeVar("M", bound=BaseModel)
JSON: Final = "application/json"
DECIDE_ANY: Final = "decide"  # any decide:POLICY; the handler checks which policy


@dataclass(frozen=True)
class ResponseSpec:
    """One documented response."""

    description: str
    model: type[BaseModel] | None = None
    headers: tuple[str, ...] = ()
    content_type: str = JSON
    any_json: bool = False
    is_list: bool | None = False  # with `any_json`: a list; None for any value


@dataclass(frozen=True)
class Endpoint:
    """One method on one path. `scopes`: a token needs one of them; if empty, no token is needed.

    `keyed`: the URL may carry a signed key (`code`) instead of a token, which the handler checks. `any_body` takes any
    JSON. `loose_query` names parameters of an endpoint that ignores unknown ones. `loose_headers` are optional headers.
    `trailing_slash`: the path may end with one.
    """

    method: Method
    path: str
    handler: Callable[[ApiCall], Awaitable[web.StreamResponse]]
    summary: str
    scopes: frozenset[str]
    responses: Mapping[int, ResponseSpec]
    problems: tuple[str, ...] = ()
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    headers: tuple[str, ...] = ()
    keyed: bool = False
    any_body: bool = False
    loose_query: tuple[str, ...] = ()
    loose_headers: tuple[str, ...] = ()
    trailing_slash: bool = False
    tag: str = "Approvals"
    body_optional: bool = False

    @property
    def name(self) -> str:
        """A name that no other endpoint has."""
        parts = [part.strip("{}") for part in self.path.split("/") if part]
        return "-".join([self.method.lower(), *parts]).replace(".", "-")


class ApiCall:
    """One request to an endpoint, already authenticated."""

    def __init__(self, request: web.Request, token: Token | None) -> None:
        self.request = request
        self._token = token

    @property
    def token(self) -> Token:
        """The token it came with."""
        if self._token is None:
            raise AssertionError("an endpoint without scopes asks for no token")
        return self._token

    @property
    def has_token(self) -> bool:
        """Whether it came with a token, and not with a key in its URL."""
        return self._token is not None

    @property
    def actor(self) -> Actor:
        """The token's owner."""
        return actor_of(self.token)

    @staticmethod
    def fresh_id() -> str:
        """A new command ID: each call counts as another command."""
        return str(uuid.uuid4())

    def part(self, name: str) -> str:
        """A part of the path."""
        return self.request.match_info[name]

    def query(self, model: type[M]) -> M:
        """The query parameters. Raises `Problem` naming each that is unknown, repeated or wrong."""
        given = self.request.query
        repeated = sorted({name for name in given if len(given.getall(name)) > 1})
        if repeated:
            raise Problem("invalid", errors=[(name, "is given more than once") for name in repeated])
        try:
            return model.model_validate(dict(given))
        except ValidationError as error:
            raise invalid(error) from error

    def instance_id(self, name: str = "id") -> str:
        """The instance ID in the path. Raises `UnknownRequestError` for an ID that no hub accepts."""
        return checked_id(self.part(name))

    async def body(self, model: type[M], *, optional: bool = False) -> M:
        """The JSON body. Raises `Problem`; an `optional` one may be left out altogether."""
        raw = await self.raw()
        if not raw and optional:
            raw = b"{}"
        elif self.request.content_type != JSON:
            raise Problem("media-type")
        json_text.parse(raw)
        try:
            return model.model_validate_json(raw)
        except ValidationError as error:
            raise invalid(error) from error

    async def raw(self) -> bytes:
        """The body's bytes, at most `BODY_LIMIT` of them. Raises `Problem`."""
        try:
            return await request_body.read(self.request, BODY_LIMIT)
        except web.HTTPRequestEntityTooLarge as error:
            raise Problem("too-large") from error
        except (web.HTTPBadRequest, web.HTTPRequestTimeout) as error:
            raise Problem("malformed", error.text) from error


def actor_of(token: Token) -> Actor:
    """The token's owner, who acts by it."""
    return Actor(id=token.owner, via=Via.API, token=token.name)


def checked_id(given: str) -> str:
    """Returns the instance ID that a caller gave. Raises `UnknownRequestError` for an ID that no hub accepts."""
    if is_entity(given) or not given.isprintable():
        raise UnknownRequestError("There is no instance with that ID.")
    telemetry.concerns(given)
    return given


def admits(endpoint: Endpoint, token: Token) -> bool:
    """Whether any scope of the token is one of the endpoint's."""
    return any(
        token.may(scope) or (scope == DECIDE_ANY and bool(token.policies)) for scope in endpoint.scopes
    )


def needed(endpoint: Endpoint) -> str:
    """The scopes in words."""
    return " or ".join(sorted(f"{DECIDE}POLICY" if s == DECIDE_ANY else s for s in endpoint.scopes))


def json_response(
    model: BaseModel, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A model as the answer."""
    return web.Response(
        body=model.model_dump_json().encode(), status=status, content_type=JSON, headers=headers
    )


def plain_json(
    body: Any, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Plain JSON as the answer."""
    return web.Response(body=json_text.write(body), status=status, content_type=JSON, headers=headers)

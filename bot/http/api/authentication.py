"""Authenticates and limits each request of a program, and answers every failure as problem details."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from bot.http.api.endpoint import ApiCall, Endpoint, admits, needed
from bot.http.api.problems import Problem, problem_of
from bot.http.api.rate_limit import RateLimiter
from bot.security.tokens import Token, TokenFile
from orchestration.domain.errors import CountersignError

# Under these prefixes every failure is answered as problem details, even for an unknown address.
OURS: Final = ("/api/", "/runtime/", "/hooks/", "/.well-known/")
MCP: Final = "/mcp"  # the same holds for this one address

_PART: Final = re.compile(r"\{(\w+)\}")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Authenticator:
    """Adds endpoints to an application, each behind its tokens."""

    def __init__(
        self, endpoints: list[Endpoint], tokens: TokenFile, rates: RateLimiter, public_url: str | None = None
    ) -> None:
        self.endpoints = endpoints
        self._tokens = tokens
        self._rates = rates
        self._base = public_url or ""

    def attach(self, application: web.Application) -> None:
        """Adds the routes, and the middleware that answers failures."""
        application.middlewares.append(self._failures)
        for endpoint in self.endpoints:
            # A path part may have any character, even an encoded slash; aiohttp's own pattern excludes braces.
            path = _PART.sub(r"{\1:[^/]+}", endpoint.path)
            for way in (path, f"{path}/") if endpoint.trailing_slash else (path,):
                application.router.add_route(endpoint.method, way, self.guarded(endpoint))

    def guarded(self, endpoint: Endpoint) -> _Handler:
        """Returns a handler that checks the caller's rights before it calls the endpoint. It raises `Problem`."""

        async def handle(request: web.Request) -> web.StreamResponse:
            token = None
            if endpoint.scopes:
                token = self._authenticate(request)
                if token is None and not endpoint.keyed:
                    raise _unauthenticated()
            if token is not None:
                self._rates.admit(token)
                if not admits(endpoint, token):
                    if endpoint.keyed and "code" in request.query:
                        return await endpoint.handler(ApiCall(request, None))
                    raise Problem("forbidden", f"This token lacks the scope {needed(endpoint)}.")
            return await endpoint.handler(ApiCall(request, token))

        return handle

    @web.middleware
    async def _failures(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Turns every failure under our prefixes into problem details. Other addresses are not touched."""
        if not request.path.startswith(OURS) and request.path != MCP:
            return await handler(request)
        try:
            return await handler(request)
        except Problem as found:
            problem = found
        except CountersignError as error:
            problem = problem_of(error)
        except web.HTTPMethodNotAllowed as error:
            problem = Problem("method", headers={"Allow": ", ".join(sorted(error.allowed_methods))})
        except web.HTTPNotFound:
            problem = self._nothing_here(request)
        return problem.response(self._base)

    def _nothing_here(self, request: web.Request) -> Problem:
        """404 with a valid token. Others get 401, so that they cannot find out which addresses exist."""
        try:
            known = self._authenticate(request) is not None
        except Problem as problem:
            return problem
        return Problem("not-found") if known else _unauthenticated()

    def _authenticate(self, request: web.Request) -> Token | None:
        """Returns the request's token; None without one. Raises `Problem` for an invalid token."""
        header = request.headers.get("Authorization")
        if header is None:
            return None
        scheme, _, secret = header.partition(" ")
        token = self._tokens.find(secret.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            raise _unauthenticated()
        return token


def _unauthenticated() -> Problem:
    return Problem("unauthenticated", headers={"WWW-Authenticate": 'Bearer realm="countersign"'})

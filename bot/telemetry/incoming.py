"""Observes incoming HTTP requests: a request ID for log lines, a span, and the access log."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from aiohttp import web
from opentelemetry.trace import Link, Span, SpanKind

from orchestration import telemetry

log = logging.getLogger(__name__)

REQUEST_ID: Final = "X-Request-ID"
UNKNOWN: Final = "unknown"
BROKEN_OFF: Final = 499  # the status that proxies log when the client has closed the connection
# Health checks call these every few seconds: their traces would hide the others.
PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})

_Next = Callable[[web.Request], Awaitable[web.StreamResponse]]


def fresh_id() -> str:
    """Returns a new request ID. It never comes from the caller."""
    return secrets.token_hex(8)


def observed(*, access_log: bool) -> Any:
    """Returns the middleware; it has to be the outermost one."""

    @web.middleware
    async def observe(request: web.Request, handler: _Next) -> web.StreamResponse:
        began, request_id, status = time.monotonic(), fresh_id(), 500
        with telemetry.work({"request_id": request_id}), _span(request) as made:
            try:
                response = await handler(request)
                status = response.status
                if status >= 500:
                    telemetry.failed(made, str(status))
            except web.HTTPException as refused:
                status = refused.status
                refused.headers[REQUEST_ID] = request_id
                raise
            except asyncio.CancelledError:
                status = BROKEN_OFF
                raise
            finally:
                made.set_attribute("http.response.status_code", status)
                if access_log:
                    _log(request, status, time.monotonic() - began)
            if not response.prepared:
                response.headers[REQUEST_ID] = request_id
            return response

    return observe


def route_of(request: web.Request) -> str:
    """Returns the route's declared pattern, without values of the address; `unknown` if no route matches."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else UNKNOWN


def _span(request: web.Request) -> AbstractContextManager[Span]:
    """Starts a new trace that links to the caller's: the caller must not decide which traces are kept."""
    route = route_of(request)
    if route in PROBES:
        return telemetry.no_span()
    caller = telemetry.read(request.headers.get("traceparent", ""))
    return telemetry.span(
        f"{request.method if route != UNKNOWN else 'HTTP'} {route}",
        SpanKind.SERVER,
        attributes={"http.request.method": request.method, "http.route": route},
        links=[Link(caller)] if caller else (),
        why=_why,
    )


def _why(error: Exception) -> str:
    refused = isinstance(error, web.HTTPException) and error.status < 500
    return "" if refused else telemetry.class_of(error)


def _log(request: web.Request, status: int, seconds: float) -> None:
    """Logs the request without its raw path and query: both may hold keys."""
    log.info(
        "%s %s answered %d in %.0f ms, from %s",
        *(request.method, route_of(request), status, seconds * 1000, request.remote or UNKNOWN),
    )

"""`GET /metrics`, for callers with its own token only."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

PATH: Final = "/metrics"


class MetricsRoutes:
    """Serves `/metrics`. Without a `token` there is no route. API tokens do not open it; its token opens nothing else.

    `refresh` is called before the registry is read.
    """

    def __init__(
        self, registry: CollectorRegistry, token: str | None, refresh: Callable[[], Awaitable[None]]
    ) -> None:
        self._registry = registry
        self._token = token
        self._refresh = refresh

    def attach(self, application: web.Application) -> None:
        """Adds the route to the application."""
        if self._token is not None:
            application.router.add_get(PATH, self._scrape)

    async def _scrape(self, request: web.Request) -> web.Response:
        """Answers in OpenMetrics if accepted, else in the text format of Prometheus; 401 without the token."""
        if not self._admits(request.headers.get("Authorization", "")):
            raise web.HTTPUnauthorized(
                text="This needs the header Authorization: Bearer, with COUNTERSIGN_METRICS_TOKEN.",
                headers={"WWW-Authenticate": 'Bearer realm="countersign metrics"'},
            )
        await self._refresh()
        try:
            encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        except (TypeError, ValueError):  # not a version
            encode, content_type = choose_encoder("")
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})

    def _admits(self, header: str) -> bool:
        scheme, _, given = header.partition(" ")
        # Digests have one length, so the time of the comparison reveals nothing about the token.
        same = hmac.compare_digest(_digest(given.strip()), _digest(self._token or ""))
        return self._token is not None and scheme.lower() == "bearer" and same


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()

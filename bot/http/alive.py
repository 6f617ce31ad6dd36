"""`GET /healthz`: whether the process lives, and whether it is the one that the caller means."""

from __future__ import annotations

from aiohttp import web

from bot.security.secrets import Secrets
from bot.security.server_proof import proof


class AliveRoutes:
    """Without a token. With `?challenge=…` also a proof that it is this very server: see `countersign doctor`."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def attach(self, application: web.Application) -> None:
        """See `bot.http.server.RouteGroup`."""
        application.router.add_get("/healthz", self._alive)

    async def _alive(self, request: web.Request) -> web.Response:
        shown = proof(self._secrets, request.query.get("challenge", ""))
        return web.json_response({"status": "alive"} | ({"proof": shown} if shown else {}))

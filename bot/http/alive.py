"""`GET /healthz`: says that the process is alive, and proves on request which server it is."""

from __future__ import annotations

from aiohttp import web

from bot.security.secrets import Secrets
from bot.security.server_proof import proof


class AliveRoutes:
    """Answers without a token. With `?challenge=…` it also proves its identity: see `countersign doctor`."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def attach(self, application: web.Application) -> None:
        """See `bot.http.server.RouteGroup`."""
        application.router.add_get("/healthz", self._alive)

    async def _alive(self, request: web.Request) -> web.Response:
        shown = proof(self._secrets, request.query.get("challenge", ""))
        return web.json_response({"status": "alive"} | ({"proof": shown} if shown else {}))

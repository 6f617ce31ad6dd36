"""/.well-known/jwks.json: the public keys that receipts are checked with."""

from __future__ import annotations

from aiohttp import web

from bot.http.api.endpoint import ApiCall, Endpoint, ResponseSpec, plain_json
from bot.http.api.models import JwkSet
from bot.security.keys import SigningKeys


class JwksRoutes:
    """The one endpoint."""

    def __init__(self, keys: SigningKeys, issuer: str) -> None:
        self._keys = keys
        self._issuer = issuer

    def endpoints(self) -> list[Endpoint]:
        """It asks for no token, as the keys are public."""
        return [
            Endpoint(
                "GET",
                "/.well-known/jwks.json",
                self.show,
                "The public keys of receipts",
                frozenset(),
                {200: ResponseSpec("A JWK set", JwkSet)},
                tag="Receipts",
            )
        ]

    async def show(self, _: ApiCall) -> web.Response:
        """Returns the keys. Caches keep them for an hour at most, so that new and retired keys are soon known."""
        published = {"issuer": self._issuer, **self._keys.public()}
        return plain_json(published, headers={"Cache-Control": "public, max-age=3600"})

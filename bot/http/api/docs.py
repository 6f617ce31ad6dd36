"""/api/openapi.json, and the same for people at /api/docs: one page without scripts or external resources."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

from aiohttp import web

from bot.http.api.endpoint import ApiCall, Endpoint, ResponseSpec, needed, plain_json
from bot.http.api.openapi import document
from bot.http.api.problems import KINDS
from bot.http.templating import render

# How each limit of a schema is worded in the type's description.
_LIMITS: Final = {"minimum": "from", "maximum": "to", "maxLength": "at most", "maxProperties": "at most"}
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
}


class DocsRoutes:
    """The two addresses, over a table of endpoints that includes them."""

    def __init__(self, public_url: str | None) -> None:
        self._public_url = public_url
        self._endpoints: Sequence[Endpoint] = ()

    def endpoints(self) -> list[Endpoint]:
        """Both; neither asks for a token."""
        public: frozenset[str] = frozenset()
        return [
            Endpoint(
                "GET",
                "/api/openapi.json",
                self.openapi,
                "This document",
                public,
                {200: ResponseSpec("OpenAPI 3.1", any_json=True)},
                tag="About",
            ),
            Endpoint(
                "GET",
                "/api/docs",
                self.docs,
                "This document, to read",
                public,
                {200: ResponseSpec("A page", content_type="text/html")},
                tag="About",
            ),
        ]

    def describe(self, endpoints: Sequence[Endpoint]) -> None:
        """Sets the endpoints to describe. Each document is made once, on its first request: the table never changes."""
        self._endpoints = endpoints

    @cached_property
    def _document(self) -> dict[str, Any]:
        return document(self._endpoints, self._public_url)

    @cached_property
    def _page(self) -> str:
        return page(self._document, self._endpoints)

    async def openapi(self, _: ApiCall) -> web.Response:
        """For programs."""
        return plain_json(self._document)

    async def docs(self, _: ApiCall) -> web.Response:
        """For people."""
        return web.Response(text=self._page, content_type="text/html", headers=_HEADERS)


def page(openapi: dict[str, Any], endpoints: Sequence[Endpoint]) -> str:
    """The page: every endpoint by its tag, every model, every kind of problem."""
    tags: dict[str, list[Endpoint]] = {}
    for endpoint in endpoints:
        tags.setdefault(endpoint.tag, []).append(endpoint)
    return render(
        "api_docs.html",
        openapi=openapi,
        tags=tags,
        problems=KINDS,
        needed=needed,
        limits=_LIMITS,
        json=json.dumps,
    )

"""/api/openapi.json, and the same for people at /api/docs: one page, no script, nothing fetched from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from bot.http.api.endpoint import Answer, Call, Endpoint, needed, plain_json
from bot.http.api.openapi import document
from bot.http.api.problems import KINDS

_TEMPLATE: Final = Path(__file__).with_name("docs.html")
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
}


class DocsRoutes:
    """The two addresses, over a table of endpoints that includes them."""

    def __init__(self) -> None:
        self._document: dict[str, Any] = {}
        self._page = ""

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
                {200: Answer("OpenAPI 3.1", any_json=True)},
                tag="About",
            ),
            Endpoint(
                "GET",
                "/api/docs",
                self.docs,
                "This document, to read",
                public,
                {200: Answer("A page", content_type="text/html")},
                tag="About",
            ),
        ]

    def describe(self, endpoints: Sequence[Endpoint]) -> None:
        """Writes both once, as the table does not change while the process runs."""
        self._document = document(endpoints)
        self._page = page(self._document, endpoints)

    async def openapi(self, _: Call) -> web.Response:
        """For programs."""
        return plain_json(self._document)

    async def docs(self, _: Call) -> web.Response:
        """For people."""
        return web.Response(text=self._page, content_type="text/html", headers=_HEADERS)


def page(openapi: dict[str, Any], endpoints: Sequence[Endpoint]) -> str:
    """The page: every endpoint by its tag, every model, every kind of problem."""
    tags = list(dict.fromkeys(endpoint.tag for endpoint in endpoints))
    menu, content = [], []
    for tag in tags:
        content.append(f"<h2>{escape(tag)}</h2>")
        for endpoint in endpoints:
            if endpoint.tag == tag:
                operation = openapi["paths"][endpoint.path][endpoint.method.lower()]
                menu.append(
                    f'<a href="#{endpoint.name}"><b>{endpoint.method}</b> {escape(endpoint.path)}</a>'
                )
                content.append(_endpoint(endpoint, operation))
    content.append("<h2>Problems</h2><dl>")
    for kind, (status, title) in KINDS.items():
        content.append(f'<dt id="{kind}"><code>{status.value}</code> {kind}</dt><dd>{escape(title)}</dd>')
    content.append("</dl><h2>Models</h2>")
    for name, schema in openapi["components"]["schemas"].items():
        content.append(_model(name, schema))
    text = _TEMPLATE.read_text()
    return text.replace("<!-- MENU -->", "\n".join(menu)).replace("<!-- CONTENT -->", "\n".join(content))


def _endpoint(endpoint: Endpoint, operation: dict[str, Any]) -> str:
    scope = (
        f"<p>Scope: <code>{escape(needed(endpoint))}</code></p>"
        if endpoint.scopes
        else "<p>No token needed.</p>"
    )
    key = (
        "<p>A key signed by the server, in <code>code</code>, will do as well.</p>" if endpoint.keyed else ""
    )
    rows = [
        (parameter["name"], parameter["in"], _type(parameter["schema"]), parameter.get("description", ""))
        for parameter in operation["parameters"]
    ]
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        rows.append(("body", "body", _type(schema), ""))
    answers = [
        (status, _content(response), escape(response["description"]))
        for status, response in operation["responses"].items()
    ]
    return (
        f'<section id="{endpoint.name}"><h3><span>{endpoint.method}</span> {escape(endpoint.path)}</h3>'
        f"<p>{escape(endpoint.summary)}.</p>{scope}{key}"
        + (_table([(f"<code>{n}</code>", w, t, escape(d)) for n, w, t, d in rows]) if rows else "")
        + _table([(f"<code>{s}</code>", m, d) for s, m, d in answers])
        + "</section>"
    )


def _model(name: str, schema: dict[str, Any]) -> str:
    words = f"<p>{escape(schema.get('description', ''))}</p>"
    heading = f'<section id="model-{name}"><h3>{name}</h3>{words}'
    if "enum" in schema:
        return (
            heading
            + f"<p>{', '.join(f'<code>{escape(str(v))}</code>' for v in schema['enum'])}</p></section>"
        )
    required = set(schema.get("required", []))
    rows = [
        (
            f"<code>{escape(field)}</code>{'' if field in required else ' <i>optional</i>'}",
            _type(given),
            escape(given.get("description", "")),
        )
        for field, given in schema.get("properties", {}).items()
    ]
    return heading + _table(rows) + "</section>"


def _content(response: dict[str, Any]) -> str:
    return ", ".join(_type(given["schema"]) for given in response.get("content", {}).values())


def _type(schema: dict[str, Any]) -> str:
    """A schema in few words, with a link where it has a name."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#model-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(branch) for branch in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    words = [escape(str(schema.get("type", "anything")))]
    words += [f"{said} {schema[name]}" for name, said in _LIMITS.items() if name in schema]
    if "examples" in schema:
        words.append(f"such as <code>{escape(json.dumps(schema['examples'][0]))}</code>")
    return ", ".join(words)


_LIMITS: Final = {"minimum": "from", "maximum": "to", "maxLength": "at most", "maxProperties": "at most"}


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{body}</table>"

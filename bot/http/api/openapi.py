"""Makes the OpenAPI 3.1 document from the endpoints' table and the pydantic models."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from bot.http.api.endpoint import DECIDE_ANY, JSON, Endpoint, needed
from bot.http.api.models import ProblemDetails
from bot.http.api.problems import CONTENT_TYPE, KINDS

VERSION: Final = "1"
_PART: Final = re.compile(r"\{(\w+)\}")
_REF: Final = "#/components/schemas/{model}"
_DESCRIPTION: Final = (
    "Ask people, and wait for their yes or no. A token stands for its owner: what it asks, the owner asks, and what it "
    "decides, the owner decides. Decisions are POST only. Errors are RFC 9457 problem details."
)


def document(endpoints: Iterable[Endpoint], public_url: str | None = None) -> dict[str, Any]:
    """Returns the document. Equal tables give equal documents. Without a `public_url` it names only its own server."""
    listed = list(endpoints)
    schemas = _schemas(listed)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in listed:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    queries = {endpoint.query.__name__ for endpoint in listed if endpoint.query}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Countersign", "version": VERSION, "description": _DESCRIPTION},
        "servers": [{"url": public_url or "/"}],
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in schemas.items() if name not in queries},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "`countersign token create`"},
                "key": {
                    "type": "apiKey",
                    "in": "query",
                    "name": "code",
                    "description": "Signed by the server",
                },
            },
        },
    }


def _schemas(endpoints: list[Endpoint]) -> dict[str, Any]:
    """Returns the schema of every model: validation schemas for requests, serialization schemas for responses."""
    models: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(ProblemDetails, "serialization"): None}
    for endpoint in endpoints:
        for model in (endpoint.body, endpoint.query):
            if model is not None:
                models[model, "validation"] = None
        for answer in endpoint.responses.values():
            if answer.model is not None:
                models[answer.model, "serialization"] = None
    _, schema = models_json_schema(list(models), ref_template=_REF)
    found: dict[str, Any] = schema["$defs"]
    return found


def problems_of(endpoint: Endpoint) -> list[str]:
    """Returns every kind of problem that the endpoint may answer with."""
    kinds = ["unavailable"]
    if endpoint.scopes:
        kinds += ["unauthenticated", "forbidden", "too-many"]
    if endpoint.body or endpoint.any_body:
        kinds += ["malformed", "too-large"]
    if endpoint.body:
        kinds += ["media-type"]
    if endpoint.body or endpoint.query or endpoint.headers:
        kinds += ["invalid"]
    return list(dict.fromkeys([*kinds, *endpoint.problems]))


def _operation(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    scopes = f"\n\nScope: {needed(endpoint)}." if endpoint.scopes else ""
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "description": endpoint.summary + scopes,
        "tags": [endpoint.tag],
        "parameters": _parameters(endpoint, schemas),
        "responses": _responses(endpoint),
        "security": _security(endpoint),
    }
    if endpoint.body is not None:
        schema = {"$ref": _REF.format(model=endpoint.body.__name__)}
        operation["requestBody"] = {
            "required": not endpoint.body_optional,
            "content": {JSON: {"schema": schema}},
        }
    elif endpoint.any_body:
        operation["requestBody"] = {"required": False, "content": {JSON: {"schema": {}}}}
    return operation


def _security(endpoint: Endpoint) -> list[dict[str, list[str]]]:
    ways: list[dict[str, list[str]]] = []
    if endpoint.scopes:
        ways.append({"token": sorted("decide:POLICY" if s == DECIDE_ANY else s for s in endpoint.scopes)})
    if endpoint.keyed:
        ways.append({"key": []})
    return ways


def _parameters(endpoint: Endpoint, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _PART.findall(endpoint.path)
    ]
    if endpoint.query is not None:
        properties = schemas[endpoint.query.__name__]["properties"]
        found += [
            {
                "name": name,
                "in": "query",
                "required": False,
                "description": schema.get("description", ""),
                "schema": _without_null(schema),
            }
            for name, schema in properties.items()
        ]
    found += [
        {"name": name, "in": "query", "required": False, "schema": {"type": "string"}}
        for name in endpoint.loose_query
    ]
    found += [
        {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}
        for name in endpoint.loose_headers
    ]
    found += [
        {
            "name": name,
            "in": "header",
            "required": False,
            "description": "Repeated with the same key, it takes effect once",
            "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
        }
        for name in endpoint.headers
    ]
    return found


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query parameter is left out instead of being null."""
    kept = {name: value for name, value in schema.items() if name not in {"default", "title", "description"}}
    branches = [branch for branch in kept.pop("anyOf", []) if branch != {"type": "null"}]
    return (
        {**kept, **branches[0]}
        if len(branches) == 1
        else {**kept, **({"anyOf": branches} if branches else {})}
    )


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, answer in endpoint.responses.items():
        response: dict[str, Any] = {"description": answer.description}
        if answer.headers:
            response["headers"] = {name: {"schema": {"type": "string"}} for name in answer.headers}
        if answer.model is not None:
            response["content"] = {JSON: {"schema": {"$ref": _REF.format(model=answer.model.__name__)}}}
        elif answer.content_type != JSON:
            response["content"] = {answer.content_type: {"schema": {"type": "string"}}}
        elif answer.any_json:
            shape = {} if answer.is_list is None else {"type": "array" if answer.is_list else "object"}
            response["content"] = {JSON: {"schema": shape}}
        found[str(status)] = response
    by_status: dict[int, list[str]] = {}
    for kind in problems_of(endpoint):
        by_status.setdefault(KINDS[kind][0].value, []).append(KINDS[kind][1])
    for status, titles in sorted(by_status.items()):
        problem = {"$ref": _REF.format(model=ProblemDetails.__name__)}
        found[str(status)] = {
            "description": " ".join(titles),
            "content": {CONTENT_TYPE: {"schema": problem}},
        }
    return found

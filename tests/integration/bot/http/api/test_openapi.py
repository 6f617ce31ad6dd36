"""The served document: schemathesis sends requests that it allows, and requests that it does not, to the real API."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import given as given_
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks
from schemathesis.specs.openapi.definitions import OPENAPI_31

from tests.support.api_world import ApiWorld

pytestmark = pytest.mark.asyncio(loop_scope="session")

EXAMPLES = 400 if os.environ.get("COUNTERSIGN_PROOF") else 3
CHECKS: list[Any] = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]
IN_A_ROW: list[Any] = CHECKS[:-1]  # the call before may have ended what this one names


@pytest.mark.timeout(3600 if os.environ.get("COUNTERSIGN_PROOF") else 120)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
async def test_whatever_is_sent_is_answered_as_documented_and_never_by_a_5xx(
    api: ApiWorld, mode: GenerationMode
) -> None:
    root = api.token("root", "U0RITA", "request", "read", "admin", "decide:deploy", rate=10_000_000)
    request_id = await api.ask(root)
    served = (await api.call("GET", "/api/openapi.json")).body
    schema = schemathesis.openapi.from_dict(served)
    headers = {"Authorization": f"Bearer {root}"}
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    endpoints = api.app.api.authenticator.endpoints
    assert len(operations) == len(endpoints)
    # Clients of Durable Functions send parameters of their own there, which are no error.
    loose = {(endpoint.method, endpoint.path) for endpoint in endpoints if endpoint.loose_query}
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and not (operation.body or operation.query or operation.headers):
            continue  # nothing there that could be wrong

        @settings(
            max_examples=EXAMPLES,
            database=None,
            derandomize=not os.environ.get("COUNTERSIGN_PROOF"),
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
        )
        @given_(case=operation.as_strategy(generation_mode=mode), real=st.booleans())
        def fuzz(case: Any, real: bool) -> None:
            """Half of the cases name a request and a policy that exist."""
            if real and mode is GenerationMode.POSITIVE:
                if "id" in (case.path_parameters or {}):
                    case.path_parameters["id"] = request_id
                if case.operation.path == "/api/approvals" and isinstance(case.body, dict):
                    case.body |= {"policy": "deploy", "fields": {}}
                    case.body.pop("amount", None)
            case.query.pop("wait", None)  # it would only delay the answer
            takes_more = (case.operation.method.upper(), case.operation.path) in loose
            applied = [check for check in CHECKS if check is not checks.negative_data_rejection]
            case.call_and_validate(api.url, headers=headers, checks=applied if takes_more else CHECKS)

        await asyncio.to_thread(fuzz)


@pytest.mark.skipif(not os.environ.get("COUNTERSIGN_PROOF"), reason="takes minutes")
@pytest.mark.timeout(3600)
async def test_what_one_call_answers_goes_into_the_next_and_none_is_answered_by_a_5xx(api: ApiWorld) -> None:
    """Calls in a row, which name what those before them made: requests, hooks, challenges, instances."""
    root = api.token(
        "root", "U0RITA", "request", "read", "admin", "challenge", "decide:deploy", rate=10_000_000
    )
    schema = schemathesis.openapi.from_dict((await api.call("GET", "/api/openapi.json")).body)

    class CallsInARow(schema.as_state_machine()):  # type: ignore[misc]  # made at run time
        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"base_url": api.url, "headers": {"Authorization": f"Bearer {root}"}}

        def before_call(self, case: Any) -> None:
            case.query.pop("wait", None)
            if case.operation.path == "/api/approvals" and isinstance(case.body, dict):
                case.body |= {"policy": "deploy", "fields": {}}
                case.body.pop("amount", None)

        def validate_response(self, response: Any, case: Any, *_: Any, **__: Any) -> None:
            case.validate_response(response, checks=IN_A_ROW)

    often = settings(
        max_examples=100,
        stateful_step_count=10,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    await asyncio.to_thread(CallsInARow.run, settings=often)


def schemas(part: Any) -> Iterator[dict[str, Any]]:
    """Every schema with a default in the document, however deep it stands."""
    if isinstance(part, dict):
        if "default" in part:
            yield part
        for inner in part.values():
            yield from schemas(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from schemas(inner)


async def test_the_document_is_valid_and_so_is_every_default_in_it(api: ApiWorld) -> None:
    served = (await api.call("GET", "/api/openapi.json")).body
    jsonschema_rs.validator_for(OPENAPI_31).validate(served)
    assert served["servers"] == [{"url": api.url}]
    found = list(schemas(served))
    assert found
    for schema in found:
        whole = {**schema, "components": served["components"]}
        jsonschema_rs.validator_for(whole).validate(schema["default"])


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize(
    "given", ["0.5", "1700000000", "-1", "1e3", "now", "2026-13-01", "20261126", "2026-11-26T25:00Z"]
)
async def test_a_time_is_a_time_and_no_number(api: ApiWorld, name: str, given: str) -> None:
    answer = await api.call("GET", f"/api/approvals?{name}={given}", api.token("reader", "U0RITA", "read"))
    assert (answer.status, answer.fields) == (422, {name})


async def test_the_document_names_every_endpoint_and_its_scope_and_the_page_shows_them(
    api: ApiWorld,
) -> None:
    served = (await api.call("GET", "/api/openapi.json")).body
    assert served["openapi"].startswith("3.1")
    page = await api.call("GET", "/api/docs")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "<script" not in page.body
    assert "http" not in page.body.replace("https://countersign", "").split("<pre>")[0].split("</style>")[1]
    for endpoint in api.app.api.authenticator.endpoints:
        operation = served["paths"][endpoint.path][endpoint.method.lower()]
        assert bool(operation["security"]) == bool(endpoint.scopes or endpoint.keyed)
        assert f'id="{endpoint.name}"' in page.body
    asked = served["components"]["schemas"]["NewApproval"]
    assert asked["additionalProperties"] is False
    assert "requester" not in asked["properties"]

"""Checks the fields of `countersign ask` against the policy: which are missing, and how their values are stored."""

from __future__ import annotations

import argparse
from contextlib import suppress
from typing import Any

from bot.cli.api_client import ApiClient, CallRefusedError, UnreachableError


async def with_missing(
    api: ApiClient, error: CallRefusedError, given: argparse.Namespace
) -> CallRefusedError:
    """The refusal with each option that the policy requires and was not given; unchanged where none is missing."""
    if not error.fields:
        return error
    try:
        policies = (await api.call("GET", "/api/policies")).body["items"]
    except (CallRefusedError, UnreachableError):
        return error
    policy = next((one for one in policies if one["policy"] == given.policy), None)
    missing = [*_missing(policy, given)] if policy else []
    return CallRefusedError(error.status, f"Missing {' '.join(missing)}: {error}") if missing else error


async def as_kept(api: ApiClient, policy: str, fields: dict[str, str]) -> dict[str, str]:
    """The values as the server stores them, converted to the type that it gives for each field.

    The digest of the request is made of these. A field that the policy does not have is left unchanged. Raises
    `InvalidRequestError` naming the field.
    """
    # Imported late: asking without a receipt does not need them.
    from pydantic import ValidationError  # noqa: PLC0415

    from orchestration.domain.fields import FieldSpec, read_value  # noqa: PLC0415

    policies = (await api.call("GET", "/api/policies")).body["items"] if fields else []
    specs: dict[str, FieldSpec] = {}
    for listed in (field for one in policies if one["policy"] == policy for field in one["fields"]):
        with suppress(ValidationError):  # of a type that only a newer server has
            specs[listed["name"]] = FieldSpec.model_validate({**listed, "label": listed["title"]})
    return {
        name: read_value(specs[name], value) if name in specs else value for name, value in fields.items()
    }


def _missing(policy: dict[str, Any], given: argparse.Namespace) -> list[str]:
    said = dict(given.field)
    options = [
        f"--field {field['name']}=…"
        for field in policy["fields"]
        if field["required"] and not said.get(field["name"], "").strip()
    ]
    if policy["amount_required"] and given.amount is None:
        options.append("--amount …")
    return options

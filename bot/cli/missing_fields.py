"""What a refused `countersign ask` left out, as the options that say it."""

from __future__ import annotations

import argparse
from typing import Any

from bot.cli.api_client import ApiClient, CallRefusedError, UnreachableError


async def with_missing(
    api: ApiClient, error: CallRefusedError, given: argparse.Namespace
) -> CallRefusedError:
    """The refusal, naming each option that the policy requires and was not given; as it was, where none is missing."""
    if not error.fields:
        return error
    try:
        policies = (await api.call("GET", "/api/policies")).body["items"]
    except (CallRefusedError, UnreachableError):
        return error
    policy = next((one for one in policies if one["policy"] == given.policy), None)
    missing = [*_missing(policy, given)] if policy else []
    return CallRefusedError(error.status, f"Missing {' '.join(missing)}: {error}") if missing else error


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

"""The query parameters and the paging of the Durable Functions API, as its clients send them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from durabletask.client import OrchestrationStatus

from bot.http.api.endpoint import ApiCall
from bot.http.api.instance_json import STATUSES
from bot.http.api.problems import Problem

CONTINUATION: Final = "x-ms-continuation-token"
PAGE: Final = 100
LARGEST_PAGE: Final = 1000
LONGEST_PREFIX: Final = 100

# Statuses of the Durable Functions API that our hub does not have: no instance ever has one.
_NEVER: Final = frozenset({"canceled"})
_BY_NAME: Final = {name.lower(): status for status, name in STATUSES.items()}


def is_set(call: ApiCall, name: str, *, unless: bool) -> bool:
    """Returns a boolean parameter, in any letter case; `unless` is the default. Raises `Problem`."""
    given = call.request.query.get(name, "").lower()
    if given not in {"", "true", "false"}:
        raise Problem("malformed", f"{name}: say true or false.")
    return given == "true" if given else unless


def time(call: ApiCall, name: str) -> datetime | None:
    """Returns an ISO 8601 time, None if absent; without an offset it is UTC. Raises `Problem`."""
    given = call.request.query.get(name, "")
    if not given:
        return None
    try:
        # A plus sign that the client did not encode arrives as a space.
        found = datetime.fromisoformat(given.replace(" ", "+") if "T" in given else given)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Problem(
            "malformed", f"{name}: is no time in ISO 8601, such as 2026-11-26T14:02:00Z."
        ) from error


def statuses(call: ApiCall) -> frozenset[OrchestrationStatus] | None:
    """Returns the comma-separated statuses of `runtimeStatus`, in any letter case; None if absent. Raises `Problem`."""
    given = ",".join(call.request.query.getall("runtimeStatus", []))
    names = {name.strip().lower() for name in given.split(",")} - {""}
    unknown = sorted(names - set(_BY_NAME) - _NEVER)
    if unknown:
        raise Problem(
            "malformed",
            f"runtimeStatus: {unknown[0][:40]!a} is none; there are {', '.join(STATUSES.values())}.",
        )
    return frozenset(_BY_NAME[name] for name in names - _NEVER) if names else None


def top(call: ApiCall) -> int:
    """Returns the page size. Raises `Problem`."""
    given = call.request.query.get("top", "")
    if not given:
        return PAGE
    if not (given.isascii() and given.isdecimal() and len(given) < 10 and int(given)):
        raise Problem("malformed", "top: is no number from 1 on.")
    return min(int(given), LARGEST_PAGE)


def prefix(call: ApiCall) -> str | None:
    """Returns the prefix that the IDs must have. Raises `Problem`."""
    given = call.request.query.get("instanceIdPrefix", "")
    if len(given) > LONGEST_PREFIX or not given.isprintable():
        raise Problem("malformed", f"instanceIdPrefix: at most {LONGEST_PREFIX} printable characters.")
    return given or None


def page_token(call: ApiCall) -> str | None:
    """Returns the continuation token of the requested page; None for the first page."""
    return call.request.headers.get(CONTINUATION) or None

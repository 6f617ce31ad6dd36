"""`countersign list`: the requests that the token may see, the newest first."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bot.cli.api_client import ApiClient
from bot.cli.approvals_shown import COLUMNS, FIELDS
from bot.cli.arguments import at_least_one, examples, since
from bot.cli.output import add_json, show_table, waiting
from bot.terminal import explain
from orchestration.domain.request import Status

LIMIT: Final = 30
# The API lists the oldest first. To find the newest, look in the last day first, then in longer and longer times.
WINDOWS: Final = (timedelta(days=1), timedelta(days=7), timedelta(days=30))


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser(
        "list",
        help="requests, the newest first",
        description="Lists the newest requests. A token with only the scope `request` sees what its owner asked.",
        **examples(
            "countersign list --status pending",
            "countersign list --policy deploy --since 7d --limit 100",
            "countersign list --status approved --json id,title,amount",
        ),
    )
    statuses = [status.value for status in Status]
    parser.add_argument("--status", metavar="STATUS", choices=statuses, help=f"one of {', '.join(statuses)}")
    parser.add_argument("--policy", help="of this policy")
    parser.add_argument("--requester", metavar="U…", help="asked by this person")
    parser.add_argument("--since", type=since, help="asked since a date, a time, or how long ago, such as 7d")
    parser.add_argument(
        "--limit", type=at_least_one, default=LIMIT, metavar="N", help=f"at most so many (default {LIMIT})"
    )
    add_json(parser, FIELDS)
    parser.set_defaults(command=lambda given: asyncio.run(_list(given)))


async def _list(given: argparse.Namespace) -> int:
    names = ("status", "policy", "requester")
    query = {name: value for name in names if (value := getattr(given, name))}
    async with ApiClient(os.environ) as api:
        # One more than is shown, to find out whether there are more.
        newest = await waiting(_newest(api, query, given.since, given.limit + 1), f"Asking {api.url}")
    show_table(newest[: given.limit], COLUMNS, given.json)
    if len(newest) > given.limit:
        explain(f"There are more than these {given.limit}; --limit says how many are shown.")
    return 0


async def _newest(
    api: ApiClient, query: Mapping[str, str], since: str | None, number: int
) -> list[dict[str, Any]]:
    found: deque[dict[str, Any]] = deque(maxlen=number)
    for start in _starts(since):
        found.clear()
        async for item in api.approvals({**query, **({"since": start} if start else {})}):
            found.append(item)
        if len(found) == number:
            break
    return [*reversed(found)]


def _starts(since: str | None) -> Iterator[str | None]:
    """The times to look from: later than `since` at first, and `since` last."""
    earliest = datetime.fromisoformat(since) if since else None
    now = datetime.now(UTC)
    for window in WINDOWS:
        if earliest is None or now - window > earliest:
            yield (now - window).isoformat()
    yield since

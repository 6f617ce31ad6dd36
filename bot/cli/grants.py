"""`countersign grants`: lists the calls that are approved in advance, and ends such an approval early."""

from __future__ import annotations

import argparse
import asyncio
import os
from typing import Any, Final
from urllib.parse import quote

from bot.cli.api_client import ApiClient
from bot.cli.arguments import at_least_one, examples
from bot.cli.output import Column, add_json, show_table, time, value, waiting
from bot.terminal import explain, report
from orchestration.domain.text import line

LIMIT: Final = 30
# The fields of `StandingGrant` in bot/http/api/grants.py, which takes long to import. A test compares the two.
FIELDS: Final = (
    "id",
    "policy",
    "request",
    "call",
    "fixed",
    "vary",
    "requester",
    "asked_with",
    "granted_by",
    "confirmed",
    "granted_at",
    "until",
    "uses",
    "used",
    "ended",
    "ended_at",
    "ended_by",
    "reason",
)
COLUMNS: Final = (
    value("id"),
    value("policy"),
    Column("USED", lambda grant: f"{grant['used']} of {grant['uses']}"),
    time("until", "UNTIL"),
    value("granted_by", "GIVEN BY"),
    Column("AGENT", lambda grant: line(grant["call"]["agent"])),
    Column("TOOL", lambda grant: line(grant["call"]["tool"])),
)


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser("grants", help="standing grants: calls that are approved in advance")
    actions = parser.add_subparsers(metavar="COMMAND", required=True)
    listing = actions.add_parser(
        "list",
        help="the standing grants that have not ended",
        description="Lists the standing grants that have not ended, the one that ends first at the beginning.",
        **examples("countersign grants list", "countersign grants list --json id,used,until"),
    )
    listing.add_argument(
        "--limit", type=at_least_one, default=LIMIT, metavar="N", help=f"at most so many (default {LIMIT})"
    )
    add_json(listing, FIELDS)
    listing.set_defaults(command=lambda given: asyncio.run(_list(given)))
    revoking = actions.add_parser(
        "revoke",
        help="end a standing grant: people are asked about the next such call",
        **examples("countersign grants revoke agents-k7m2x9qd-grant"),
    )
    revoking.add_argument("id", metavar="ID", help="the grant, as `grants list` names it")
    revoking.set_defaults(command=lambda given: asyncio.run(_revoke(given)))


async def _list(given: argparse.Namespace) -> int:
    async with ApiClient(os.environ) as api:
        reply = await waiting(api.call("GET", "/api/grants"), f"Asking {api.url}")
    grants = reply.body["grants"]
    show_table(grants[: given.limit], COLUMNS, given.json)
    if len(grants) > given.limit:
        explain(f"There are more than these {given.limit}; --limit says how many are shown.")
    return 0


async def _revoke(given: argparse.Namespace) -> int:
    async with ApiClient(os.environ) as api:
        reply = await api.call("DELETE", f"/api/grants/{quote(given.id, safe='')}")
    report(reply.body["message"], f"{given.id}: {reply.body['message']}")
    return 0

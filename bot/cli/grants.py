"""`countersign grants`: the calls that are approved in advance, and their end before the time."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from datetime import datetime
from typing import Any
from urllib.parse import quote

from bot.cli.api_client import ApiClient
from bot.terminal import plain, report, say


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser("grants", help="standing grants: calls that are approved in advance")
    actions = parser.add_subparsers(metavar="COMMAND", required=True)
    listing = actions.add_parser("list", help="those that have not ended")
    listing.add_argument("--json", action="store_true", help="all of each, one JSON object a line")
    listing.set_defaults(command=lambda given: asyncio.run(_list(given)))
    revoking = actions.add_parser("revoke", help="end one: the next such call is asked about")
    revoking.add_argument("id", metavar="ID")
    revoking.set_defaults(command=lambda given: asyncio.run(_revoke(given)))


async def _list(given: argparse.Namespace) -> int:
    async with ApiClient(os.environ) as api:
        reply = await api.call("GET", "/api/grants")
    for grant in reply.body["grants"]:
        if not say(json.dumps(grant) if given.json else plain(_line(grant))):
            break
    return 0


def _line(grant: dict[str, Any]) -> str:
    until = datetime.fromisoformat(grant["until"]).astimezone()
    call = grant["call"]
    parts = [
        grant["id"],
        f"{call['agent']} calls {call['tool']}",
        f"{grant['used']} of {grant['uses']} uses",
        f"until {until:%Y-%m-%d %H:%M}",
        f"given by {grant['granted_by']}",
    ]
    return " · ".join(parts)


async def _revoke(given: argparse.Namespace) -> int:
    async with ApiClient(os.environ) as api:
        reply = await api.call("DELETE", f"/api/grants/{quote(given.id, safe='')}")
    report(reply.body["message"], f"{given.id}: {reply.body['message']}")
    return 0

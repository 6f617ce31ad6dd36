"""`countersign status ID`: where a request stands, or how it ended."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from typing import Any

from bot.cli.api_client import ApiClient, approval_path
from bot.cli.summary import ending, standing
from bot.terminal import plain, say


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser("status", help="where a request stands")
    parser.add_argument("id", metavar="ID")
    parser.add_argument("--json", action="store_true", help="all of it, as JSON")
    parser.set_defaults(command=lambda given: asyncio.run(_status(given)))


async def _status(given: argparse.Namespace) -> int:
    async with ApiClient(os.environ) as api:
        reply = await api.call("GET", approval_path(given.id))
    if given.json:
        say(json.dumps(reply.body))
    else:
        say(ending(reply.body) if reply.status == 200 else plain(standing(reply.body)))
    return 0

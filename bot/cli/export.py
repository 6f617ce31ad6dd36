"""`countersign export`: every request since a time, as lines of JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from typing import Any

from bot.cli.api_client import ApiClient
from bot.cli.arguments import examples, since
from bot.terminal import say


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser(
        "export",
        help="everything on record, one JSON object a line",
        **examples("countersign export --since 90d > requests.jsonl"),
    )
    parser.add_argument(
        "--since", type=since, required=True, help="a date, a time, or how long ago, such as 90d"
    )
    parser.set_defaults(command=lambda given: asyncio.run(_export(given)))


async def _export(given: argparse.Namespace) -> int:
    async with ApiClient(os.environ) as api:
        async for item in api.approvals({"since": given.since}):
            if not say(json.dumps(item, ensure_ascii=False)):
                break
    return 0

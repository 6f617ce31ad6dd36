"""`countersign list`: the requests that the token may see."""

from __future__ import annotations

import argparse
import asyncio
import os
from datetime import datetime
from typing import Any

from bot.cli.api_client import ApiClient
from bot.cli.arguments import since
from bot.terminal import plain, say
from orchestration.domain.inert import in_quotes
from orchestration.domain.request import Status


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser("list", help="requests, oldest first")
    parser.add_argument("--status", choices=[status.value for status in Status])
    parser.add_argument("--policy")
    parser.add_argument("--requester", metavar="U…")
    parser.add_argument("--since", type=since, help="a date, a time, or how long ago, such as 7d")
    parser.set_defaults(command=lambda given: asyncio.run(_list(given)))


async def _list(given: argparse.Namespace) -> int:
    names = ("status", "policy", "requester", "since")
    query = {name: value for name in names if (value := getattr(given, name))}
    async with ApiClient(os.environ) as api:
        async for item in api.approvals(query):
            asked = datetime.fromisoformat(item["asked_at"]).astimezone()
            where = f"{item['id']:<24} {item['status']:<13} {asked:%Y-%m-%d %H:%M}"
            if not say(plain(f"{where}  {item['requester']:<12} {in_quotes(item['title'])}")):
                break
    return 0

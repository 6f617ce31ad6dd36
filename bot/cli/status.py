"""`countersign status ID`: where a request stands, or how it ended."""

from __future__ import annotations

import argparse
import asyncio
import os
from typing import Any

from bot.cli.api_client import ApiClient, approval_path
from bot.cli.approvals_shown import FIELDS, LINES
from bot.cli.arguments import examples
from bot.cli.output import add_json, show_record, waiting


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser(
        "status",
        help="where a request stands",
        description="Shows where a request stands, or how it ended.",
        **examples(
            "countersign status deploy-k7m2x9qd",
            "countersign status deploy-k7m2x9qd --json status,card_url",
        ),
    )
    parser.add_argument("id", metavar="ID", help="the request, as `countersign list` names it")
    add_json(parser, FIELDS)
    parser.set_defaults(command=lambda given: asyncio.run(_status(given)))


async def _status(given: argparse.Namespace) -> int:
    async with ApiClient(os.environ) as api:
        reply = await waiting(api.call("GET", approval_path(given.id)), f"Asking {api.url}")
    show_record(reply.body, LINES, given.json)
    return 0

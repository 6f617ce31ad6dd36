"""`countersign cancel ID`: withdraws a request of the token's owner."""

from __future__ import annotations

import argparse
import asyncio
import os
from typing import Any

from bot.cli.api_client import ApiClient, approval_path
from bot.cli.arguments import examples
from bot.terminal import report


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser(
        "cancel",
        help="withdraw a request of yours",
        **examples('countersign cancel deploy-k7m2x9qd --reason "Not needed any more."'),
    )
    parser.add_argument("id", metavar="ID", help="the request")
    parser.add_argument("--reason", default="", help="why")
    parser.add_argument(
        "--fulfilment", action="store_true", help="call off what follows its approval, as the owner of that"
    )
    parser.set_defaults(command=lambda given: asyncio.run(_cancel(given)))


async def _cancel(given: argparse.Namespace) -> int:
    what = "/fulfilment" if given.fulfilment else ""
    async with ApiClient(os.environ) as api:
        reply = await api.call("POST", f"{approval_path(given.id)}{what}/cancel", {"reason": given.reason})
    report(reply.body["message"], f"{given.id}: {reply.body['message']}")
    return 0

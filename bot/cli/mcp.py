"""`countersign mcp`: the Model Context Protocol. `serve` is our own server, for agents that ask by themselves."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from typing import Any


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    mcp = commands.add_parser("mcp", help="the Model Context Protocol, for agents")
    which = mcp.add_subparsers(metavar="COMMAND", required=True)
    _add_serve(which)


def _add_serve(which: argparse._SubParsersAction[Any]) -> None:
    serve = which.add_parser(
        "serve",
        help="an MCP server on standard input and output, by which an agent asks people",
        description="Asks the server at COUNTERSIGN_URL with COUNTERSIGN_TOKEN. It ends when its input does.",
    )
    serve.set_defaults(command=lambda _: asyncio.run(_serve()))


async def _serve() -> int:
    from bot.cli.api_client import ApiClient  # noqa: PLC0415 - only what is needed before a setting is found wrong

    async with ApiClient(os.environ) as api:
        # Imported late: the SDK takes longer to import than other commands take to run.
        from mcp.server.stdio import stdio_server  # noqa: PLC0415

        from bot.cli.served_approvals import ServedApprovals  # noqa: PLC0415
        from bot.mcp.serve.server import approvals_server  # noqa: PLC0415

        approvals = ServedApprovals(api)
        server = approvals_server(lambda _: approvals)
        # A thread of the SDK's reads standard input for as long as it is open, so Python would not end before.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            async with stdio_server() as (reading, writing):
                await server.run(reading, writing, server.create_initialization_options())
        except* BrokenPipeError:
            pass  # a client that is gone has had enough
    return 0

"""`countersign mcp`: the Model Context Protocol.

`gate` stands in front of another server. `serve` is our own server, for agents that ask by themselves.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from bot.cli.arguments import examples


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    mcp = commands.add_parser(
        "mcp", help="the Model Context Protocol: a gate for servers, and a server to ask by"
    )
    actions = mcp.add_subparsers(metavar="COMMAND", required=True)
    _add_gate(actions)
    _add_serve(actions)


def _add_gate(actions: argparse._SubParsersAction[Any]) -> None:
    gate = actions.add_parser(
        "gate",
        usage="countersign mcp gate --gate FILE [--name SERVER] (--url URL [--header NAME=VARIABLE …] | -- COMMAND …)",
        help="an MCP server whose calls pass, are refused, or wait for people, as a gate file says",
        description="Speaks MCP over standard input and output, as the server behind it does.",
        **examples(
            "countersign mcp gate --gate gate.toml -- npx some-mcp-server",
            "countersign mcp gate --gate gate.toml --url https://mcp.example/mcp",
        ),
    )
    gate.add_argument("--gate", metavar="FILE", type=Path, required=True, help="the gate file")
    gate.add_argument(
        "--name",
        metavar="SERVER",
        help="what people read the server is called (default: its command, or its host)",
    )
    gate.add_argument("--url", help="where the server answers over Streamable HTTP")
    gate.add_argument(
        "--header",
        metavar="NAME=VARIABLE",
        action="append",
        default=[],
        help="with --url: send this header, with what the environment variable holds",
    )
    gate.add_argument("server", metavar="COMMAND", nargs="*", help="the server's command, after --")
    gate.set_defaults(command=_gate)


def _gate(given: argparse.Namespace) -> int:
    # Imported late: the other commands of this group do not need it.
    from bot.cli.mcp_gate import run  # noqa: PLC0415

    return run(given)


def _add_serve(actions: argparse._SubParsersAction[Any]) -> None:
    serve = actions.add_parser(
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
        # A thread of the SDK reads standard input as long as it is open, so Python would not end before that.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            async with stdio_server() as (reading, writing):
                await server.run(reading, writing, server.create_initialization_options())
        except* BrokenPipeError:
            pass  # a client that is gone reads no more output
    return 0

"""`countersign mcp`: what Countersign does for agents that speak the Model Context Protocol."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    mcp = commands.add_parser("mcp", help="stand between an agent and an MCP server")
    actions = mcp.add_subparsers(metavar="COMMAND", required=True)
    _add_gate(actions)


def _add_gate(actions: argparse._SubParsersAction[Any]) -> None:
    gate = actions.add_parser(
        "gate",
        usage="countersign mcp gate --gate FILE [--name SERVER] (--url URL [--header NAME=VARIABLE …] | -- COMMAND …)",
        help="an MCP server whose calls pass, are refused, or wait for people, as a gate file says",
        description="Speaks MCP over standard input and output, as the server behind it does.",
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
    # Imported where it is called: the other commands of this group do without.
    from bot.cli.mcp_gate import run  # noqa: PLC0415

    return run(given)

"""`countersign demo`: the demo in a browser, or its scenarios played in the terminal."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

from bot.cli.arguments import examples
from bot.cli.importing import to_the_end
from orchestration.domain.errors import CountersignError


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser(
        "demo",
        help="a workspace in your browser, with nothing to sign up for",
        **examples("countersign demo", "countersign demo --headless --scenario deploy"),
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=None,
        metavar="DIR",
        help="where the demo keeps its state (default ~/.local/share/countersign/demo)",
    )
    parser.add_argument("--port", type=_port, default=3030, help="the page's port (default 3030)")
    parser.add_argument(
        "--headless",
        action="store_true",
        help="play scenarios in the terminal instead, each step checked; exit status 1 when one fails. Its state is "
        "gone afterwards, unless --data says where to keep it",
    )
    parser.add_argument(
        "--scenario",
        metavar="NAME[,NAME]",
        help="which ones, with --headless: laptop, deploy, payment, silence, agent, database, order, readiness "
        "(default all)",
    )
    parser.set_defaults(command=_demo)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, 0 to 65535")
    return int(text)


def _demo(given: argparse.Namespace) -> int:
    if given.scenario and not given.headless:
        raise CountersignError("--scenario: goes with --headless; in the page, press Guided.")
    with to_the_end():
        # Imported late: only the demo needs the simulator.
        from bot.demo.headless import ALL, chosen, run_headless  # noqa: PLC0415
        from bot.demo.supervisor import run_demo  # noqa: PLC0415

    if given.headless:
        return asyncio.run(run_headless(chosen(given.scenario or ALL), given.data))
    return asyncio.run(run_demo(given.data, given.port))

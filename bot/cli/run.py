"""`countersign run`: serves Slack and decides approvals."""

from __future__ import annotations

import argparse
import asyncio
import os
from typing import Any

from bot import config
from bot.terminal import stop_signal


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser(
        "run",
        help="serve Slack and decide approvals",
        description="Serves Slack and decides approvals, until Ctrl-C or SIGTERM.",
        epilog="It takes no options: its settings are environment variables, or in the TOML file that "
        "COUNTERSIGN_CONFIG names. Required: SLACK_BOT_TOKEN, COUNTERSIGN_POLICIES, and SLACK_APP_TOKEN or "
        "SLACK_SIGNING_SECRET. docs/reference/settings.md of the source lists them all.",
    )
    parser.set_defaults(command=_run)


def _run(_: argparse.Namespace) -> int:
    settings = config.read(os.environ)
    # Bolt looks for it there too, and would warn at every start that it is of no use.
    os.environ.pop("SLACK_BOT_TOKEN", None)
    return asyncio.run(_serve(settings))


async def _serve(settings: config.Settings) -> int:
    """Runs until SIGINT or SIGTERM, or until Slack refuses a token."""
    # Imported late: `countersign --help` and `hub` need none of Slack.
    from bot.app import running  # noqa: PLC0415

    stop = stop_signal()
    async with running(settings) as app:
        await asyncio.wait([app.connecting, stop], return_when=asyncio.FIRST_COMPLETED)
        if not stop.done():
            app.connecting.result()
            await stop
    return 0

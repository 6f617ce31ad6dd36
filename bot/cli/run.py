"""`countersign run`: serves Slack and decides approvals."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any

from bot import config
from bot.cli.importing import to_the_end
from bot.stopping import end_by_itself, end_now
from bot.terminal import stop_signal
from orchestration.domain.errors import PolicyError

log = logging.getLogger(__name__)


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser(
        "run",
        help="serve Slack and decide approvals",
        description="Serves Slack and decides approvals, until Ctrl-C or SIGTERM.",
        epilog="It takes no options: its settings are environment variables, or in the TOML file that "
        "COUNTERSIGN_CONFIG names. Required: SLACK_BOT_TOKEN, COUNTERSIGN_POLICIES, and SLACK_APP_TOKEN or "
        "SLACK_SIGNING_SECRET. All of them: "
        "https://github.com/countersign/countersign/blob/main/docs/reference/generated/settings.md",
    )
    parser.set_defaults(command=_run)


def _run(_: argparse.Namespace) -> int:
    # Imported late: the other commands log only a few lines and do not need it.
    from bot.cli.telemetry import observed  # noqa: PLC0415

    settings = config.read(os.environ)
    # Bolt looks for the token there too, and would warn at every start that it does not use it.
    os.environ.pop("SLACK_BOT_TOKEN", None)
    with observed(settings, os.environ) as end_traces:
        return asyncio.run(_serve(settings, end_traces))


async def _serve(settings: config.Settings, end_traces: Callable[[], None]) -> int:
    """Runs until SIGINT or SIGTERM, or until Slack refuses a token."""
    with to_the_end():
        # Imported late: `countersign --help` and `hub` do not need Slack.
        from bot.app import running  # noqa: PLC0415
    stop = stop_signal()
    async with running(settings) as app:
        await asyncio.wait([app.connecting, stop], return_when=asyncio.FIRST_COMPLETED)
        if not stop.done():
            app.connecting.result()
            comparing = asyncio.create_task(compare(settings), name="compare the policies with the workspace")
            await stop
            comparing.cancel()
        end_by_itself(settings.stop_delay.total_seconds())
    if app.stopping.left_behind:
        end_traces()
        end_now()
    return 0


async def compare(settings: config.Settings) -> None:
    """Logs what the policies name and the workspace does not have. No request waits for this check."""
    from bot.slack.api.notifier import web_client  # noqa: PLC0415
    from bot.slack.api.workspace_check import workspace_warnings  # noqa: PLC0415
    from bot.slack.ids import SlackIds  # noqa: PLC0415
    from orchestration.domain import policy_file  # noqa: PLC0415

    try:
        book = policy_file.load(settings.policies, SlackIds())
    except PolicyError:  # the file was edited since the start, and the code that reads it then logs that
        return
    async for warning in workspace_warnings(web_client(settings.bot_token, settings.slack_api_url), book):
        log.warning("%s: %s", settings.policies, warning)

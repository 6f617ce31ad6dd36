"""`countersign hub`: the task hub as a process of its own, with the hub's own options."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

from bot import config
from bot.telemetry import logs
from bot.telemetry.redaction import Redactor
from orchestration import hub
from orchestration.domain.names import RUN_ONCE


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand's line to `countersign --help`."""
    commands.add_parser(
        "hub", help="the task hub as a process of its own; check and backup of its file (see hub --help)"
    )


def run(words: Sequence[str]) -> int:
    """Runs the hub's own command line and returns the exit status. A subparser of argparse would refuse its options.

    It cannot rewind, restart or replace an approval.
    """
    # The hub's own command line sets up a log if there is none yet. Only the log's format comes from our settings.
    logs.set_up(config.log_format(os.environ), Redactor())
    return hub.main(words, run_once=list(RUN_ONCE))

"""`countersign reject ID`: rejects a request as the token's owner."""

from __future__ import annotations

import argparse
from typing import Any

from bot.cli.deciding import add_decision
from orchestration.domain.request import Choice


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    add_decision(commands, Choice.REJECT)

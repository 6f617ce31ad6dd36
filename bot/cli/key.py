"""`countersign key rotate`, on the data directory of this machine."""

from __future__ import annotations

import argparse
import os
from typing import Any

from bot import config
from bot.security.receipts import SigningKeys
from bot.terminal import say


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    keys = commands.add_parser("key", help="the key that signs receipts; run it where the server runs")
    actions = keys.add_subparsers(metavar="ACTION", required=True)
    rotate = actions.add_parser("rotate", help="sign with a new key from the next start on")
    rotate.set_defaults(command=_rotate)


def _rotate(_: argparse.Namespace) -> int:
    SigningKeys.rotate(config.data_dir(os.environ))
    say("A new key signs from the next start on; what the old ones signed still verifies.")
    return 0

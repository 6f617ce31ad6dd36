"""The `countersign` command: the table of its subcommands.

Every failure is one line on standard error that says what to do.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final, NoReturn

from bot.cli import (
    ask,
    audit,
    cancel,
    demo,
    export,
    hub,
    key,
    policies,
    run,
    secret,
    simulate,
    status,
    token,
    verify,
)
from bot.cli import list as list_
from bot.terminal import complain
from orchestration.domain.errors import CountersignError

# In the order in which `--help` lists them.
SUBCOMMANDS: Final = (
    run,
    demo,
    simulate,
    ask,
    status,
    list_,
    cancel,
    export,
    verify,
    audit,
    key,
    secret,
    token,
    policies,
    hub,
)
USAGE_ERROR: Final = 2
INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one subcommand and returns its exit status.

    It is 0 when all is well, 1 when a check found faults, 2 when the command could not do what it was asked, and 130
    after Ctrl-C. `ask` and `verify` have their own, which their help lists.
    """
    words = sys.argv[1:] if arguments is None else [*arguments]
    if words[:1] == [hub.NAME]:
        return hub.run(words[1:])
    given = _parser().parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s  %(message)s")
    for library in ("durabletask", "azure", "slack_sdk.web"):
        logging.getLogger(library).setLevel(logging.WARNING)
    try:
        exit_status: int = given.command(given)
    except CountersignError as error:
        complain(str(error))
        return USAGE_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    return exit_status


class _Parser(argparse.ArgumentParser):
    """As argparse's, but a subcommand may choose the exit status of a wrong argument."""

    usage_status = USAGE_ERROR

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(self.usage_status, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="countersign", description="Durable human approvals in Slack.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"countersign {version('countersign')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for subcommand in SUBCOMMANDS:
        subcommand.add(commands)
    return parser

"""The `countersign` command: the table of its subcommands.

Every failure is one line on standard error that says what to do.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, NoReturn

from bot.cli.library_logs import quieten
from bot.telemetry.redaction import Redactor
from bot.terminal import OneLineFormatter, OutputError, complain, explain, flush, take_any_text
from orchestration.domain.errors import CountersignError

# The modules of this folder, in the order of `--help`. Each is imported when its command is called: importing all
# of them takes longer than most commands take to run.
SUBCOMMANDS: Final = (
    "init",
    "doctor",
    "run",
    "demo",
    "simulate",
    "ask",
    "status",
    "list",
    "approve",
    "reject",
    "cancel",
    "grants",
    "export",
    "verify",
    "audit",
    "key",
    "secret",
    "token",
    "policies",
    "gate",
    "hook",
    "mcp",
    "hub",
    "completion",
)
NOT_DONE: Final = 4
COMPLETING: Final = "_ARGCOMPLETE"  # set by the shell function that `completion` prints
# With any status other than 2, a coding agent may let the call through when its hook fails.
HOOK: Final = "hook"
BLOCKED: Final = 2
INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one subcommand and returns its exit status.

    Each status means the same in every command: 0 yes or done; 1 no: rejected, or a check found faults; 2 nobody
    decided in time; 3 cancelled; 4 not done as asked, or the result could not be written; 5 waited long enough
    while the request is still open; 130 after Ctrl-C. Only the hook of a coding agent uses its client's status
    instead: 2 for every failure. If the reader closes the pipe early, the status stays the same.
    """
    words = sys.argv[1:] if arguments is None else [*arguments]
    blocks = words[:1] == [HOOK] and words[1:2] != ["init"]
    take_any_text()
    try:
        try:
            return _run(words)
        finally:
            flush()
    except (CountersignError, OutputError) as error:
        complain(str(error))
    except OSError as error:
        complain(f"{error}.")
    except KeyboardInterrupt:
        if blocks:
            complain("stopped before there was a decision, so the call is blocked.")
        return BLOCKED if blocks else INTERRUPTED
    except SystemExit as error:
        if blocks and error.code:
            return BLOCKED
        raise
    except Exception:  # noqa: BLE001 - Python would exit with 1, which means no
        explain(Redactor()(traceback.format_exc().rstrip()))
        complain("this is a fault of Countersign's own; please report the lines above.")
    return BLOCKED if blocks else NOT_DONE


def _run(words: list[str]) -> int:
    if COMPLETING in os.environ:
        _complete(os.environ.get("COMP_LINE", ""))
    called = [word for word in words[:1] if word in SUBCOMMANDS]
    if called == ["hub"]:
        hub_exit_status: int = _module("hub").run(words[1:])
        return hub_exit_status
    given = _parser(called or SUBCOMMANDS).parse_args(words)
    handler = logging.StreamHandler()
    handler.setFormatter(OneLineFormatter("%(asctime)s %(levelname)-7s %(name)s  %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    quieten()
    exit_status: int = given.command(given)
    return exit_status


def _complete(line: str) -> None:
    """Prints the words that can follow in the shell's line, and ends the process."""
    # Imported late: no command needs it.
    import argcomplete  # noqa: PLC0415

    called = [word for word in line.split()[1:2] if word in SUBCOMMANDS]
    argcomplete.autocomplete(_parser(called or SUBCOMMANDS), always_complete_options="long")


class _Parser(argparse.ArgumentParser):
    """Like argparse's parser, but a wrong argument exits with 4, not done: 2 means that nobody decided."""

    def error(self, message: str) -> NoReturn:
        explain(f"{self.format_usage()}{self.prog}: {message}")
        self.exit(NOT_DONE)


def _parser(subcommands: Sequence[str] = SUBCOMMANDS) -> argparse.ArgumentParser:
    parser = _Parser(prog="countersign", description="Durable human approvals in Slack.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"countersign {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for subcommand in subcommands:
        _module(subcommand).add(commands)
    return parser


def _version() -> str:
    """The installed version. Source without an installation, as the action for GitHub runs it, has none."""
    try:
        return version("countersign")
    except PackageNotFoundError:
        return "from its source"


def _module(subcommand: str) -> Any:
    return import_module(f"bot.cli.{subcommand}")

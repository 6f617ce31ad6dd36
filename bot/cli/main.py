"""The `countersign` command. Every failure is one line on standard error that says what to do."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from bot import config
from bot.cli import approvals, ask, receipts, simulate, tokens
from bot.terminal import stop_signal
from orchestration import hub
from orchestration.domain.errors import CountersignError, PolicyError

FAULTS_FOUND = 1
USAGE_ERROR = 2
NEEDS_TWILIO = "Note: {policies} sends codes by SMS, so `countersign run` will need the TWILIO_ settings."


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Exit status: 0, 1 for faults that were looked for, 2 when it could not be done as asked."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] == ["hub"]:  # it has options of its own, which a subparser of argparse would refuse
        return hub.main(words[1:])
    given = _parser().parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s  %(message)s")
    logging.getLogger("durabletask").setLevel(logging.WARNING)
    logging.getLogger("azure").setLevel(logging.WARNING)
    logging.getLogger("slack_sdk.web").setLevel(logging.WARNING)
    try:
        status: int = given.command(given)
    except CountersignError as error:
        print(f"countersign: {error}", file=sys.stderr)  # noqa: T201 - a command speaks on its standard error
        return USAGE_ERROR
    except KeyboardInterrupt:
        return 130
    return status


class _Parser(argparse.ArgumentParser):
    """As argparse's, but the exit status of a wrong argument is the subcommand's to choose."""

    usage_status = USAGE_ERROR

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(self.usage_status, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="countersign", description="Durable human approvals in Slack.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"countersign {version('countersign')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    run = commands.add_parser(
        "run",
        help="serve Slack and decide approvals",
        description="Serves Slack and decides approvals, until Ctrl-C or SIGTERM.",
        epilog="It takes no options: its settings are environment variables, or in the TOML file that "
        "COUNTERSIGN_CONFIG names. Required: SLACK_BOT_TOKEN, COUNTERSIGN_POLICIES, and SLACK_APP_TOKEN or "
        "SLACK_SIGNING_SECRET. docs/reference/settings.md of the source lists them all.",
    )
    run.set_defaults(command=_run)

    demo = commands.add_parser("demo", help="a workspace in your browser, with nothing to sign up for")
    demo.add_argument(
        "--data",
        type=Path,
        default=None,
        metavar="DIR",
        help="where the demo keeps its state (default ~/.local/share/countersign/demo)",
    )
    demo.add_argument("--port", type=_port, default=3030, help="the page's port (default 3030)")
    demo.add_argument(
        "--headless",
        action="store_true",
        help="play scenarios in the terminal instead, each step checked; exit status 1 when one fails. Its state is "
        "gone afterwards, unless --data says where to keep it",
    )
    demo.add_argument(
        "--scenario",
        metavar="NAME[,NAME]",
        help="which ones, with --headless: laptop, deploy, payment, silence, agent (default all)",
    )
    demo.set_defaults(command=_demo)

    for command in (simulate, ask, approvals, receipts, tokens):
        command.add(commands)

    policies = commands.add_parser("policies", help="what may be asked for, and who decides")
    check = policies.add_subparsers(metavar="COMMAND", required=True).add_parser(
        "check", help="find every fault in a policy file; exit status 1 when there is one"
    )
    check.add_argument("file", type=Path, metavar="FILE")
    check.set_defaults(command=_check_policies)

    commands.add_parser(
        "hub", help="the task hub as a process of its own; check and backup of its file (see hub --help)"
    )
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, 0 to 65535")
    return int(text)


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


def _check_policies(given: argparse.Namespace) -> int:
    # Imported late: they bring the HTTP client with them.
    from bot import policy_reloading  # noqa: PLC0415
    from bot.outbound import actions  # noqa: PLC0415
    from bot.twilio.settings import read_twilio  # noqa: PLC0415

    try:
        # Whether this shell happens to have the settings is no fault of the file: that is said, not held against it.
        sms = read_twilio(config.gather(os.environ)) is not None
        book = policy_reloading.load(given.file, actions.installed(), sms=True)
    except PolicyError as error:
        print(error, file=sys.stderr)  # noqa: T201 - what was asked for
        return FAULTS_FOUND
    print(f"{given.file}: OK ({', '.join(sorted(book.policies))})")  # noqa: T201 - the same
    confirmed = [key for key, policy in sorted(book.policies.items()) if policy.confirms]
    if confirmed and not sms:
        print(NEEDS_TWILIO.format(policies=", ".join(confirmed)))  # noqa: T201 - the same
    return 0


def _demo(given: argparse.Namespace) -> int:
    # Imported late: the simulator is only the demo's.
    from bot.demo.headless import ALL, chosen, run_headless  # noqa: PLC0415
    from bot.demo.supervisor import run_demo  # noqa: PLC0415

    if given.headless:
        return asyncio.run(run_headless(chosen(given.scenario or ALL), given.data))
    if given.scenario:
        raise CountersignError("--scenario: goes with --headless; in the page, press Guided.")
    return asyncio.run(run_demo(given.data, given.port))

"""`countersign init`: asks five questions and writes the first files of a new set-up."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from bot import config
from bot.cli.arguments import examples
from bot.cli.first_files import SETTINGS, FirstAnswers, first_files
from bot.security.whole_files import written_whole
from bot.slack.ids import SlackIds, is_channel
from bot.terminal import explain, plain, report
from orchestration.domain.errors import CountersignError

T = TypeVar("T")

LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
# Shells read these values too, within quotes.
_PLAIN_URL: Final = re.compile(r"https?://[A-Za-z0-9.:\[\]_~/-]+")
_UNFIT: Final = frozenset('"$`\\')
URL_QUESTION: Final = "Public https:// address that Slack can call, if there is one (empty: Socket Mode)"
CHANNEL_QUESTION: Final = "Channel for the first policy, such as C0PURCHASES"
APPROVERS_QUESTION: Final = "Who approves: people and user groups, such as U02ALICE S0MANAGERS"
SMS_QUESTION: Final = "Confirm approvals with a code by SMS, through Twilio? (yes or no; empty: no)"
DATA_QUESTION: Final = "Where the data are kept"
NEXT: Final = """\
Written into {into}: {names}.

1. At https://api.slack.com/apps choose "Create New App", "From a manifest", and paste manifest.yml. Install the app.
2. Fill in each "" of countersign.env: {empty}.
3. Type /invite @Countersign in the channel.
4. Check it, and start it:

       export COUNTERSIGN_CONFIG={settings}
       countersign doctor
       countersign run
"""


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser(
        "init",
        help="write a policy file, the settings and the Slack app's manifest for a new set-up",
        description="Asks five questions, and writes policies.toml, countersign.env and manifest.yml. What an option "
        "says is not asked. Tokens and secrets are left for you to fill in.",
        **examples(
            "countersign init",
            "countersign init --yes --channel C0PURCHASES --approver U02ALICE --into countersign",
        ),
    )
    parser.add_argument(
        "--public-url",
        metavar="URL",
        type=_option(_public_url),
        help="the https:// address at which Slack and Twilio reach the server",
    )
    parser.add_argument(
        "--socket-mode", action="store_true", help="use Socket Mode though there is a public address"
    )
    parser.add_argument(
        "--channel", metavar="CHANNEL", type=_option(_channel), help="the ID of the first policy's channel"
    )
    parser.add_argument(
        "--approver",
        metavar="ID",
        dest="approvers",
        action="append",
        type=_option(SlackIds().principal),
        help="the ID of a person or user group that approves; may be repeated",
    )
    parser.add_argument(
        "--sms",
        action=argparse.BooleanOptionalAction,
        help="confirm approvals with a code by SMS; needs --public-url",
    )
    parser.add_argument(
        "--data-dir", metavar="DIR", type=_option(_folder), help="where the server keeps its data"
    )
    parser.add_argument(
        "--into",
        metavar="DIR",
        type=_option(_folder),
        default=".",
        help="where to write the files (default: here)",
    )
    parser.add_argument(
        "--yes", action="store_true", help="ask nothing: what no option says is as by default"
    )
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    parser.set_defaults(command=_init)


def _init(given: argparse.Namespace) -> int:
    answers = _answers(given)
    into: Path = given.into
    texts = first_files(answers, into)
    there = [name for name in texts if os.path.lexists(into / name)]
    if there and not given.force:
        raise CountersignError(
            f"--into: {into} has {', '.join(there)} already; give another folder, or --force to replace what is there."
        )
    into.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        _write(into / name, text, replace=given.force)
    empty = [line.partition("=")[0] for line in texts[SETTINGS].splitlines() if line.endswith('=""')]
    report(
        NEXT.format(
            into=into,
            names=", ".join(texts),
            empty=", ".join(empty),
            settings=shlex.quote(str(into / SETTINGS)),
        ).rstrip()
    )
    return 0


def _answers(given: argparse.Namespace) -> FirstAnswers:
    """The answers, from the options and from the person at the terminal. Raises `CountersignError`."""
    asks = not given.yes
    if asks and not (sys.stdin and sys.stdin.isatty()):
        raise CountersignError(
            "--yes: is not given, and there is no terminal to ask at; give it, and the options."
        )
    url: str | None = given.public_url
    if url is None and asks and not given.socket_mode:
        url = _asked(URL_QUESTION, lambda text: _public_url(text) if text else None)
    channel = given.channel or (
        _asked(CHANNEL_QUESTION, _channel) if asks else _needed("--channel", "C0PURCHASES")
    )
    approvers = given.approvers or (
        _asked(APPROVERS_QUESTION, _principals) if asks else _needed("--approver", "U02ALICE")
    )
    sms = given.sms if given.sms is not None else asks and _asked(SMS_QUESTION, _yes)
    if sms and url is None:
        if not asks or given.sms:
            raise CountersignError(
                "--sms: needs --public-url, the address to which Twilio brings the replies; give it, or --no-sms."
            )
        url = _asked("Public https:// address to which Twilio brings the replies", _public_url)
        socket_mode = True
    else:
        socket_mode = given.socket_mode or url is None
    usual = config.data_dir_path({})
    data_dir = given.data_dir or (
        _asked(f"{DATA_QUESTION} (empty: {usual})", lambda text: _folder(text) if text else usual)
        if asks
        else usual
    )
    return FirstAnswers(url, socket_mode, channel, list(dict.fromkeys(approvers)), bool(sms), data_dir)


def _asked(question: str, read: Callable[[str], T]) -> T:
    """The answer from the terminal. Asks again until it is valid. Raises `CountersignError` at the end of input."""
    while True:
        try:
            return read(input(f"{question}: ").strip())
        except ValueError as error:
            explain(f"  {plain(str(error))}.")
        except EOFError:
            raise CountersignError(
                "The questions were not answered, so nothing was written; start again."
            ) from None


def _needed(option: str, example: str) -> Any:
    raise CountersignError(f"{option}: is needed with --yes; give it, such as {option} {example}.")


def _option(read: Callable[[str], T]) -> Callable[[str], T]:
    def convert(text: str) -> T:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


def _public_url(text: str) -> str:
    url = text.rstrip("/")
    if not _PLAIN_URL.fullmatch(url) or not _host(url):
        raise ValueError(f"{text!r} is not an https:// address, such as https://countersign.example.com")
    if not url.startswith("https://") and _host(url) not in LOCAL:
        raise ValueError(f"{text!r} is not an https:// address, and Slack calls no other")
    return url


def _host(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    return parts.hostname if port != 0 else None


def _channel(text: str) -> str:
    if not is_channel(text) or text.startswith("D"):
        raise ValueError(f"{text!r} is not a channel's ID in Slack, such as C0PURCHASES")
    return text


def _principals(text: str) -> list[str]:
    found = [SlackIds().principal(one) for one in text.replace(",", " ").split()]
    if not found:
        raise ValueError("name at least one person or user group")
    return found


def _yes(text: str) -> bool:
    if text.lower() in {"y", "yes"}:
        return True
    if text.lower() in {"", "n", "no"}:
        return False
    raise ValueError("answer yes or no")


def _folder(text: str) -> Path:
    if not text or not text.isprintable() or _UNFIT & set(text):
        raise ValueError(
            f"{text!r} is no path that a shell reads as it stands; choose one without quotes, $ and \\"
        )
    return Path(text).expanduser().absolute()


def _write(path: Path, text: str, *, replace: bool) -> None:
    """Writes the complete file, readable only by its owner, or no file at all. Raises `OSError`."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with (
        written_whole(fresh, path),
        os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file,
    ):
        file.write(text)
    if replace:
        fresh.replace(path)
        return
    try:
        path.hardlink_to(fresh)  # a link never replaces a file that somebody has put there meanwhile
    finally:
        fresh.unlink()

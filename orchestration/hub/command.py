"""The command line of the hub: runs it as a process of its own, checks or copies its file, accepts the clock."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final, NoReturn, TextIO

from orchestration.hub.engine.work_limit import WORK_LIMIT, parse_work_limit
from orchestration.hub.errors import HubError
from orchestration.hub.server import Hub
from orchestration.hub.storage.clock import SkippableClock, SystemClock
from orchestration.hub.storage.machine import MachineTime
from orchestration.hub.upkeep import backup, check, clock_acceptance, housekeeping

FAULTS_FOUND: Final = 1
NOT_DONE: Final = 4
INTERRUPTED: Final = 130


def main(argv: Sequence[str] | None = None, *, run_once: Collection[str] = ()) -> int:
    """Run a hub, or `check FILE`, or `backup FILE TO`, or `accept-clock FILE`. `run_once`: see `Hub`.

    Returns the exit status: 0; 1 where a check found faults; 4 where it could not do what was asked, or its
    answer could not be written, with the reason on stderr; 130 where Ctrl-C ended it.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    command = {"check": _check, "backup": _backup, "accept-clock": _accept_clock}.get(
        arguments[0] if arguments else ""
    )
    try:
        return _serve(arguments, run_once) if command is None else command(arguments[1:])
    except HubError as error:
        _complain(str(error))
        return NOT_DONE
    except KeyboardInterrupt:
        return INTERRUPTED


class _HubParser(argparse.ArgumentParser):
    """The parser of argparse, but a wrong argument ends the program with the exit status NOT_DONE."""

    def error(self, message: str) -> NoReturn:
        _complain(f"{self.format_usage()}{self.prog}: {message}")
        self.exit(NOT_DONE)


def _say(text: str) -> None:
    """Writes an answer. A reader may have closed the pipe. Raises `HubError` where it cannot be written."""
    if sys.stdout is None:
        raise HubError(f"The standard output is closed. {text}")
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _discard(sys.stdout)
    except OSError as error:
        _discard(sys.stdout)
        raise HubError(f"The standard output cannot be written ({error.strerror}). {text}") from error


def _complain(text: str) -> None:
    """Writes an error. Where the standard error is closed or full, nobody can be told."""
    with suppress(OSError, AttributeError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def _discard(stream: TextIO) -> None:
    """Discards what is left in the stream. Otherwise Python would write it again at exit, and print an error."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _serve(arguments: list[str], run_once: Collection[str]) -> int:
    """Run a hub until SIGINT or SIGTERM. Prints its address on a line of its own once it serves."""
    options = _serve_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    wait_for_stop = stop_signal()
    hub = Hub(
        options.db,
        listen=options.listen,
        token_file=options.token_file,
        authenticate=not options.no_auth,
        clock=SkippableClock() if options.skippable else SystemClock(),
        retention=options.retention,
        work_limit=options.work_limit,
        run_once=run_once,
        busy_poll=options.busy_poll,
    )
    hub.start()
    try:
        _say(str(hub.address))  # the program that started it reads where to connect
        wait_for_stop()
    finally:
        hub.stop()
    return 0


def _leave_to_the_pipe(_number: int, _frame: object) -> None:
    """Does nothing. Without a handler in Python the interpreter would write nothing to the pipe."""


def stop_signal() -> Callable[[], None]:
    """Listens for SIGINT and SIGTERM from now on; returns a function that waits for the first of them.

    The interpreter writes to the pipe when the signal arrives. A handler in Python would run only once the main thread
    runs Python again: never, if the signal arrives right before that thread begins to read.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave_to_the_pipe)

    def wait() -> None:
        os.read(reading, 1)

    return wait


def _serve_parser() -> _HubParser:
    parser = _HubParser(
        prog="countersign hub",
        description="A durable task hub on one file, for durabletask programs.",
        epilog="countersign hub check FILE verifies a hub's file; countersign hub backup FILE TO copies it; "
        "countersign hub accept-clock FILE has the hub take this machine's time. All may be run while the hub serves.",
    )
    parser.add_argument(
        "--db", type=Path, required=True, metavar="FILE", help="the hub's file; created where there is none"
    )
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        help="serve TCP as well, on a loopback address; without it, only a Unix socket beside the file",
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="where the token is that calls over TCP have to send; made where there is none (default: beside the "
        "hub's file, with .token at its end)",
    )
    parser.add_argument(
        "--no-auth",
        action="store_true",
        help="take calls over TCP without a token, from every user of this machine: for a development machine only",
    )
    parser.add_argument(
        "--retention",
        type=_retention,
        default=housekeeping.RETENTION,
        metavar="DAYS",
        help="how long ended instances are kept, such as 90d (default 400d)",
    )
    parser.add_argument(
        "--work-limit",
        type=_work_limit,
        default=WORK_LIMIT,
        metavar="TIME",
        help="how long a worker that is alive may take for one activity, turn or batch of entity operations before "
        "another gets it, such as 90m or 7d (default 24h)",
    )
    parser.add_argument(
        "--skippable", action="store_true", help="let clients move the clock ahead, for tests and demos"
    )
    parser.add_argument(
        "--no-busy-poll",
        dest="busy_poll",
        action="store_false",
        help="sleep whenever there is nothing to do; without this the hub polls for the next call for as long as it "
        "has worked, at most 2 ms: faster under load, for up to twice its processor time",
    )
    return parser


def _retention(text: str) -> timedelta:
    try:
        return housekeeping.parse_retention(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _work_limit(text: str) -> timedelta:
    try:
        return parse_work_limit(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _check(arguments: list[str]) -> int:
    parser = _HubParser(
        prog="countersign hub check",
        description="Reads all of a hub's file and says whether it is whole; changes nothing. The hub may serve it "
        "meanwhile. Exit status 0, 1 where there are faults, 4 where it is not a hub's file.",
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    report = check.check(parser.parse_args(arguments).file)
    _say(report.text())
    return FAULTS_FOUND if report.count else 0


def _backup(arguments: list[str]) -> int:
    parser = _HubParser(
        prog="countersign hub backup",
        description="Copies a hub's file as it is at this moment, and checks the copy. The hub may serve it "
        "meanwhile. Exit status 0, or 4 where no copy was made.",
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("to", type=Path, metavar="TO", help="a file that does not exist yet")
    given = parser.parse_args(arguments)
    _say(backup.backup(given.file, given.to).text())
    return 0


def _accept_clock(arguments: list[str]) -> int:
    parser = _HubParser(
        prog="countersign hub accept-clock",
        description="Has the hub on FILE take this machine's time at once, later or earlier, and hold its timers no "
        "longer. Use it when the hub says that its time and the machine's clock differ, and the clock is right. Run it "
        "as the hub's user. Exit status 0, or 4 where the hub did not take it.",
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    _say(clock_acceptance.accept(parser.parse_args(arguments).file, MachineTime()))
    return 0

"""The hub as a process of its own."""

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from orchestration.hub.clock import SkippableClock, SystemClock
from orchestration.hub.errors import HubError
from orchestration.hub.server import Hub


def main(argv: Sequence[str] | None = None) -> int:
    """Run a hub until SIGINT or SIGTERM; prints its address on a line of its own once it serves.

    Returns 0, or 2 where it could not start, with the reason on stderr.
    """
    parser = argparse.ArgumentParser(
        prog="countersign hub", description="A durable task hub on one file, for durabletask programs."
    )
    parser.add_argument(
        "--db", type=Path, required=True, metavar="FILE", help="the hub's file; made where there is none"
    )
    parser.add_argument(
        "--listen", metavar="HOST:PORT", help="a loopback address; without it, a Unix socket beside the file"
    )
    parser.add_argument(
        "--skippable", action="store_true", help="let clients move the clock ahead, for tests and demos"
    )
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    stop = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: stop.set())
    hub = Hub(
        options.db, listen=options.listen, clock=SkippableClock() if options.skippable else SystemClock()
    )
    try:
        hub.start()
    except HubError as error:
        print(error, file=sys.stderr)  # noqa: T201  # a command's answer
        return 2
    print(hub.address, flush=True)  # noqa: T201  # as above: whoever started it reads where to connect
    stop.wait()
    hub.stop()
    return 0

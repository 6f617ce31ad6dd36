"""`make faults`: runs it from a seed, prints the ledger, and what does not hold with how to run it again."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.faults.drive import Drive, Plan, Result

SHOWN: Final = 20  # entries of a line


def main() -> int:
    """Run and print; 0 where every line holds, else 1. What the processes wrote is kept then."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--approvals", type=int, default=200)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--bots", type=int, choices=[1, 2], default=1, help="2: on a hub process of its own")
    parser.add_argument("--share", type=float, default=0.3, help="of Slack's and Twilio's calls that fail")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds after which it stops by itself")
    given = parser.parse_args()
    plan = Plan(given.seed, given.approvals, given.kills, given.bots, given.share, given.limit)
    place = Path(tempfile.mkdtemp(prefix="faults-"))
    sys.stdout.write(f"{plan.again}\n")
    sys.stdout.flush()
    result = asyncio.run(Drive(plan, place).run())
    show(result)
    if not result.shortfall:
        return 0
    sys.stdout.write(f"\nShort of it. Again: {plan.again}\nLogs and files: {place}\n")
    return 1


def show(result: Result) -> None:
    """Print what the run went through, and each line of the ledger."""
    sys.stdout.write(
        f"{result.ended} requests in {result.seconds:.0f} s; file {result.file_bytes / max(result.ended, 1) / 1024:.0f}"
        f" KiB a request\ncalls failed: {dict(result.struck)}\nprocesses: {dict(result.killed)}\n\n"
    )
    for name, found in result.lines.items():
        sys.stdout.write(f"{len(found):6}  {name}\n")
    for name, found in result.shortfall.items():
        sys.stdout.write(f"\n{name}:\n" + "".join(f"  {entry}\n" for entry in found[:SHOWN]))


if __name__ == "__main__":
    sys.exit(main())

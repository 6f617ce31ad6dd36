"""`make faults`: runs one plan from a seed and prints the ledger, the failures and the command that runs it again."""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.faults.drive import Drive
from tests.faults.plan import Plan, Result

SHOWN: Final = 20  # entries of a line
# Limits in seconds, for the faults and for the time after them: several times what each takes on two cores.
_LEAST: Final = 180.0
_A_KILL: Final = 12.0
_AN_APPROVAL: Final = 0.5


def main() -> int:
    """Run and print; return 0 where every line holds, else 1. On 1 the files of the processes are kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--approvals", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument(
        "--bots", type=int, choices=[1, 2, 3], default=1, help="more than one: on a hub process of its own"
    )
    given = parser.parse_args()
    play = _LEAST + _A_KILL * given.kills + _AN_APPROVAL * given.approvals
    settle = _LEAST + 2 * _AN_APPROVAL * given.approvals
    plan = Plan(given.seed, given.approvals, given.kills, given.bots, play=play, settle=settle)
    place = Path(tempfile.mkdtemp(prefix="faults-"))
    sys.stdout.write(f"{plan.again}\n")
    sys.stdout.flush()
    try:
        result = asyncio.run(_run(Drive(plan, place)))
    except asyncio.CancelledError:
        sys.stdout.write(f"Stopped. Logs and files: {place}\n")
        return 1
    show(result)
    if result.ended < plan.approvals:
        sys.stdout.write(f"\nOnly {result.ended} of {plan.approvals} requests came to an end in time.\n")
    elif not result.shortfall:
        shutil.rmtree(place)
        return 0
    sys.stdout.write(f"\nIt falls short. Again: {plan.again}\nLogs and files: {place}\n")
    return 1


async def _run(drive: Drive) -> Result:
    """Runs the plan. SIGTERM also ends the processes that were started."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await drive.run()


def show(result: Result) -> None:
    """Print what the run went through, and each line of the ledger."""
    ready = sorted(result.ready)
    stops = sorted(result.stops) or [0.0]
    sys.stdout.write(
        f"{result.ended} requests ended in {result.seconds:.0f} s\n"
        f"calls that failed: {dict(result.struck)}\n"
        f"deliveries: {dict(result.delivered)}\n"
        f"processes: {dict(result.troubled)}\n"
        f"ready again after {ready[len(ready) // 2]:.1f} s (p50), {ready[-1]:.1f} s (at most)\n"
        f"{len(result.stops)} stops by SIGTERM took {stops[len(stops) // 2]:.1f} s (p50), {stops[-1]:.1f} s (at most)\n"
        f"memory {result.memory / 2**20:.0f} MiB at most; "
        f"the hub's file {result.file_bytes / max(result.ended, 1) / 1024:.0f} KiB a request\n\n"
    )
    for name, found in result.lines.items():
        sys.stdout.write(f"{len(found):6}  {name}\n")
    for name, found in result.shortfall.items():
        sys.stdout.write(f"\n{name}:\n" + "".join(f"  {entry}\n" for entry in found[:SHOWN]))


if __name__ == "__main__":
    sys.exit(main())

"""Run the bench and print its table.

About four minutes. Figures are of this machine, and of what else runs on it.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from tests.bench import crowd, measure, page, processes

WAITING = 3000
QUIET = 100
CROWD = 100_000
SAMPLE = 1000
CLICKS = 20

_Hub = AbstractContextManager[tuple[subprocess.Popen[str], str]]
_Line = tuple[str, str, str]


def main() -> int:
    """Print one table; 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of everything: is the bench itself sound?"
    )
    scale = 10 if parser.parse_args().quick else 1
    directory = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        lines = [
            *_side_by_side(directory, scale),
            *_two_workers(directory, scale),
            *_crowd(directory, scale),
            *_page(directory, scale),
        ]
    finally:
        shutil.rmtree(directory)
    _print(lines)
    return 0


def _side_by_side(directory: Path, scale: int) -> Iterator[_Line]:
    waiting, quiet = WAITING // scale, QUIET // scale
    ours = _flow(processes.our_hub(directory / "one.db"), waiting, quiet, workers=1)
    sdk = _flow(processes.sdk_hub(), waiting, quiet, workers=1)
    for what, mine, theirs in zip(_FLOW, ours, sdk, strict=True):
        yield what.format(waiting=waiting), f"{mine:,.1f}", f"{theirs:,.1f}"


def _two_workers(directory: Path, scale: int) -> Iterator[_Line]:
    waiting = WAITING // scale
    figures = _flow(processes.our_hub(directory / "two.db"), waiting, QUIET // scale, workers=2)
    yield f"event → completed per second at {waiting:,} waiting, two workers", f"{figures[2]:,.1f}", ""


_FLOW = (
    "event → completed on a quiet hub, median ms",
    "starts per second",
    "event → completed per second at {waiting:,} waiting",
)


def _flow(hub: _Hub, waiting: int, quiet: int, *, workers: int) -> tuple[float, float, float]:
    with ExitStack() as stack:
        _, address = stack.enter_context(hub)
        for _ in range(workers):
            stack.enter_context(processes.worker(address))
        driver = measure.Driver(address)
        stack.callback(driver.close)
        few = [f"quiet-{number:05}" for number in range(quiet)]
        driver.start(few)
        driver.until_waiting(few)
        latency = driver.latencies(few)
        many = [f"many-{number:05}" for number in range(waiting)]
        starts = driver.start(many)
        driver.until_waiting(many)
        return latency, starts, driver.decide(many)


def _crowd(directory: Path, scale: int) -> Iterator[_Line]:
    count, sample = CROWD // scale, SAMPLE // scale
    big, small = directory / "crowd.db", directory / "small.db"
    crowd.make(big, count)
    crowd.make(small, sample)
    yield f"file for each of {count:,} waiting, bytes", f"{big.stat().st_size / count:,.0f}", ""
    with processes.our_hub(directory / "empty.db") as (empty, _):
        nothing = _resident_mb(empty.pid)
    killed = shutil.copy(big, directory / "killed.db")
    with processes.our_hub(killed) as (hub, _):
        yield (
            f"resident with {count:,} waiting over an empty hub, MB",
            f"{_resident_mb(hub.pid) - nothing:,.1f}",
            "",
        )
        yield "threads", str(len(os.listdir(f"/proc/{hub.pid}/task"))), ""  # noqa: PTH208  # names do
        hub.kill()
        hub.wait()
    yield f"kill -9 to first completion with {count:,} waiting, s", f"{_revival(killed):,.2f}", ""
    for path, waiting in ((small, sample), (big, count)):
        with processes.our_hub(path) as (_, address), processes.worker(address):
            driver = measure.Driver(address)
            rate = driver.decide([crowd.name(number) for number in range(sample)])
            driver.close()
        yield f"event → completed per second at {waiting:,} waiting, {sample:,} decided", f"{rate:,.1f}", ""


def _page(directory: Path, scale: int) -> Iterator[_Line]:
    if page.CHROMIUM is None:
        yield "no Chromium on this machine: what is seen of the page was not measured", "", ""
        return
    first_card, click = page.figures(directory / "demo", CLICKS // scale)
    yield "countersign demo to the first card on screen, s", f"{first_card:,.1f}", ""
    yield "click on Approve to its effect on screen, median ms", f"{click:,.0f}", ""


def _revival(path: Path) -> float:
    began = time.perf_counter()
    with processes.our_hub(path) as (_, address), processes.worker(address):
        driver = measure.Driver(address)
        driver.decide([crowd.name(0)])
        driver.close()
        return time.perf_counter() - began


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _print(lines: list[_Line]) -> None:
    width = max(len(what) for what, _, _ in lines)
    out = [f"{'':{width}}  {'this hub':>10}  {'SDK':>10}"]
    out += [f"{what:{width}}  {ours:>10}  {sdk:>10}" for what, ours, sdk in lines]
    load = os.getloadavg()[0]
    out.append(
        f"{os.cpu_count()} cores, load {load:.1f}, Python {platform.python_version()}, {platform.platform()}"
    )
    sys.stdout.write("\n".join(out) + "\n")


if __name__ == "__main__":
    sys.exit(main())

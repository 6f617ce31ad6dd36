"""Run the bench and print its tables.

About twenty minutes. The figures depend on this machine and its other load.
"""

import argparse
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench import clicks, crowd, flow, mcp_gate, measure, page, processes, seals, tiers, year
from tests.support.chromium import installed

WAITING = 3000
QUIET = 300
CROWD = 100_000
SAMPLE = 1000
YEAR_ENDED, YEAR_WAITING, YEAR_SAMPLE = 100_000, 10_000, 300
CLICKS = 20
CLICKED_QUIET, CLICKED_AT_ONCE, ASKED_AT_ONCE, LEFT_WAITING = 100, 1000, 2000, 10_000
LIMITED, LIMITED_S = 300, 300.0
LIMITED_QUICK, LIMITED_QUICK_S = 60, 12.0  # fewer decisions would not reach the limit
SEAL_STEPS = 40
MCP_CALLS = 2000
ROUNDS = 3

_Line = tuple[str, str, str]


def main() -> int:
    """Print three tables; 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of everything: is the bench itself sound?"
    )
    scale = 10 if parser.parse_args().quick else 1
    directory = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        lines = [
            *_side_by_side(directory, scale),
            *_seals(directory, scale),
            *_crowd(directory, scale),
            *_page(directory, scale),
            *_mcp_gate(directory, scale),
        ]
        product_lines = clicks.figures(
            directory / "product",
            CLICKED_QUIET // scale,
            CLICKED_AT_ONCE // scale,
            ASKED_AT_ONCE // scale,
            LEFT_WAITING // scale,
        )
        limited = (LIMITED, LIMITED_S) if scale == 1 else (LIMITED_QUICK, LIMITED_QUICK_S)
        product_lines += tiers.figures(directory / "tiers", *limited)
        year_lines = list(_year(directory, scale))
    finally:
        shutil.rmtree(directory)
    _print(lines, "this hub", "SDK")
    sys.stdout.write("\nFrom a click to the edited card\n")
    _print(product_lines, "Countersign", "bare Bolt")
    ended, waiting = YEAR_ENDED // scale, YEAR_WAITING // scale
    sys.stdout.write(f"\nA year of history: {ended:,} ended, {waiting:,} waiting\n")
    _print(year_lines, "empty file", "a year in")
    load = os.getloadavg()[0]
    sys.stdout.write(
        f"\n{os.cpu_count()} cores, load {load:.1f}, Python {platform.python_version()}, {platform.platform()}\n"
    )
    return 0


def _side_by_side(directory: Path, scale: int) -> Iterator[_Line]:
    waiting = WAITING // scale
    rounds = []
    for number in range(ROUNDS):
        place = directory / str(number)
        place.mkdir()
        with flow.sides(place) as sides:
            flow.run(sides, QUIET // scale, waiting)
        rounds.append(sides)

    def line(what: str, figure: str) -> _Line:
        one, sdk, _ = (
            statistics.mean(getattr(side, figure) for side in same) for same in zip(*rounds, strict=True)
        )
        return what, f"{one:,.1f}", f"{sdk:,.1f}"

    yield line("event → completed on a quiet hub, median ms", "latency_ms")
    yield line("starts per second", "starts")
    yield line(f"event → completed per second at {waiting:,} waiting", "rate")
    yield line("  CPU of the hub's process for each, ms", "hub_ms")
    yield line("  CPU of the worker's process for each, ms", "worker_ms")
    for what, figure in (("latency", "latency_ms"), ("rate", "rate")):
        ratios = " ".join(f"{getattr(one, figure) / getattr(sdk, figure):.2f}" for one, sdk, _ in rounds)
        yield f"  the {what} as a ratio, round by round", ratios, ""
    two = statistics.mean(side.rate for _, _, side in rounds)
    yield f"event → completed per second at {waiting:,} waiting, two workers", f"{two:,.1f}", ""


def _seals(directory: Path, scale: int) -> Iterator[_Line]:
    sealed, unsealed, ratio = seals.figures(directory / "seals", SEAL_STEPS // scale)
    yield "CPU of an approval, hub, worker and client together, median ms", f"{sealed:,.1f}", ""
    yield "  the same without seals", f"{unsealed:,.1f}", ""
    yield "  what the seals add, median of the pairs", f"{(ratio - 1) * 100:+.1f} %", ""


def _mcp_gate(directory: Path, scale: int) -> Iterator[_Line]:
    alone, gated, added = mcp_gate.figures(directory / "mcp", MCP_CALLS // scale)
    yield (
        "a call of a tool through the gate, median ms (beside it the server alone)",
        f"{gated:.2f}",
        f"{alone:.2f}",
    )
    yield "  what the gate adds, median of the pairs, ms", f"{added:.2f}", ""


def _crowd(directory: Path, scale: int) -> Iterator[_Line]:
    count, sample = CROWD // scale, SAMPLE // scale
    big, small = directory / "crowd.db", directory / "small.db"
    crowd.make(big, count)
    crowd.make(small, sample)
    yield f"file for each of {count:,} waiting, bytes", f"{big.stat().st_size / count:,.0f}", ""
    with processes.our_hub(directory / "empty.db") as (empty, _):
        nothing = _resident_mb(empty.pid)
    killed = directory / "killed.db"
    shutil.copy(big, killed)
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
    if installed() is None:
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


def _year(directory: Path, scale: int) -> Iterator[_Line]:
    sample = YEAR_SAMPLE // scale
    small, big = directory / "nothing.db", directory / "year.db"
    crowd.make(small, 2 * sample, year.FEW)
    crowd.make(big, YEAR_WAITING // scale, YEAR_ENDED // scale)
    for measured in (year.figures, year.upkeep, year.housekeeping):
        for (what, before), (_, after) in zip(measured(small, sample), measured(big, sample), strict=True):
            yield what, f"{before:,.1f}", f"{after:,.1f}"


def _print(lines: list[_Line], first: str, second: str) -> None:
    width = max(len(what) for what, _, _ in lines)
    out = [f"{'':{width}}  {first:>10}  {second:>10}"]
    out += [f"{what:{width}}  {one:>10}  {other:>10}" for what, one, other in lines]
    sys.stdout.write("\n".join(out) + "\n")


if __name__ == "__main__":
    sys.exit(main())

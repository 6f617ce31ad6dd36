"""The time from a click on Approve to the edited card, for the product and for a bare Bolt app.

A click is an HTTP request that Slack's side signs. What is measured ends when the edit that takes the buttons away
arrives there. The two apps take turns, so that a machine that is busy for a moment slows both.
"""

import asyncio
import os
import statistics
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.product import APPROVER, CHANNELS, Product, bare_bolt, cpu_ms, resident_mb
from tests.bench.slack_side import PostedCard, SlackSide

STEP: Final = 10  # clicks at one app in a row, before the other app's turn
EDITING: Final = 120.0  # seconds
SETTLE: Final = 2.0  # seconds after which all work that an approval causes is done
LATE: Final = 0.99
TURNS: Final = 9  # turns of each of the two processes

AGAIN: Final = 0.02  # seconds

Line = tuple[str, str, str]


@dataclass(frozen=True)
class _Burst:
    """The result of clicks within one second."""

    cards: list[PostedCard]
    failed: int
    edited_per_second: float
    app_ms: float
    side_ms: float


def figures(directory: Path, quiet: int, burst: int, asked: int, waiting: int) -> list[Line]:
    """The product's lines, with the bare app's figures beside them.

    Measures `quiet` clicks one after the other, `burst` clicks within a second, some clicks while `asked` requests are
    posted, and some while `waiting` other requests stay open.
    """
    return asyncio.run(_figures(directory, quiet, burst, asked, waiting))


async def _figures(directory: Path, quiet: int, burst: int, asked: int, waiting: int) -> list[Line]:
    async with SlackSide() as slack, bare_bolt(slack) as (bare, theirs):
        product = Product(directory / "clicked", slack)
        async with product.running() as ours:
            lines = await _quiet(slack, product, bare, quiet)
            lines += await _burst(slack, product, bare, (ours.pid, theirs.pid), burst)
            lines += await _while_posting(slack, product, asked)
        alone, crowded = Product(directory / "alone", slack), Product(directory / "crowded", slack)
        lines += await _among_many(slack, alone, crowded, waiting)
    return lines


async def _quiet(slack: SlackSide, product: Product, bare: str, count: int) -> list[Line]:
    ours = await product.cards(count)
    theirs = [card.unclicked() for card in ours]
    await asyncio.sleep(SETTLE)
    before = slack.calls.copy()
    for at in range(0, count, STEP):
        await _one_by_one(slack, product.url, ours[at : at + STEP])
        await asyncio.sleep(SETTLE)
        if at == 0:
            calls = slack.calls - before
        for card in theirs[at : at + STEP]:
            slack.post(card)
        await _one_by_one(slack, bare, theirs[at : at + STEP])
    lines = [
        _line("click → edited card, one at a time, median ms", ours, theirs, lambda card: card.click_ms, 0.5),
        _line("  the slowest of a hundred", ours, theirs, lambda card: card.click_ms, LATE),
        _line("click → ack, median ms", ours, theirs, lambda card: card.ack_ms, 0.5),
        ("calls to Slack per approval", f"{1 + _calls(calls) / STEP:,.1f}", "1.0"),
    ]
    ratio = _share(ours, lambda card: card.click_ms, 0.5) / _share(theirs, lambda card: card.click_ms, 0.5)
    return [*lines, ("  click → edited card as a ratio", f"{ratio:,.1f}", "")]


def _calls(calls: Counter[str]) -> int:
    """The number of calls, without those that open a direct channel once for each person."""
    return calls.total() - calls["conversations.open"]


async def _burst(
    slack: SlackSide, product: Product, bare: str, pids: tuple[int, int], count: int
) -> list[Line]:
    """Many clicks at once. The bare app gets the same ones: its failures show the limit of this machine."""
    cards = await product.cards(count)
    theirs = [card.unclicked() for card in cards]
    await asyncio.sleep(SETTLE)
    ours = await _all_at_once(slack, product.url, pids[0], cards)
    for card in theirs:
        slack.post(card)
    other = await _all_at_once(slack, bare, pids[1], theirs)

    def line(what: str, figure: Callable[[_Burst], float], form: str = ",.0f") -> Line:
        return what, f"{figure(ours):{form}}", f"{figure(other):{form}}"

    what = f"{count:,} clicks within a second over {min(CHANNELS, count)} channels"
    return [
        line(f"{what}: edited cards per second", lambda burst: burst.edited_per_second),
        line("  acks that failed or came after 3 s", lambda burst: burst.failed),
        line("  click → ack, median ms", lambda burst: _share(burst.cards, lambda card: card.ack_ms, 0.5)),
        line(
            "  the slowest of a hundred, ms",
            lambda burst: _share(burst.cards, lambda card: card.ack_ms, LATE),
        ),
        line("  CPU of the app for each until the last ack, ms", lambda burst: burst.app_ms, ",.1f"),
        line("  CPU of the side that clicks for each, ms", lambda burst: burst.side_ms, ",.1f"),
    ]


async def _while_posting(slack: SlackSide, product: Product, count: int) -> list[Line]:
    """Clicks on cards while `count` other requests are asked for at once and posted."""
    cards = await product.cards(3 * STEP)
    await asyncio.sleep(SETTLE)
    await _one_by_one(slack, product.url, cards[:STEP])
    began = time.perf_counter()
    posting = asyncio.create_task(product.cards(count, at_once=64))
    try:
        await _one_by_one(slack, product.url, cards[STEP:])
    finally:
        posted = await posting
    quiet = _share(cards[:STEP], lambda card: card.click_ms, 0.5)
    busy = _share(cards[STEP:], lambda card: card.click_ms, 0.5)
    return [
        (
            f"{len(posted):,} asked for at once: seconds until all are posted",
            f"{time.perf_counter() - began:,.1f}",
            "",
        ),
        ("  a click meanwhile, over one before, median", f"{busy / quiet:,.1f}", ""),
    ]


async def _among_many(slack: SlackSide, alone: Product, crowded: Product, count: int) -> list[Line]:
    """Clicks at two processes in turn: one has no other requests, the other has `count` waiting ones."""
    began = time.perf_counter()
    async with alone.running() as empty:
        start = time.perf_counter() - began
        async with crowded.running() as full:
            await crowded.cards(count, at_once=64)
            clicks, work = await _in_turns(slack, (alone, empty), (crowded, full))
            more = resident_mb(full) - resident_mb(empty)
        began = time.perf_counter()
        async with crowded.running() as full:
            again = time.perf_counter() - began
            await asyncio.sleep(SETTLE)
            after = resident_mb(full)
    return [
        (f"a click among {count:,} waiting, over one with none, median", f"{clicks:,.2f}", ""),
        ("  its processor time, over one with none", f"{work:,.2f}", ""),
        ("  memory of that process over the other's, MB", f"{more:,.0f}", ""),
        (f"start until ready with {count:,} waiting, s", f"{again:,.1f}", ""),
        ("  with none", f"{start:,.1f}", ""),
        ("  memory then, MB", f"{after:,.0f}", ""),
    ]


async def _in_turns(
    slack: SlackSide, alone: tuple[Product, Process], crowded: tuple[Product, Process]
) -> tuple[float, float]:
    """The time and processor time of a click in `crowded`, divided by those in `alone`: medians over the steps."""
    sides = (alone, crowded)
    cards = [await product.cards((TURNS + 1) * STEP) for product, _ in sides]
    await asyncio.sleep(SETTLE)
    ratios: list[tuple[float, float]] = []
    for turn in range(TURNS + 1):
        taken = []
        for (product, process), all_cards in zip(sides, cards, strict=True):
            step, before = all_cards[turn * STEP :][:STEP], cpu_ms(process)
            await _one_by_one(slack, product.url, step)
            await asyncio.sleep(SETTLE)
            taken.append((_share(step, lambda card: card.click_ms, 0.5), cpu_ms(process) - before))
        (time_alone, work_alone), (time_crowded, work_crowded) = taken
        ratios.append((time_crowded / time_alone, work_crowded / work_alone))
    clicks, work = zip(*ratios[1:], strict=True)  # the first step also fills caches
    return statistics.median(clicks), statistics.median(work)


async def _one_by_one(slack: SlackSide, url: str, cards: list[PostedCard]) -> None:
    for card in cards:
        await _click(slack, url, card)


async def _all_at_once(slack: SlackSide, url: str, pid: int, cards: list[PostedCard]) -> _Burst:
    acked: list[bool] = []
    failed, app, side = slack.acks_failed, _cpu_s(pid), time.process_time()
    began = time.perf_counter()

    async def one(number: int, card: PostedCard) -> None:
        await asyncio.sleep(number / len(cards))
        acked.append(await slack.click(card, url, APPROVER))

    async with asyncio.TaskGroup() as group:
        for number, card in enumerate(cards):
            group.create_task(one(number, card))
    app, side = _cpu_s(pid) - app, time.process_time() - side
    async with asyncio.timeout(EDITING):
        while sum(card.ended.is_set() for card in cards) < sum(acked):
            await asyncio.sleep(AGAIN)
    edited = [card.edited for card in cards if card.edited]
    return _Burst(
        cards,
        slack.acks_failed - failed,
        len(edited) / (max(edited, default=began + 1) - began),
        app * 1000 / len(cards),
        side * 1000 / len(cards),
    )


def _cpu_s(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _click(slack: SlackSide, url: str, card: PostedCard) -> None:
    """Clicks, and waits for the edit unless the ack failed: then a person would press again."""
    if await slack.click(card, url, APPROVER):
        async with asyncio.timeout(EDITING):
            await card.ended.wait()


def _line(
    what: str,
    ours: list[PostedCard],
    theirs: list[PostedCard],
    figure: Callable[[PostedCard], float],
    share: float,
) -> Line:
    return what, f"{_share(ours, figure, share):,.1f}", f"{_share(theirs, figure, share):,.1f}"


def _share(cards: list[PostedCard], figure: Callable[[PostedCard], float], share: float) -> float:
    """The quantile `share` of the cards' figures."""
    values = sorted(map(figure, cards))
    return (
        statistics.median(values) if share == 0.5 else values[min(int(len(values) * share), len(values) - 1)]
    )

"""From a click on Approve to the card that says so, through the product's front door; beside it a bare Bolt app.

A click is an HTTP request that Slack's side signs. What is measured ends when the edit that takes the buttons away
arrives there. The two apps take turns, so that a machine that is busy for a moment slows both.
"""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.bench.product import APPROVER, CHANNELS, Product, bare_bolt, cpu_ms, resident_mb
from tests.bench.slack_side import PostedCard, SlackSide

STEP: Final = 10  # clicks at one app before it is the other's turn
EDITING: Final = 120.0  # seconds
SETTLE: Final = 2.0  # seconds after which what an approval sets going is done
LATE: Final = 0.99

Line = tuple[str, str, str]


def figures(directory: Path, quiet: int, burst: int, asked: int, waiting: int) -> list[Line]:
    """The product's lines, with the bare app's figures beside them.

    `quiet` clicks one after the other, `burst` within a second, a click now and then while `asked` are posted, and
    some among so many that go on `waiting`.
    """
    return asyncio.run(_figures(directory, quiet, burst, asked, waiting))


async def _figures(directory: Path, quiet: int, burst: int, asked: int, waiting: int) -> list[Line]:
    async with SlackSide() as slack, bare_bolt(slack) as bare:
        product = Product(directory / "clicked", slack)
        async with product.running():
            lines = await _quiet(slack, product, bare, quiet)
            lines += await _burst(slack, product, burst)
            lines += await _while_posting(slack, product, asked)
        lines += await _among_many(slack, Product(directory / "waiting", slack), waiting)
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
    """All but those that open a direct channel, which is done once a person."""
    return calls.total() - calls["conversations.open"]


async def _burst(slack: SlackSide, product: Product, count: int) -> list[Line]:
    cards = await product.cards(count)
    await asyncio.sleep(SETTLE)
    began, failed = time.perf_counter(), slack.acks_failed
    await _all_at_once(slack, product.url, cards)
    edited = [card.edited for card in cards if card.edited]
    took = max(edited) - began
    what = f"{count:,} clicks within a second over {min(CHANNELS, count)} channels"
    return [
        (f"{what}: edited cards per second", f"{len(edited) / took:,.0f}", ""),
        ("  acks that failed or came after 3 s", str(slack.acks_failed - failed), ""),
        (
            "  click → ack, the slowest of a hundred, ms",
            f"{_share(cards, lambda c: c.ack_ms, LATE):,.0f}",
            "",
        ),
    ]


async def _while_posting(slack: SlackSide, product: Product, count: int) -> list[Line]:
    """Other cards are decided while so many are asked for at once and posted."""
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


async def _among_many(slack: SlackSide, product: Product, count: int) -> list[Line]:
    """Cards are decided with nothing else waiting, among so many that wait, and again after a new start."""

    async def medians() -> tuple[float, float]:
        decided, by_then = cards[: 2 * STEP], cpu_ms(process)
        del cards[: 2 * STEP]
        await _one_by_one(slack, product.url, decided)
        await asyncio.sleep(SETTLE)
        return _share(decided, lambda card: card.click_ms, 0.5), (cpu_ms(process) - by_then) / len(decided)

    empty = time.perf_counter()
    async with product.running() as process:
        empty = time.perf_counter() - empty
        cards = await product.cards(8 * STEP)
        await asyncio.sleep(SETTLE)
        await medians()  # which also learns what never changes
        alone, before = await medians(), resident_mb(process)
        await product.cards(count, at_once=64)
        await asyncio.sleep(SETTLE)
        among, more = await medians(), resident_mb(process) - before
    full = time.perf_counter()
    async with product.running() as process:
        full = time.perf_counter() - full
        await asyncio.sleep(SETTLE)
        held, again = resident_mb(process), await medians()
    return [
        (f"a click among {count:,} waiting, over one with none, median", f"{among[0] / alone[0]:,.2f}", ""),
        ("  its processor time, over one with none", f"{among[1] / alone[1]:,.2f}", ""),
        ("  the same after a new start, over one with none", f"{again[0] / alone[0]:,.2f}", ""),
        (f"memory that asking for {count:,} adds, MB", f"{more:,.0f}", ""),
        (f"memory after a new start with {count:,} waiting, MB", f"{held:,.0f}", ""),
        (f"start until ready with {count:,} waiting, s", f"{full:,.1f}", ""),
        ("  with none", f"{empty:,.1f}", ""),
    ]


async def _one_by_one(slack: SlackSide, url: str, cards: list[PostedCard]) -> None:
    for card in cards:
        await _click(slack, url, card)


async def _all_at_once(slack: SlackSide, url: str, cards: list[PostedCard]) -> None:
    async def one(number: int, card: PostedCard) -> None:
        await asyncio.sleep(number / len(cards))
        await _click(slack, url, card)

    async with asyncio.TaskGroup() as group:
        for number, card in enumerate(cards):
            group.create_task(one(number, card))


async def _click(slack: SlackSide, url: str, card: PostedCard) -> None:
    """A click that Slack says has failed is not waited for: its person would press again."""
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
    """The figure that this share of the cards does not exceed."""
    values = sorted(map(figure, cards))
    return (
        statistics.median(values) if share == 0.5 else values[min(int(len(values) * share), len(values) - 1)]
    )

"""Decisions under Slack's rate limits, in real time: when the last card is edited, and the earliest possible time.

The limits are those of the simulator. They apply once the cards are posted, so that only the decisions use them up.
"""

import asyncio
import time
from pathlib import Path
from typing import Final

from bot.simulator.slack_api.rate_limits import MethodLimiter, RateLimits
from bot.slack.api.edit_turns import LIMIT, WINDOW
from tests.bench import clicks
from tests.bench.product import APPROVER, Product
from tests.bench.slack_side import PostedCard, SlackSide

CHANNELS: Final = 20
SETTLE: Final = 5.0  # seconds after which all work that posting causes is done
LAST: Final = 300.0  # seconds after a decision at which its edit has long been allowed


def figures(directory: Path, decisions: int, seconds: float) -> list[clicks.Line]:
    """The figures of so many decisions, spread evenly over `seconds`."""
    return asyncio.run(_figures(directory, decisions, seconds))


async def _figures(directory: Path, decisions: int, seconds: float) -> list[clicks.Line]:
    async with SlackSide() as slack:
        product = Product(directory, slack)
        async with product.running():
            cards = await product.cards(decisions, channels=CHANNELS)
            await asyncio.sleep(SETTLE)
            slack.limiter = MethodLimiter(RateLimits.INTERNAL)
            began, failed = time.perf_counter(), slack.acks_failed
            async with asyncio.TaskGroup() as group:
                for number, card in enumerate(cards):
                    group.create_task(_decide(slack, product.url, card, number * seconds / decisions))
    took = max(card.edited for card in cards) - began
    least = _allowed([card.clicked - began for card in cards])
    acks = sorted(card.ack_ms for card in cards)
    slowest = acks[min(int(len(acks) * clicks.LATE), len(acks) - 1)]
    return [
        (
            f"{decisions} decisions in {seconds:,.0f} s, {CHANNELS} channels: last edit after, s",
            f"{took:,.1f}",
            "",
        ),
        ("  over the moment that Slack's limits allow", f"{took / least:,.2f}", ""),
        ("  edits that Slack refused", str(slack.refused["chat.update"]), ""),
        ("  messages that Slack refused", str(slack.refused["chat.postMessage"]), ""),
        ("  acks that failed or came after 3 s", str(slack.acks_failed - failed), ""),
        ("  click → ack, the slowest of a hundred, ms", f"{slowest:,.0f}", ""),
    ]


async def _decide(slack: SlackSide, url: str, card: PostedCard, after: float) -> None:
    await asyncio.sleep(after)
    await slack.click(card, url, APPROVER)
    async with asyncio.timeout(after + LAST):
        await card.ended.wait()


def _allowed(clicked: list[float]) -> float:
    """The earliest time of the last edit, if each comes as soon as it is due and the limit allows."""
    edited: list[float] = []
    for at in sorted(clicked):
        edited.append(max(at, edited[-LIMIT] + WINDOW) if len(edited) >= LIMIT else at)
    return edited[-1]

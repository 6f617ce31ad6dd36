"""Short forms of `make faults`: a kill and calls that fail, several bots of which some are killed, a rolling restart.

With COUNTERSIGN_PROOF the second is long, and there is the third.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.drive import Drive
from tests.faults.plan import Plan

LONG = bool(os.environ.get("COUNTERSIGN_PROOF"))
FLOWS = ("plain", "pair", "coded", "levels", "delegated", "escalated", "refused", "ordered")


async def test_the_ledger_holds_over_a_kill_and_a_few_faults(tmp_path: Path) -> None:
    plan = Plan(
        seed=4,
        approvals=6,
        kills=1,
        share=0.05,
        play=60,
        settle=60,
        quiet=0.3,
        pause=(0.3, 0.4),
        thinking=0.2,
        patience=2,
        kinds=("plain", "pair", "coded", "delegated", "escalated", "refused"),
        troubles=("kill after an ack",),
        call_faults=("429", "500", "drop before", "drop after"),
        delivery_faults=("twice",),
    )
    result = await Drive(plan, tmp_path).run()
    assert result.ended >= plan.approvals
    assert result.shortfall == {}, plan.again


async def test_of_three_bots_on_a_hub_any_may_be_killed_and_nothing_is_lost_or_doubled(
    tmp_path: Path,
) -> None:
    """What people do comes to any of them: asking, deciding, codes, delegating, escalating, and an order after it."""
    plan = Plan(
        seed=7,
        approvals=80 if LONG else len(FLOWS),
        kills=20 if LONG else 1,
        bots=3,
        share=0.0,
        play=600 if LONG else 90,
        settle=120 if LONG else 60,
        quiet=0.3,
        pause=(0.3, 0.6),
        thinking=0.3,
        patience=2,
        kinds=FLOWS,
        troubles=("kill", "kill after an ack"),
    )
    result = await Drive(plan, tmp_path).run()
    assert result.ended >= plan.approvals
    assert result.shortfall == {}, plan.again


@pytest.mark.skipif(not LONG, reason="a part of make proof")
async def test_a_rolling_restart_leaves_nothing_unanswered(tmp_path: Path) -> None:
    """Two bots behind a balancer that looks whether they are ready. No press fails, and no one waits for a bot."""
    plan = Plan(
        seed=8,
        approvals=60,
        kills=6,
        bots=2,
        balanced=True,
        share=0.0,
        play=600,
        settle=120,
        quiet=0.3,
        pause=(0.3, 0.6),
        thinking=2.0,
        patience=5,
        kinds=FLOWS,
        troubles=("roll",),
        delivery_faults=(),
    )
    result = await Drive(plan, tmp_path).run()
    answers = sorted(result.answers)
    print(  # noqa: T201 - `-s` shows it
        f"{len(answers)} acts acknowledged in {answers[len(answers) // 2]:.2f} s (p50), {answers[-1]:.2f} s (at most); "
        f"{len(result.stops)} stops in {max(result.stops):.1f} s at most"
    )
    assert result.unacknowledged == []
    assert result.ended >= plan.approvals
    assert result.shortfall == {}, plan.again

"""The short form of `make faults`: six requests, a kill right after an ack, calls that fail, deliveries twice."""

from __future__ import annotations

from pathlib import Path

from tests.faults.drive import Drive
from tests.faults.plan import Plan


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

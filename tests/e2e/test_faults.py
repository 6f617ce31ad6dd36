"""The short form of `make faults`: a few approvals of every kind, two kills, and a share of the calls that fail."""

from __future__ import annotations

from pathlib import Path

from tests.faults.drive import Drive, Plan
from tests.faults.ledger import NOT_YET


async def test_the_ledger_holds_over_a_few_faults(tmp_path: Path) -> None:
    plan = Plan(seed=1, approvals=8, kills=2, share=0.1, limit=10)
    result = await Drive(plan, tmp_path).run()
    assert result.ended >= plan.approvals - 1, result.lines
    assert {name: found for name, found in result.shortfall.items() if name not in NOT_YET} == {}, plan.again

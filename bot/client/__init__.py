"""Countersign for programs: hold a call until people have approved it, and make it at most once.

    from bot.client import requires_approval

    @requires_approval(policy="agents", agent="shop-bot")
    def refund(order: str, cents: int) -> None: ...

`COUNTERSIGN_URL` and `COUNTERSIGN_TOKEN` say where people are asked, and as whom. What is here is for programs that
import it; all else in this distribution may change at any time.
"""

from bot.cli.asked_call import CallAnswer
from bot.client.calls import claim_approval, claim_approval_async, wait_for_people, wait_for_people_async
from bot.client.decorator import NotApprovedError, requires_approval
from orchestration.domain.errors import CountersignError

__all__ = [
    "CallAnswer",
    "CountersignError",
    "NotApprovedError",
    "claim_approval",
    "claim_approval_async",
    "requires_approval",
    "wait_for_people",
    "wait_for_people_async",
]

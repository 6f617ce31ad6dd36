"""How another orchestration reads the outcome of what it asked."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from orchestration.approval.subworkflow import _read
from orchestration.domain.effects import AskedOutcome
from orchestration.domain.request import ApprovalRequest, Outcome, Status


def judged(asked: ApprovalRequest, answer: Any) -> Outcome | None:
    """The outcome that an orchestration with this request accepts."""
    context: Any = SimpleNamespace(call_activity=lambda *_, **__: None)
    steps = _read(context, "deploy-1", asked)
    next(steps)
    try:
        steps.send(answer)
    except StopIteration as stop:
        found: Outcome | None = stop.value
        return found
    raise AssertionError("it asks for one thing only")


@pytest.mark.parametrize(
    "changed",
    [
        {"outcome": {"request_id": "deploy-00000000"}},
        {"outcome": {"digest": "0" * 64}},
        {"request": {"requester": "U0ADA"}},
    ],
)
def test_an_outcome_about_something_else_is_none(changed: dict[str, Any]) -> None:
    """The outcome is compared with this orchestration's own request, not with what the activity was told."""
    asked = ApprovalRequest(policy="deploy", title="Release?", requester="U0RITA")
    outcome = Outcome(
        request_id="deploy-1", status=Status.APPROVED, processed_at=datetime.now(UTC), digest=asked.digest()
    )
    read = AskedOutcome(request=asked, outcome=outcome).model_dump(mode="json")
    for of, values in changed.items():
        read[of] |= values

    assert judged(asked, AskedOutcome(request=asked, outcome=outcome).model_dump(mode="json")) == outcome
    assert judged(asked, read) is None
    assert judged(asked, None) is None


@pytest.mark.parametrize("accepts", [True, False])
def test_an_outcome_with_changes_is_for_whoever_takes_them(accepts: bool) -> None:
    asked = ApprovalRequest(policy="deploy", title="Release?", requester="U0RITA", accepts_edits=accepts)
    outcome = Outcome(
        request_id="deploy-1",
        status=Status.APPROVED,
        processed_at=datetime.now(UTC),
        digest="0" * 64,
        asked_digest=asked.digest(),
    )
    read = AskedOutcome(request=asked, outcome=outcome).model_dump(mode="json")
    assert judged(asked, read) == (outcome if accepts else None)
    read["outcome"]["asked_digest"] = "1" * 64
    assert judged(asked, read) is None

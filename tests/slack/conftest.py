"""Requests as policies and people make them, for the tests of how Slack shows them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from bot.slack.cards import Rendered
from orchestration.models import (
    ApprovalInput,
    ApprovalRequest,
    Choice,
    Decision,
    Escalation,
    FieldSpec,
    Level,
    OnTimeout,
    Policy,
    Via,
)
from orchestration.policy import Policies
from orchestration.record import Record

ASKED = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)

PURCHASE = Policy(
    key="purchase",
    title="Purchase",
    channel="C0PURCHASES",
    currency="USD",
    fields=[FieldSpec(name="vendor"), FieldSpec(name="needed_by", label="needed by")],
    levels=[
        Level(
            name="Manager",
            approvers=["U0ADA", "S0MANAGERS"],
            notify=["S0MANAGERS"],
            timeout=timedelta(days=2),
            on_timeout=OnTimeout.ESCALATE,
        ),
        Level(name="Finance", approvers=["S0FINANCE"], quorum=2, timeout=timedelta(days=1)),
    ],
    escalation=Escalation(channel="C0ESCALATIONS", approvers=["S0DIRECTORS"], timeout=timedelta(days=1)),
)
ACCESS = Policy(
    key="access",
    title="Access",
    channel="C0ACCESS",
    fields=[FieldSpec(name="system", required=True)],
    levels=[Level(name="Owner", approvers=["U0FIN"], timeout=timedelta(hours=4))],
    require_reason=False,
)
POLICIES = {policy.key: policy for policy in (PURCHASE, ACCESS)}


class Story:
    """One request's record, moved along as the orchestration would; `minutes` after it was asked."""

    def __init__(self, policy: Policy = PURCHASE, **asked: object) -> None:
        request = {
            "policy": policy.key,
            "title": "New laptops for the team",
            "amount": "4200" if policy.currency else None,
            "currency": policy.currency,
            "requester": "U0RITA",
        }
        given = ApprovalInput(
            request=ApprovalRequest.model_validate({**request, **asked}),
            policy=policy,
        )
        self.record = Record(f"{policy.key}-k7m2x9qd", given, ASKED)
        self.record.open_level(policy.levels[0], ASKED)

    def at(self, minutes: int) -> datetime:
        return ASKED + timedelta(minutes=minutes)

    def vote(self, who: str, choice: Choice, minutes: int, comment: str = "", via: Via = Via.SLACK) -> None:
        decision = Decision(
            command_id="c", actor=who, via=via, round=self.record.round, choice=choice, comment=comment
        )
        self.record.vote(decision, self.at(minutes))


def mrkdwn_of(rendered: Rendered) -> list[str]:
    """Every text of a message in which Slack looks for mentions."""
    parts = [part for block in rendered.blocks for part in (block.get("text"), *block.get("elements", []))]
    return [part["text"] for part in parts if part and part["type"] == "mrkdwn"]


@pytest.fixture
def story() -> Callable[..., Story]:
    return Story


@pytest.fixture
def policies() -> Policies:
    """`purchase`, with an amount and nothing else that is required; `access`, without, and with a required field."""
    return POLICIES

"""Records of requests in many states, for the tests of how Slack shows them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bot.slack.messages.cards import Rendered
from orchestration.approval import projection
from orchestration.approval.record import Record
from orchestration.approval.state import ApprovalInput
from orchestration.domain.cards import Card, Notice, Step, StepKind
from orchestration.domain.commands import Comment, Decision, Delegation
from orchestration.domain.effects import SendMessageInput
from orchestration.domain.fields import FieldSpec
from orchestration.domain.policy import Escalation, Level, OnTimeout, Policy
from orchestration.domain.request import ApprovalRequest, Choice, RemarkKind, Status, Via
from tests.support.identity import SHOWN

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
    groups=["S0MANAGERS", "S0FINANCE", "S0DIRECTORS"],
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


class RequestStory:
    """One request's record, changed as the orchestration would. `minutes` count from the time it was asked."""

    def __init__(
        self,
        policy: Policy = PURCHASE,
        *,
        away: dict[str, str] | None = None,
        opened: bool = True,
        **asked: object,
    ) -> None:
        request = {
            "policy": policy.key,
            "title": "New laptops for the team",
            "amount": "4200" if policy.currency else None,
            "currency": policy.currency,
            "requester": "U0RITA",
        }
        given = ApprovalInput(
            nonce=SHOWN.nonce,
            request=ApprovalRequest.model_validate({**request, **asked}),
            policy=policy,
        )
        self.record = Record(f"{policy.key}-k7m2x9qd", given, ASKED)
        if opened:
            self.record.open_level(0, ASKED)
            for holder, delegate in (away or {}).items():
                self.record.voting.absent(holder, delegate)

    def at(self, minutes: int) -> datetime:
        return ASKED + timedelta(minutes=minutes)

    def vote(self, who: str, choice: Choice, minutes: int, comment: str = "", via: Via = Via.CHAT) -> None:
        decision = Decision(
            command_id="c",
            actor=who,
            via=via,
            nonce=self.record.identity.nonce,
            digest=self.record.identity.digest,
            round=self.record.state.round,
            choice=choice,
            comment=comment,
        )
        holder = next((one for one, by in self.record.state.delegates.items() if by == who), who)
        self.record.voting.vote(decision, holder, self.at(minutes))

    def next_level(self, minutes: int) -> None:
        """Closes the open level as approved, and opens the next one."""
        self.record.close_level(Status.APPROVED)
        self.record.open_level(self.record.state.level_index + 1, self.at(minutes))

    def delegate(self, who: str, to: str) -> None:
        self.record.voting.delegate(
            Delegation(
                command_id="c",
                actor=who,
                via=Via.CHAT,
                nonce=self.record.identity.nonce,
                digest=self.record.identity.digest,
                round=self.record.state.round,
                to=to,
            )
        )

    def card(self, round_: int) -> Card:
        """The card of that round as it is now."""
        return projection.card(self.record, round_)

    def say(self, who: str, kind: RemarkKind, text: str, minutes: int) -> None:
        self.record.remark(
            Comment(command_id="c", actor=who, via=Via.CHAT, kind=kind, text=text), self.at(minutes)
        )

    def tell(self, notice: Notice = Notice.PROGRESS, user: str = "U0RITA", **more: Any) -> SendMessageInput:
        """A message about the request as it stands."""
        round_ = self.record.state.round
        return SendMessageInput(
            message_id="1", user=user, notice=notice, card=self.card(round_), attempt=1, **more
        )

    def step(self, kind: StepKind, **what: Any) -> Step:
        return Step(number=1, kind=kind, at=ASKED, **what)


def mrkdwn_of(rendered: Rendered) -> list[str]:
    """Every text of a message that Slack parses as mrkdwn."""
    parts = [part for block in rendered.blocks for part in (block.get("text"), *block.get("elements", []))]
    return [part["text"] for part in parts if part and part["type"] == "mrkdwn"]

"""The rules on who may decide, as a table: every reason for a refusal, and who gets it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from bot.slack.ids import SlackIds
from orchestration.approval import projection
from orchestration.approval.record import Record
from orchestration.approval.state import ApprovalInput
from orchestration.approval.voting import COMMENT_BYTES_KEPT
from orchestration.domain import policy_file, rules
from orchestration.domain.commands import Comment, Decision, Delegation, Reason
from orchestration.domain.errors import InvalidRequestError, PolicyError
from orchestration.domain.policy import Escalation, OnTimeout, Policy
from orchestration.domain.request import ApprovalRequest, Choice, Factor, RemarkKind, Status, Via
from orchestration.domain.rounds import EligibleVoters, Round
from tests.support.book import CORE as BOOK
from tests.support.identity import SHOWN

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
PURCHASE = BOOK.policies["purchase"]
REQUEST = ApprovalRequest(policy="purchase", title="Laptops", requester="U0RITA")
MEMBERS = {"S0MANAGERS": ["U0FAY", "U0RITA"], "S0DIRECTORS": ["U0DIRK"]}
LEVEL_ROUND = Round(2, ["U0ADA", "U0VERA", "U0BOB", "U0CAM", "S0MANAGERS"], ["S0MANAGERS"])
VOTERS = EligibleVoters(
    rounds=[LEVEL_ROUND], delegates={"U0VERA": "U0BOB"}, counted=["U0CAM"], requester="U0RITA"
)
ESCALATED = replace(
    VOTERS, rounds=[Round(2, ["U0ADA", "U0CAM"]), Round(3, ["S0DIRECTORS"], ["S0DIRECTORS"])], delegates={}
)
NEEDED = replace(VOTERS, later=[(["U0ADA"], 1)])
ANYBODY = replace(VOTERS, counted=(), requester=None)
ESCALATED_ANYBODY = replace(ESCALATED, counted=(), requester=None)


# A policy where people other than its approvers may be delegates.
OPEN = PURCHASE.model_copy(update={"delegates": ["U0ZED", "U0CAM"]})


def decision(actor: str, choice: Choice = Choice.APPROVE, round_: int = 2, comment: str = "") -> Decision:
    return Decision(
        command_id="1",
        actor=actor,
        via=Via.CHAT,
        nonce=SHOWN.nonce,
        digest=SHOWN.digest,
        round=round_,
        choice=choice,
        comment=comment,
    )


def delegation(actor: str, to: str, round_: int) -> Delegation:
    return Delegation(
        command_id="1",
        actor=actor,
        via=Via.CHAT,
        nonce=SHOWN.nonce,
        digest=SHOWN.digest,
        round=round_,
        to=to,
    )


def having(**changes: bool) -> Policy:
    return PURCHASE.model_copy(update=changes)


@pytest.mark.parametrize(
    ("given", "voters", "terms", "expected"),
    [
        (decision("U0ADA"), VOTERS, PURCHASE, Reason.RECORDED),
        (decision("U0FAY"), VOTERS, PURCHASE, Reason.RECORDED),
        (decision("U0BOB"), VOTERS, PURCHASE, Reason.RECORDED),
        (decision("U0ADA", Choice.REJECT, comment="No."), VOTERS, PURCHASE, Reason.RECORDED),
        (decision("U0ADA", Choice.REJECT, comment=" "), VOTERS, PURCHASE, Reason.REASON_REQUIRED),
        (decision("U0ADA", Choice.REJECT, comment="\u200b\u3164"), VOTERS, PURCHASE, Reason.REASON_REQUIRED),
        (decision("U0ADA", Choice.REJECT), VOTERS, having(require_reason=False), Reason.RECORDED),
        (decision("U0ADA", round_=1), VOTERS, PURCHASE, Reason.ROUND_OVER),
        (decision("U0ADA", round_=3), VOTERS, PURCHASE, Reason.ROUND_OVER),
        (decision("U0SAM"), VOTERS, PURCHASE, Reason.NOT_AN_APPROVER),
        (decision("U0DIRK"), VOTERS, PURCHASE, Reason.NOT_AN_APPROVER),
        (decision("U0VERA"), VOTERS, PURCHASE, Reason.HANDED_OVER),
        (decision("U0RITA"), VOTERS, PURCHASE, Reason.SELF_APPROVAL),
        (decision("U0RITA"), ANYBODY, PURCHASE, Reason.RECORDED),
        (decision("U0DIRK", round_=3), ESCALATED, PURCHASE, Reason.RECORDED),
        (decision("U0DIRK"), ESCALATED, PURCHASE, Reason.NOT_AN_APPROVER),
        (decision("U0ADA", round_=3), ESCALATED, PURCHASE, Reason.NOT_AN_APPROVER),
        (decision("U0ADA"), ESCALATED, PURCHASE, Reason.RECORDED),
        (decision("U0ADA"), NEEDED, PURCHASE, Reason.NEEDED_LATER),
        (decision("U0BOB"), replace(VOTERS, later=[(["U0VERA"], 1)]), PURCHASE, Reason.RECORDED),
        (decision("U0ADA", Choice.REJECT, comment="No."), NEEDED, PURCHASE, Reason.RECORDED),
        (decision("U0CAM"), ESCALATED, PURCHASE, Reason.COUNTED_BEFORE),
        (decision("U0CAM"), ESCALATED_ANYBODY, PURCHASE, Reason.RECORDED),
        (decision("U0CAM"), VOTERS, PURCHASE, Reason.COUNTED_BEFORE),
    ],
)
def test_may_decide(given: Decision, voters: EligibleVoters, terms: Policy, expected: Reason) -> None:
    reason = rules.may_decide(given, policy=terms, voters=voters, members=MEMBERS)
    assert reason is expected


@pytest.mark.parametrize(
    ("actor", "to", "round_", "voters", "terms", "expected"),
    [
        ("U0ADA", "U0ZED", 2, VOTERS, PURCHASE, Reason.DELEGATE_NOT_ALLOWED),
        ("U0ADA", "U0DIRK", 2, VOTERS, PURCHASE, Reason.RECORDED),
        ("U0ADA", "S0MANAGERS", 2, VOTERS, PURCHASE, Reason.DELEGATE_UNFIT),
        ("U0ADA", "U0ZED", 2, VOTERS, OPEN, Reason.RECORDED),
        ("U0ADA", "U0DIRK", 2, VOTERS, OPEN, Reason.DELEGATE_NOT_ALLOWED),
        ("U0ADA", "U0ENTERED", 2, VOTERS, OPEN, Reason.DELEGATE_NOT_ALLOWED),
        ("U0ADA", "U0ENTERED", 2, VOTERS, PURCHASE, Reason.RECORDED),
        ("U0FAY", "U0FIN", 2, VOTERS, PURCHASE, Reason.RECORDED),
        ("U0DIRK", "U0ZED", 3, ESCALATED, OPEN, Reason.RECORDED),
        ("U0ADA", "U0ZED", 1, VOTERS, PURCHASE, Reason.ROUND_OVER),
        ("U0SAM", "U0ZED", 2, VOTERS, PURCHASE, Reason.NOT_AN_APPROVER),
        ("U0VERA", "U0ZED", 2, VOTERS, PURCHASE, Reason.HANDED_OVER),
        ("U0RITA", "U0ZED", 2, VOTERS, PURCHASE, Reason.SELF_APPROVAL),
        ("U0CAM", "U0ZED", 2, ESCALATED, PURCHASE, Reason.COUNTED_BEFORE),
        ("U0BOB", "U0ZED", 2, VOTERS, PURCHASE, Reason.ONE_HOP),
        ("U0ADA", "U0ADA", 2, VOTERS, PURCHASE, Reason.DELEGATE_UNFIT),
        ("U0ADA", "U0RITA", 2, VOTERS, PURCHASE, Reason.DELEGATE_UNFIT),
        ("U0ADA", "U0RITA", 2, ANYBODY, PURCHASE, Reason.RECORDED),
        ("U0ADA", "U0VERA", 2, VOTERS, PURCHASE, Reason.DELEGATE_UNFIT),
        ("U0ADA", "U0CAM", 2, VOTERS, PURCHASE, Reason.DELEGATE_UNFIT),
        ("U0ADA", "U0CAM", 2, ANYBODY, OPEN, Reason.RECORDED),
    ],
)
def test_may_delegate(
    actor: str, to: str, round_: int, voters: EligibleVoters, terms: Policy, expected: Reason
) -> None:
    given = delegation(actor, to, round_)
    reason = rules.may_delegate(given, policy=terms, voters=voters, members=MEMBERS, entered="U0ENTERED")
    assert reason is expected


@pytest.mark.parametrize(
    ("actor", "kind", "expected"),
    [
        ("U0RITA", RemarkKind.ANSWER, Reason.RECORDED),
        ("U0ADA", RemarkKind.ANSWER, Reason.NOT_THE_REQUESTER),
        ("U0ADA", RemarkKind.QUESTION, Reason.RECORDED),
        ("U0FAY", RemarkKind.QUESTION, Reason.RECORDED),
        ("U0SAM", RemarkKind.QUESTION, Reason.NOT_AN_APPROVER),
        ("U0RITA", RemarkKind.COMMENT, Reason.RECORDED),
        ("U0ADA", RemarkKind.COMMENT, Reason.RECORDED),
        ("U0SAM", RemarkKind.COMMENT, Reason.NOT_INVOLVED),
    ],
)
def test_may_comment(actor: str, kind: RemarkKind, expected: Reason) -> None:
    given = Comment(command_id="1", actor=actor, via=Via.CHAT, kind=kind, text="Why?")
    assert rules.may_comment(given, requester="U0RITA", voters=VOTERS, members=MEMBERS) is expected


@pytest.mark.parametrize(
    ("below", "when", "amount", "fields", "approves"),
    [
        (None, {}, Decimal(1), {}, False),
        (Decimal(100), {}, None, {}, False),
        (Decimal(100), {}, Decimal("99.99"), {}, True),
        (Decimal(100), {}, Decimal(100), {}, False),
        (None, {"team": ["ops"]}, None, {"team": " ops "}, True),
        (None, {"team": ["ops"]}, None, {"team": "sales"}, False),
        (None, {"team": ["ops"]}, None, {}, False),
        (Decimal(100), {"team": ["ops"]}, Decimal(5), {"team": "ops"}, True),
        (Decimal(100), {"team": ["ops"]}, Decimal(500), {"team": "ops"}, False),
        (Decimal(100), {"team": ["ops"]}, Decimal(5), {"team": "sales"}, False),
    ],
)
def test_auto_approves(
    below: Decimal | None,
    when: dict[str, list[str]],
    amount: Decimal | None,
    fields: dict[str, str],
    approves: bool,
) -> None:
    """Every condition that is given must hold, and the reason is a sentence."""
    terms = PURCHASE.model_copy(update={"auto_approve_below": below, "auto_approve_when": when})
    request = REQUEST.model_copy(update={"amount": amount, "fields": fields})
    reason = rules.auto_approves(request, terms)
    assert (reason is not None) is approves
    assert reason is None or reason.endswith(".")


# ---- counting --------------------------------------------------------------------------------------------


def record_of(name: str, **terms: object) -> Record:
    given = ApprovalInput(request=REQUEST, policy=BOOK.policies[name].model_copy(update=terms))
    found = Record(f"{name}-1", given, NOW)
    found.open_level(0, NOW)
    return found


def cast(
    record: Record, actor: str, choice: Choice = Choice.APPROVE, *, round_: int = 1, holder: str | None = None
) -> str | None:
    """Records a vote, as the workflow does after the rules allow it; returns whose vote settled the round."""
    record.voting.vote(decision(actor, choice, round_), holder or actor, NOW)
    deciding = record.voting.deciding_vote(round_, choice)
    return deciding.actor if deciding else None


def test_who_joined_a_group_later_does_not_take_the_place_of_one_who_was_asked() -> None:
    record = record_of("all")
    record.voting.ask(["U0ADA", "U0FAY", "U0FIN"])
    assert [cast(record, actor) for actor in ("U0ADA", "U0FAY", "U0NEW")] == [None] * 3
    assert cast(record, "U0FIN") == "U0FIN"


def test_one_who_left_the_group_after_voting_has_still_voted_for_all() -> None:
    record = record_of("all")
    record.voting.ask(["U0ADA", "U0FAY", "U0FIN"])
    assert [cast(record, actor) for actor in ("U0ADA", "U0FAY", "U0FIN")] == [None, None, "U0FIN"]


def test_the_card_counts_what_settles_the_level_and_nothing_else() -> None:
    """With a quorum of "all" somebody who joined the group later is not one of those who were asked."""
    record = record_of("all")
    record.voting.ask(["U0ADA", "U0FIN"])
    cast(record, "U0NEW")
    cast(record, "U0ADA")
    [level] = record.levels()
    assert (level.approvals, level.needed) == (1, 2)
    cast(record, "U0FIN")
    [level] = record.levels()
    assert (level.approvals, level.needed) == (2, 2)


def test_the_card_counts_no_approval_without_the_code_that_its_round_needs() -> None:
    record = record_of("transfer")
    cast(record, "U0ADA")
    assert record.levels()[0].approvals == 0
    record.voting.vote(decision("U0ADA", round_=1), "U0ADA", NOW, Factor.SMS)
    assert record.levels()[0].approvals == 1


def test_the_card_counts_no_approval_of_another_digest() -> None:
    record = record_of("vote")
    cast(record, "U0ADA")
    record.state.votes = [vote.model_copy(update={"digest": "f" * 64}) for vote in record.state.votes]
    cast(record, "U0FIN")
    assert record.levels()[0].approvals == 1
    assert record.voting.deciding_vote(1, Choice.APPROVE) is None


def test_each_round_of_a_level_is_counted_by_itself() -> None:
    escalation = Escalation(channel="C0E", approvers=["U0ADA", "U0MAX"], timeout=timedelta(days=1), quorum=2)
    level = BOOK.policies["vote"].levels[0].model_copy(update={"on_timeout": OnTimeout.ESCALATE})
    record = record_of("vote", levels=[level], escalation=escalation)
    cast(record, "U0ADA")
    record.escalate(NOW)
    cast(record, "U0MAX", round_=2)
    [found] = record.levels()
    assert (found.approvals, found.needed) == (1, 2)
    assert (found.escalation_approvals, found.escalation_needed) == (1, 2)


def test_a_delegate_of_one_it_escalated_to_through_a_group_decides_alone() -> None:
    record = record_of("purchase")
    record.escalate(NOW)
    record.voting.delegate(delegation("U0DIRK", "U0ZED", 2))
    assert cast(record, "U0ZED", round_=2, holder="U0DIRK") == "U0ZED"


def test_a_rejection_never_approves() -> None:
    """Votes of the level's round do not count in the escalation's, and a rejection never approves a round."""
    level = BOOK.policies["vote"].levels[0].model_copy(update={"on_timeout": OnTimeout.ESCALATE})
    escalation = Escalation(channel="C0E", approvers=["U0ADA", "U0MAX"], timeout=timedelta(days=1))
    record = record_of("vote", levels=[level], escalation=escalation)
    assert cast(record, "U0ADA") is None
    record.escalate(NOW)
    assert cast(record, "U0FIN", Choice.REJECT) is None
    assert record.voting.deciding_vote(1, Choice.APPROVE) is None
    assert record.voting.deciding_vote(2, Choice.APPROVE) is None
    assert cast(record, "U0MAX", round_=2) == "U0MAX"


def test_an_escalation_has_a_quorum_of_its_own() -> None:
    escalation = Escalation(
        channel="C0E", approvers=["U0ADA", "U0MAX"], timeout=timedelta(days=1), quorum=2, reject_quorum=2
    )
    record = record_of("purchase", escalation=escalation)
    record.escalate(NOW)
    assert cast(record, "U0ADA", round_=2) is None
    assert cast(record, "U0ADA", Choice.REJECT, round_=2) is None
    assert cast(record, "U0MAX", Choice.REJECT, round_=2) == "U0MAX"


@pytest.mark.parametrize(
    ("amount", "factor", "settled"),
    [(None, None, False), ("10000.01", None, False), ("10000", None, True), (None, Factor.SMS, True)],
)
def test_an_unknown_amount_needs_the_code(amount: str | None, factor: Factor | None, settled: bool) -> None:
    record = record_of("wire")
    record.voting.asked = REQUEST.model_copy(update={"amount": Decimal(amount) if amount else None})
    record.voting.vote(decision("U0ADA", round_=1), "U0ADA", NOW, factor)
    assert (record.voting.deciding_vote(1, Choice.APPROVE) is not None) is settled
    assert record.voting.needs_code(1) is (amount != "10000")


def test_a_code_that_comes_later_is_kept_with_the_vote_that_it_confirms() -> None:
    record = record_of("wire")
    assert record.voting.vote(decision("U0ADA", round_=1), "U0ADA", NOW) is Reason.RECORDED
    assert record.voting.deciding_vote(1, Choice.APPROVE) is None
    assert record.voting.vote(decision("U0ADA", round_=1), "U0ADA", NOW, Factor.SMS) is Reason.RECORDED
    assert [vote.factor for vote in record.state.votes] == [Factor.SMS]
    assert record.voting.vote(decision("U0ADA", round_=1), "U0ADA", NOW) is Reason.UNCHANGED


def test_whoever_let_another_decide_has_decided_too() -> None:
    record = record_of("purchase")
    cast(record, "U0SAM", holder="U0ADA")
    record.close_level(Status.APPROVED)
    assert record.state.counted == ["U0SAM", "U0ADA"]


def test_all_of_two_takes_two_people_whatever_became_of_a_group() -> None:
    """One of the two named is a group that has vanished, so only one person was asked."""
    record = record_of("all")
    record.voting.ask(["U0FIN"])
    assert not record.voting.approvable({"S0MANAGERS": []})
    assert cast(record, "U0FIN") is None


def test_a_status_of_ten_levels_with_fifty_long_comments_each_fits_the_hub() -> None:
    level = BOOK.policies["all"].levels[0].model_copy(update={"approvers": ["U0ADA"]})
    record = record_of("all", levels=[level] * 10, allow_repeat_approver=True)
    for index in range(10):
        if index:
            record.open_level(index, NOW)
        record.voting.ask([f"U{index}X{n}" for n in range(50)])
        for person in list(record.state.asked or ()):
            record.voting.vote(decision(person, comment="é" * 2000), person, NOW)
        if index < 9:
            record.close_level(record.state.status)
    record.end(record.state.status.APPROVED, NOW)
    assert len(projection.progress(record).model_dump_json().encode()) < 700_000
    comments = [vote.comment for level in projection.outcome(record).levels for vote in level.decisions]
    assert comments[0] == "é" * 2000
    assert comments[-1] == "é" * 100 + "…"
    assert sum(len(comment.encode()) for comment in comments) < 2 * COMMENT_BYTES_KEPT


# ---- the policy file -------------------------------------------------------------------------------------

LEVEL = '[[policies.p.levels]]\nname = "L"\napprovers = ["U0ADA", "U0BOB"]\ntimeout = "1d"\n'
HEAD = '[policies.p]\ntitle = "P"\nchannel = "C0P"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + LEVEL + "quorum = 3\n", "level L needs 3 approvals of 2 people"),
        (HEAD + LEVEL + "reject_quorum = 3\n", "level L needs 3 rejections of 2 people"),
        ('[people.U0ADA]\ndelegate = "U0ADA"\n' + HEAD + LEVEL, "U0ADA cannot be their own delegate"),
    ],
)
def test_a_level_that_could_never_be_decided_is_a_fault_of_the_file(text: str, words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        policy_file.parse(text, "p.toml", SlackIds())


def test_changes_go_with_no_receiver_that_hears_nothing_of_them() -> None:
    respond = {"instance_id": "order-1", "event_name": "Approved", "payload": {"ok": "{approved}"}}
    request = ApprovalRequest.model_validate(
        {"policy": "p", "title": "T", "requester": "U0RITA", "respond": respond, "accepts_edits": True}
    )
    with pytest.raises(InvalidRequestError, match="is not told what was changed") as refused:
        rules.check_receivers(request)
    assert refused.value.field == "accepts_edits"

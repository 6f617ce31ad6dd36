from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

import bot
from orchestration import policy
from orchestration.errors import InvalidRequestError, PolicyError
from orchestration.models import ApprovalRequest, Choice, Decision, Level, Policy, Reason, Via

LEVEL = {"name": "Manager", "approvers": ["U0ADA", "S0MANAGERS"], "timeout": "2d"}
PURCHASE: dict[str, object] = {
    "title": "Purchase",
    "channel": "C0PURCHASES",
    "currency": "USD",
    "fields": [{"name": "vendor", "required": True}, {"name": "needed_by"}],
    "levels": [LEVEL],
}


def parsed(**changes: object) -> Policy:
    return policy.parse({"policies": {"purchase": PURCHASE | changes}}, "p.toml")["purchase"]


def test_the_shipped_policies_are_valid() -> None:
    policies = policy.load(Path(bot.__file__).with_name("policies.toml"))
    assert set(policies) == {"purchase", "deploy", "access", "document"}


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({}, "there is no [policies.NAME] table"),
        ({"policies": {}}, "there is no [policies.NAME] table"),
        ({"policy": {}, "policies": {"p": PURCHASE}}, "policy: unknown table"),
        ({"policies": {"p": 3}}, "policies.p: is a value, not a table"),
        (
            {"policies": {"p": PURCHASE | {"chanel": "C0X"}}},
            "policies.p.chanel: Extra inputs are not permitted",
        ),
        ({"policies": {"p": PURCHASE | {"channel": "#purchases"}}}, "policies.p.channel:"),
        ({"policies": {"p": PURCHASE | {"levels": []}}}, "policies.p.levels:"),
        ({"policies": {"p": PURCHASE | {"levels": [LEVEL | {"timeout": 60}]}}}, "a duration needs its unit"),
        ({"policies": {"p": PURCHASE | {"levels": [LEVEL | {"timeout": "0s"}]}}}, "levels.0.timeout"),
        ({"policies": {"p": PURCHASE | {"levels": [LEVEL | {"tymeout": "1d"}]}}}, "levels.0.tymeout"),
        (
            {"policies": {"p": PURCHASE | {"levels": [LEVEL | {"on_timeout": "escalate"}]}}},
            'levels.0.on_timeout: is "escalate", but there is no [policies.p.escalation]',
        ),
        (
            {
                "policies": {
                    "p": PURCHASE | {"escalation": {"channel": "C0E", "approvers": ["U0D"], "timeout": "1d"}}
                }
            },
            "escalation: is never reached",
        ),
        ({"policies": {"p": PURCHASE | {"fields": [{"name": "a"}, {"name": "a"}]}}}, "'a' is listed twice"),
        ({"policies": {"Bad Name": PURCHASE}}, "policies.Bad Name.key"),
    ],
)
def test_a_faulty_policy_file_names_the_place(tables: dict[str, object], words: str) -> None:
    with pytest.raises(PolicyError) as caught:
        policy.parse(tables, "p.toml")
    assert words in str(caught.value)
    assert all(line.startswith("p.toml: ") for line in str(caught.value).splitlines())


def test_every_fault_is_reported_at_once() -> None:
    with pytest.raises(PolicyError) as caught:
        policy.parse({"policies": {"p": PURCHASE | {"channel": "x", "currency": "usd"}}}, "p.toml")
    assert len(str(caught.value).splitlines()) == 2


def test_a_file_that_cannot_be_read_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="COUNTERSIGN_POLICIES"):
        policy.load(tmp_path / "missing.toml")


def test_a_file_that_is_not_toml_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text("[policies.x]\ntitle = \n")
    with pytest.raises(PolicyError, match="line 2"):
        policy.load(file)


def asked(**changes: object) -> ApprovalRequest:
    given: dict[str, object] = {
        "policy": "purchase",
        "title": "New laptops",
        "amount": Decimal(4200),
        "fields": {"vendor": "Acme"},
        "requester": "U0RITA",
    }
    return ApprovalRequest.model_validate(given | changes)


def test_a_request_gets_the_policy_s_currency() -> None:
    assert policy.check_request(asked(), parsed()).currency == "USD"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"fields": {}}, "vendor"),
        ({"fields": {"vendor": "  "}}, "vendor"),
        ({"fields": {"vendor": "Acme", "colour": "red"}}, "colour"),
        ({"currency": "EUR"}, "currency"),
    ],
)
def test_a_request_that_does_not_fit_names_the_field(changes: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        policy.check_request(asked(**changes), parsed())
    assert caught.value.field == field


def test_an_amount_needs_a_currency() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        policy.check_request(asked(), parsed(currency=None))
    assert caught.value.field == "amount"


# ---- may_decide ------------------------------------------------------------------------------------------

ESCALATION = {"channel": "C0E", "approvers": ["S0DIRECTORS", "U0VERA"], "timeout": "1d"}
MEMBERS = {"S0MANAGERS": ["U0FAY"], "S0DIRECTORS": ["U0DIRK"]}


@pytest.mark.parametrize(
    ("actor", "choice", "comment", "round_", "escalated", "self_approval", "expected"),
    [
        ("U0ADA", Choice.APPROVE, "", 1, False, False, Reason.RECORDED),
        ("U0FAY", Choice.APPROVE, "", 1, False, False, Reason.RECORDED),
        ("U0ADA", Choice.REJECT, "too dear", 1, False, False, Reason.RECORDED),
        ("U0ADA", Choice.REJECT, " ", 1, False, False, Reason.REASON_REQUIRED),
        ("U0SAM", Choice.APPROVE, "", 1, False, False, Reason.NOT_AN_APPROVER),
        ("U0DIRK", Choice.APPROVE, "", 1, False, False, Reason.NOT_AN_APPROVER),
        ("U0DIRK", Choice.APPROVE, "", 2, False, False, Reason.ROUND_OVER),
        ("U0DIRK", Choice.APPROVE, "", 2, True, False, Reason.RECORDED),
        ("U0VERA", Choice.APPROVE, "", 2, True, False, Reason.RECORDED),
        ("U0ADA", Choice.APPROVE, "", 1, True, False, Reason.RECORDED),
        ("U0ADA", Choice.APPROVE, "", 3, True, False, Reason.ROUND_OVER),
        ("U0RITA", Choice.APPROVE, "", 1, False, False, Reason.SELF_APPROVAL),
        ("U0RITA", Choice.APPROVE, "", 1, False, True, Reason.NOT_AN_APPROVER),
    ],
)
def test_may_decide(
    actor: str,
    choice: Choice,
    comment: str,
    round_: int,
    escalated: bool,
    self_approval: bool,
    expected: Reason,
) -> None:
    given = parsed(
        levels=[LEVEL | {"on_timeout": "escalate"}], escalation=ESCALATION, allow_self_approval=self_approval
    )
    decision = Decision(
        command_id="1", actor=actor, via=Via.SLACK, round=round_, choice=choice, comment=comment
    )
    reason = policy.may_decide(
        decision,
        request=asked(),
        policy=given,
        level=given.levels[0],
        escalation=given.escalation if escalated else None,
        open_rounds={1, 2} if escalated else {1},
        members=MEMBERS,
    )
    assert reason is expected


def test_the_requester_may_decide_where_the_policy_allows_it() -> None:
    given = parsed(levels=[LEVEL | {"approvers": ["U0RITA"]}], allow_self_approval=True)
    decision = Decision(command_id="1", actor="U0RITA", via=Via.SLACK, round=1, choice=Choice.APPROVE)
    level: Level = given.levels[0]
    reason = policy.may_decide(
        decision, request=asked(), policy=given, level=level, escalation=None, open_rounds={1}, members={}
    )
    assert reason is Reason.RECORDED

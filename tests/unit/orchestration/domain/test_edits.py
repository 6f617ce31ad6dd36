"""Which parts of a request may be edited, which values are valid, and the edited request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain import arguments as args
from orchestration.domain.edits import as_diff, between, editable, edited, with_edits
from orchestration.domain.errors import InvalidRequestError, PolicyError
from orchestration.domain.fields import FieldSpec
from orchestration.domain.held_call import CallFacts, HeldCall
from orchestration.domain.policy import Level, Policy
from orchestration.domain.request import ApprovalRequest, RequestEdit, Via
from tests.support.book import parsed

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
ARGUMENTS: dict[str, Any] = {
    "command": "psql -c 'DELETE FROM orders'",
    "timeout": 30,
    "ratio": 0.5,
    "force": True,
    "env": {"KEY": "secret", "MODE": "live", "a.b": "x"},
    "steps": [{"run": "one"}, {"run": "two"}],
}
EVERYTHING = ["arguments.command", "arguments.timeout", "arguments.ratio", "arguments.force"]


def policy(*edit: str) -> Policy:
    level = Level(name="L", approvers=["U0A"], timeout=timedelta(days=1))
    fields = [FieldSpec(name="vendor", required=True), FieldSpec(name="note")]
    return Policy(key="p", title="P", channel="C0P", levels=[level], fields=fields, edit=list(edit))


def a_call(arguments: dict[str, Any] | None = None, mask: tuple[str, ...] = ()) -> ApprovalRequest:
    shown, bound = args.masked(arguments or ARGUMENTS, mask, lambda text: f"h({len(text)})")
    facts = CallFacts(agent="a", tool="Bash", arguments_digest=args.digest(bound))
    call = HeldCall(
        **facts.model_dump(),
        key="0" * 64,
        number=0,
        window=timedelta(minutes=1),
        arguments=shown,
        bound=bound,
    )
    return ApprovalRequest(
        policy="p",
        title=args.title_of("a", "Bash", shown),
        description=args.written_out(shown),
        requester="U0RITA",
        call=call,
        accepts_edits=True,
    )


def test_what_may_be_changed_is_what_people_see_whole() -> None:
    request = a_call(mask=("env.KEY",))
    assert editable(request, policy("arguments.env.*", "arguments.steps.*.run", "arguments.none")) == {
        "arguments.env.MODE": "live",
        "arguments.steps.0.run": "one",
        "arguments.steps.1.run": "two",
    }
    assert editable(request, policy("arguments.env", "amount", "fields.note")) == {}
    refusing = request.model_copy(update={"accepts_edits": False})
    assert editable(refusing, policy("arguments.command")) == {}


def test_the_changed_call_has_a_digest_a_title_and_a_text_of_its_own() -> None:
    request = a_call(mask=("env.KEY",))
    narrowed = "psql -c 'DELETE FROM orders WHERE id = 7'"
    found = edited(request, policy(*EVERYTHING), {"arguments.command": narrowed, "arguments.timeout": 60})
    changed = found.request
    whole = ARGUMENTS | {"command": narrowed, "timeout": 60}
    assert changed.call is not None
    assert changed.call.arguments_digest == a_call(whole, ("env.KEY",)).call.arguments_digest  # type: ignore[union-attr]
    assert (changed.title, changed.description.count("WHERE id = 7")) == (f"a calls Bash: {narrowed}", 1)
    assert changed.digest() != request.digest()
    assert as_diff(found.changes) == (
        "arguments.command:\n-psql -c 'DELETE FROM orders'\n+psql -c 'DELETE FROM orders WHERE id = 7'\n"
        "arguments.timeout:\n-30\n+60"
    )


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("arguments.env.MODE", "test", "cannot be changed"),
        ("arguments.command", " \n", "must not be blank"),
        ("arguments.command", "ls \u202egnp.exe", "U+202E"),
        ("arguments.command", "ls\u200b", "U+200B"),
        ("arguments.command", 7, "has to be a text"),
        ("arguments.command", "x" * 10_001, "people are asked to read 10,000"),
        ("arguments.timeout", "60", "has to be a whole number"),
        ("arguments.timeout", 1.5, "has to be a whole number"),
        ("arguments.timeout", True, "has to be a whole number"),
        ("arguments.timeout", 2**60, "programs read differently"),
        ("arguments.ratio", float("nan"), "programs read differently"),
        ("arguments.force", 0, "has to be true or false"),
        ("arguments.command", "psql -c 'DELETE FROM orders'", "Nothing is changed"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_path(path: str, value: Any, says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says.replace("+", r"\+")) as refused:
        edited(a_call(), policy(*EVERYTHING), {path: value})
    assert refused.value.field in {path, "arguments"}


@pytest.mark.parametrize("amount", ["4200.01", "5000", "0", "-1", "1.234", "12,40", "3000 EUR", True, "soon"])
def test_an_amount_is_only_lowered(amount: Any) -> None:
    request = ApprovalRequest(
        policy="p",
        title="T",
        requester="U0RITA",
        amount=Decimal(4200),
        currency="USD",
        accepts_edits=True,
    )
    with pytest.raises(InvalidRequestError) as refused:
        edited(request, policy("amount"), {"amount": amount})
    assert refused.value.field == "amount"
    assert edited(request, policy("amount"), {"amount": "3,999.50 USD"}).request.amount == Decimal("3999.50")


def test_a_field_keeps_the_rules_of_its_policy() -> None:
    request = ApprovalRequest(
        policy="p", title="T", requester="U0RITA", fields={"vendor": "Acme"}, accepts_edits=True
    )
    rules = policy("fields.vendor", "fields.note")
    for wrong in (" ", "a\x00b", "x" * 501):
        with pytest.raises(InvalidRequestError):
            edited(request, rules, {"fields.vendor": wrong})
    found = edited(request, rules, {"fields.note": "  Urgent\u200b  "}).request
    assert found.fields == {"vendor": "Acme", "note": "Urgent"}


def test_a_path_that_is_nothing_is_a_fault_of_the_policy_file() -> None:
    text = """
[policies.p]
title = "P"
channel = "C0P"
fields = [{ name = "note" }]
edit = ["amount", "fields.vendor", "title", "arguments.", "amount"]
[[policies.p.levels]]
name = "L"
approvers = ["U0A"]
timeout = "1d"
"""
    with pytest.raises(PolicyError) as refused:
        parsed(text)
    lines = str(refused.value).splitlines()
    assert {line.split(": ")[0] for line in lines} == {"test.toml:6"}
    assert [line.split(": ", 2)[1:] for line in lines] == [
        ["policies.p.edit.1", "the policy has no field 'vendor'; it has: note."],
        [
            "policies.p.edit.2",
            '\'title\' is nothing that can be changed; write "amount", "fields.NAME" or "arguments.PATH".',
        ],
        ["policies.p.edit.3", "'' is no path, such as env.API_KEY or headers.*."],
        ["policies.p.edit.4", "amount is there twice."],
    ]


texts = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"]), min_size=1, max_size=20)


@given(st.lists(st.tuples(texts, texts, st.integers(-(2**53) + 1, 2**53 - 1)), min_size=1, max_size=4))
def test_what_was_asked_with_its_changes_is_what_was_approved(values: list[tuple[str, str, int]]) -> None:
    """For any edits in any order, the original request plus the edits gives the approved one and its digest."""
    asked = request = a_call({"command": "start", "limit": 0, "env": {"A": "k", "B": "b"}}, ("env.A",))
    rules, edits = policy("arguments.command", "arguments.limit", "arguments.env.*"), list[RequestEdit]()
    for number, (command, mode, limit) in enumerate(values):
        wanted: dict[str, str | int] = {
            "arguments.command": command,
            "arguments.env.B": mode,
            "arguments.limit": limit,
        }
        try:
            found = edited(request, rules, wanted)
        except InvalidRequestError:
            continue
        edit = RequestEdit(
            number=number,
            actor="U0A",
            at=NOW,
            level="L",
            round=1,
            via=Via.CHAT,
            changes=found.changes,
            digest_before=request.digest(),
            digest=found.request.digest(),
        )
        request, edits = found.request, [*edits, RequestEdit.model_validate_json(edit.model_dump_json())]
    again = with_edits(asked, edits)
    assert (again, again.digest()) == (request, request.digest())
    assert request.call is not None
    assert request.call.arguments["env"]["A"] == args.MASKED
    whole = {"command": request.call.arguments["command"], "limit": request.call.arguments["limit"]}
    assert all(
        str(whole[change.path.split(".")[1]]) == str(change.after)
        for change in between(edits)
        if "env" not in change.path
    )

"""The states after an approval: what a policy may declare, when its conditions hold, and its diagram."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from bot.cli.diagram import state_diagram
from bot.slack.ids import SlackIds
from orchestration.domain import policy_file
from orchestration.domain.errors import PolicyError
from orchestration.domain.guards import Guard
from orchestration.domain.request import ApprovalRequest
from tests.support.world import policies

ORDER = policies("order")
REQUEST = ApprovalRequest(
    policy="order",
    title="Laptops",
    amount=Decimal(4200),
    currency="USD",
    fields={"vendor": "Acme"},
    requester="U0RITA",
)


def faults(*changes: tuple[str, str]) -> list[str]:
    """The faults of the order policy after this change, without file and line."""
    text = ORDER
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    with pytest.raises(PolicyError) as caught:
        policy_file.parse(text, "p.toml", SlackIds())
    return [line.split(": ", 1)[1] for line in str(caught.value).splitlines()]


def test_the_policy_of_an_order_has_no_fault() -> None:
    policy = policy_file.parse(ORDER, "p.toml", SlackIds()).policies["order"]
    assert policy.fulfilment is not None
    assert policy.fulfilment.events() == ["PaymentReceived", "PaymentFailed", "Shipped", "Delivered"]
    assert policy.fulfilment.ahead("Paid") == ["Shipped", "Delivered"]


STATE = "[[policies.order.fulfilment.states]]\n"
LONELY = f'{STATE}name = "Lost"\nevents = [{{ name = "Found", to = "Paid" }}]\n'


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            [('to = "Shipped"', 'to = "Shiped"')],
            "events.0.to: there is no state 'Shiped'; there are Created, Paid",
        ),
        ([('cancel_to = "Cancelled"', 'cancel_to = "Off"')], "states.0.cancel_to: there is no state 'Off'"),
        (
            [('final = "completed"', "")],
            "states.3.name: the state 'Completed' cannot be left; give it events, or say",
        ),
        ([('final = "cancelled"', 'timeout = "1d"')], "states.4.name: the state 'Cancelled' cannot be left"),
        (
            [('final = "completed"', 'final = "completed"\ntimeout = "1d"')],
            "states.3.timeout: the state 'Completed' is final, so this has no effect",
        ),
        (
            [(f'{STATE}name = "Completed"', f'{LONELY}{STATE}name = "Completed"')],
            "'Lost' is never reached from",
        ),
        (
            [('to = "Completed"', 'to = "Paid"')],
            "no final state can be reached from 'Paid', so a request would never end",
        ),
        ([('name = "Paid"', 'name = "created"')], "the state 'created' is there twice"),
        ([('name = "Created"', 'name = "Created"\nfinal = "completed"')], "the first state is final"),
        ([('owner = "U0FIN"', "")], "states.0.timeout: needs an owner; set owner in the fulfilment"),
        ([('escalate_to = ["C0ESCALATIONS"]', "")], "states.0.escalate_after: nobody is there to be told"),
        (
            [('escalate_after = "1d"', ""), ('escalate_after = "2d"', "")],
            "fulfilment.escalate_to: no state has an escalate_after",
        ),
        ([('timeout = "3d"', "")], "states.0.on_timeout: counts from the timeout, and there is none"),
        ([("require_amount = true", "")], "when.0.matches: a request without an amount could never go on"),
        (
            [('matches = "currency"', 'matches = "fields.vendor"')],
            "when.1.matches: vendor is no required field of this policy",
        ),
        ([(', matches = "amount"', "")], "a condition has exactly one of equals, at_least, at_most, matches"),
        ([('matches = "amount"', 'matches = "sum"')], "when.0.matches: does not match "),
        ([('name = "Delivered"', 'name = "ApprovalDecision"')], "is one of Countersign's own events"),
        (
            [('{ name = "PaymentFailed", to = "Cancelled" },', '{ name = "Shipped", to = "Paid" },' * 2)],
            "events.2.name: an event Shipped before it has no condition, so this is never looked at",
        ),
        ([('escalate_to = ["C0ESCALATIONS"]', 'escalate_to = ["#ops"]')], "fulfilment.escalate_to.0"),
        (
            [('timeout = "3d"', 'timeuot = "3d"')],
            "states.0.timeuot: there is no such key here; did you mean timeout?",
        ),
    ],
)
def test_what_cannot_work_is_a_fault_that_names_its_place_and_the_remedy(
    changes: list[tuple[str, str]], words: str
) -> None:
    assert any(words in fault for fault in faults(*changes)), faults(*changes)


def test_a_fault_has_its_line() -> None:
    text = ORDER.replace('to = "Completed"', 'to = "Done"')
    with pytest.raises(PolicyError) as caught:
        policy_file.parse(text, "p.toml", SlackIds())
    number = text.splitlines().index('events = [{ name = "Delivered", to = "Done" }]') + 1
    assert f"p.toml:{number}: policies.order.fulfilment.states.2.events.0.to" in str(caught.value)


@pytest.mark.parametrize(
    ("condition", "payload", "holds"),
    [
        ({"field": "amount", "matches": "amount"}, {"amount": 4200}, True),
        ({"field": "amount", "matches": "amount"}, {"amount": "4200.00"}, True),
        ({"field": "amount", "matches": "amount"}, {"amount": 4200.0}, True),
        ({"field": "amount", "matches": "amount"}, {"amount": 4200.01}, False),
        ({"field": "amount", "matches": "amount"}, {"amount": "4,200"}, False),
        ({"field": "amount", "matches": "amount"}, {"amount": "1e3"}, False),
        ({"field": "amount", "matches": "amount"}, {"amount": True}, False),
        ({"field": "amount", "matches": "amount"}, {}, False),
        ({"field": "amount", "matches": "amount"}, None, False),
        ({"field": "amount", "matches": "amount"}, ["amount"], False),
        ({"field": "data.amount", "at_least": "4000"}, {"data": {"amount": 4000}}, True),
        ({"field": "data.amount", "at_least": "4000"}, {"data": {"amount": 3999.99}}, False),
        ({"field": "data.amount", "at_least": "4000"}, {"data": "amount"}, False),
        ({"field": "parcels", "at_most": 2}, {"parcels": 2}, True),
        ({"field": "parcels", "at_most": 2}, {"parcels": 3}, False),
        ({"field": "parcels", "at_most": 2}, {"parcels": "NaN"}, False),
        ({"field": "ok", "equals": True}, {"ok": True}, True),
        ({"field": "ok", "equals": True}, {"ok": 1}, False),
        ({"field": "ok", "equals": 1}, {"ok": True}, False),
        ({"field": "code", "equals": "7"}, {"code": 7}, False),
        ({"field": "code", "equals": "7"}, {"code": "7"}, True),
        ({"field": "who", "matches": "fields.vendor"}, {"who": "Acme"}, True),
        ({"field": "who", "matches": "fields.other"}, {"who": ""}, False),
        ({"field": "of", "matches": "request_id"}, {"of": "order-1"}, True),
        ({"field": "cur", "matches": "currency"}, {"cur": "usd"}, False),
    ],
)
def test_what_a_condition_holds_of(condition: dict[str, Any], payload: Any, *, holds: bool) -> None:
    guard = Guard.model_validate(condition)
    again = Guard.model_validate_json(guard.model_dump_json())  # in the form that is stored with the request
    assert guard.holds(payload, REQUEST, "order-1") is holds
    assert again.holds(payload, REQUEST, "order-1") is holds


def test_a_request_without_an_amount_matches_no_amount() -> None:
    guard = Guard(field="amount", matches="amount")
    without = REQUEST.model_copy(update={"amount": None})
    assert not guard.holds({"amount": None}, without, "order-1")
    assert not guard.holds({}, without, "order-1")


def test_a_limit_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValidationError):
        Guard.model_validate({"field": "amount", "at_least": "NaN"})


def test_the_diagram_has_every_state_and_every_way() -> None:
    declared = policy_file.parse(ORDER, "p.toml", SlackIds()).policies["order"].fulfilment
    assert declared is not None
    assert state_diagram(declared).splitlines() == [
        "stateDiagram-v2",
        '    state "Created" as s0',
        '    state "Paid" as s1',
        '    state "Shipped" as s2',
        '    state "Completed" as s3',
        '    state "Cancelled" as s4',
        "    [*] --> s0: approved",
        (
            "    s0 --> s1: PaymentReceived [amount to be the amount that was approved "
            "and currency to be the currency that was approved]"
        ),
        "    s0 --> s4: PaymentFailed",
        "    s0 --> s4: time is up",
        "    s0 --> s4: owner calls it off",
        "    s1 --> s2: Shipped",
        "    s2 --> s3: Delivered",
        "    s3 --> [*]: completed",
        "    s4 --> [*]: cancelled",
    ]

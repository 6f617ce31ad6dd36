"""The state machine of a fulfilment: every order of its events, repeats, timeouts, and who may cancel it."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from bot.slack.ids import SlackIds
from orchestration.domain import policy_file
from orchestration.domain.cards import Card
from orchestration.domain.effects import HandOverInput
from orchestration.domain.fulfilment import FulfilmentEnd, FulfilmentState
from orchestration.domain.request import ApprovalRequest, Status, Via
from orchestration.fulfilment.machine import (
    DELIVERIES_KNOWN,
    EVENTS_WAITING,
    NO_MORE_TOLD,
    NO_STATE_AHEAD,
    REFUSALS_TOLD,
    FulfilmentMachine,
)
from orchestration.fulfilment.models import (
    PAYLOADS_KEPT,
    STEPS_KEPT,
    FulfilmentCancellation,
    FulfilmentReason,
    FulfilmentRecord,
    FulfilmentRetry,
    FulfilmentStep,
    HookDelivery,
)
from tests.support.world import policies

NOW = datetime(2026, 12, 1, tzinfo=UTC)
PAID = {"amount": 4200, "currency": "USD"}
ROUND_AND_ROUND = """
[policies.order.fulfilment]
[[policies.order.fulfilment.states]]
name = "A"
events = [{ name = "Go", to = "B" }, { name = "End", to = "C" }]
[[policies.order.fulfilment.states]]
name = "B"
events = [{ name = "Back", to = "A" }]
[[policies.order.fulfilment.states]]
name = "C"
final = "completed"
"""


class SaidByMachine:
    """What the machine said, in words."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def entered(self, step: FulfilmentStep, state: FulfilmentState) -> None:
        assert step.state == state.name
        self.said.append(state.name)

    def refused(self, delivery: HookDelivery, why: str) -> None:
        self.said.append(f"no {delivery.name}: {why}")

    def overdue(self, state: FulfilmentState) -> None:
        self.said.append(f"late {state.name}")

    def escalated(self, state: FulfilmentState) -> None:
        self.said.append(f"very late {state.name}")

    def retry_failed(self) -> bool:
        self.said.append("again")
        return True

    def stopped(self, step: FulfilmentStep) -> None:
        self.said.append(f"stopped {step.state}")


def machine(declared: str = "") -> tuple[FulfilmentMachine, SaidByMachine]:
    """A state machine that has begun."""
    text = policies("order")
    if declared:
        text = text[: text.index("[policies.order.fulfilment]")] + declared
    policy = policy_file.parse(text, "p.toml", SlackIds()).policies["order"]
    request = ApprovalRequest(
        policy="order", title="Laptops", amount=Decimal(4200), currency="USD", requester="U0RITA"
    )
    card = Card(
        request_id="order-1",
        nonce="n" * 22,
        digest="",
        round=1,
        status=Status.APPROVED,
        policy_title="Order",
        title="Laptops",
        requester="U0RITA",
        asked_at=NOW,
        open=False,
    )
    given = HandOverInput(
        request_id="order-1",
        salt="s",
        policy=policy,
        request=request,
        card=card,
        approved={},
        revision=1,
        attempt=1,
    )
    heard = SaidByMachine()
    found = FulfilmentMachine(given, FulfilmentRecord(state="", entered_at=NOW), heard)
    found.begin(NOW)
    return found, heard


def event(name: str, payload: Any = None, delivery: str | None = None) -> HookDelivery:
    given: Any = PAID if name == "PaymentReceived" and payload is None else payload
    return HookDelivery(attempt_id="a", name=name, delivery_id=delivery or name, payload=given)


@pytest.mark.parametrize("names", list(itertools.permutations(["PaymentReceived", "Shipped", "Delivered"])))
@pytest.mark.parametrize("repeats", [1, 3])
def test_its_events_may_come_in_any_order_and_more_than_once(names: tuple[str, ...], repeats: int) -> None:
    found, heard = machine()
    reasons = [found.receive(event(name), NOW).reason for name in names for _ in range(repeats)]
    assert heard.said == ["Created", "Paid", "Shipped", "Completed"]
    assert (found.record.end, found.record.kept) == (FulfilmentEnd.COMPLETED, [])
    assert reasons.count(FulfilmentReason.DUPLICATE) == len(names) * (repeats - 1)
    assert [step.number for step in found.record.steps] == [1, 2, 3, 4]


def test_a_delivery_whose_conditions_failed_gets_the_same_answer_again_and_never_moves_anything() -> None:
    """Also after the state has been left, and for an early delivery that failed when its state was entered."""
    found, heard = machine(
        """
[policies.order.fulfilment]
[[policies.order.fulfilment.states]]
name = "A"
events = [{ name = "Go", to = "B", when = [{ field = "n", equals = 1 }] }, { name = "Skip", to = "B" }]
[[policies.order.fulfilment.states]]
name = "B"
events = [{ name = "Go", to = "C" }, { name = "Late", to = "C", when = [{ field = "n", equals = 2 }] }]
[[policies.order.fulfilment.states]]
name = "C"
final = "completed"
"""
    )
    failed, early = event("Go", {"n": 5}, "d-1"), event("Late", {"n": 5}, "d-2")
    first = found.receive(failed, NOW)
    assert (first.reason, first.needs) == (FulfilmentReason.CONDITION_FAILED, "n to be 1")
    assert found.receive(failed, NOW) == first
    assert found.receive(early, NOW).reason is FulfilmentReason.WAITS
    found.receive(event("Skip"), NOW)
    assert found.receive(failed, NOW) == first, "B would take it"
    assert found.receive(early, NOW).reason is FulfilmentReason.CONDITION_FAILED
    assert (found.record.state, len(heard.said)) == ("B", 4)
    assert set(found.record.unmet) <= set(found.record.seen)
    for number in range(DELIVERIES_KNOWN):
        found.receive(event("Late", {"n": number + 3}, f"x-{number}"), NOW)
    assert len(found.record.unmet) == len(found.record.seen) == DELIVERIES_KNOWN
    assert found.receive(event("Go", {"n": 5}, "d-9"), NOW).reason is FulfilmentReason.MOVED


def test_an_early_event_whose_way_is_closed_is_refused_then() -> None:
    found, heard = machine()
    assert found.receive(event("Delivered"), NOW).reason is FulfilmentReason.WAITS
    assert found.receive(event("PaymentFailed"), NOW).reason is FulfilmentReason.MOVED
    assert heard.said == ["Created", "Cancelled", f"no Delivered: {NO_STATE_AHEAD}"]


def test_an_event_that_no_state_ahead_awaits_is_refused_at_once() -> None:
    found, heard = machine()
    found.receive(event("PaymentReceived"), NOW)
    assert found.receive(event("PaymentFailed"), NOW).reason is FulfilmentReason.TOO_LATE
    assert found.receive(event("Nonsense"), NOW).reason is FulfilmentReason.UNKNOWN_EVENT
    assert heard.said == ["Created", "Paid"]
    found.receive(event("Shipped"), NOW)
    found.receive(event("Delivered"), NOW)
    assert found.receive(event("Delivered", delivery="2"), NOW).reason is FulfilmentReason.ENDED


def test_a_condition_that_fails_moves_nothing_and_another_delivery_may() -> None:
    found, heard = machine()
    verdict = found.receive(event("PaymentReceived", {"amount": 42, "currency": "USD"}, "1"), NOW)
    assert (verdict.reason, verdict.state) == (FulfilmentReason.CONDITION_FAILED, "Created")
    assert verdict.needs.startswith("amount to be the amount that was approved")
    assert heard.said[-1].startswith("no PaymentReceived: it needs amount")
    assert found.receive(event("PaymentReceived", None, "2"), NOW).reason is FulfilmentReason.MOVED


def test_of_events_that_move_nothing_only_the_first_few_of_a_state_are_told() -> None:
    """Else anyone with an address could flood the thread and delay the messages to others."""
    found, heard = machine()
    for number in range(3 * REFUSALS_TOLD):
        verdict = found.receive(event("PaymentReceived", {"amount": number}, str(number)), NOW)
        assert verdict.reason is FulfilmentReason.CONDITION_FAILED
    told = heard.said[1:]
    assert [one.endswith(NO_MORE_TOLD) for one in told] == [False] * (REFUSALS_TOLD - 1) + [True]
    found.receive(event("Shipped", "early"), NOW)
    found.receive(event("PaymentFailed", {}), NOW)
    assert heard.said[-2:] == ["Cancelled", f"no Shipped: {NO_STATE_AHEAD}"]


def test_only_so_many_events_wait() -> None:
    found, _ = machine()
    for number in range(EVENTS_WAITING):
        assert found.receive(event("Delivered", number, str(number)), NOW).reason is FulfilmentReason.WAITS
    assert found.receive(event("Delivered", 0, "more"), NOW).reason is FulfilmentReason.TOO_MANY
    assert found.receive(event("PaymentReceived"), NOW).reason is FulfilmentReason.MOVED


def test_time_reminds_then_escalates_then_moves() -> None:
    found, heard = machine()
    assert found.next_time() == NOW + timedelta(days=3)
    found.time_passes(NOW + timedelta(days=2))  # a timer of an earlier state, which came late
    found.time_passes(NOW + timedelta(days=3))
    assert found.next_time() == NOW + timedelta(days=4)
    found.time_passes(NOW + timedelta(days=4))
    assert heard.said == ["Created", "late Created", "very late Created", "Cancelled"]
    assert found.next_time() is None


def test_a_state_without_a_way_out_by_time_stays_and_an_event_still_moves_it() -> None:
    found, heard = machine()
    found.receive(event("PaymentReceived"), NOW)
    found.time_passes(NOW + timedelta(days=5))
    found.time_passes(NOW + timedelta(days=7))
    found.time_passes(NOW + timedelta(days=70))
    assert heard.said == ["Created", "Paid", "late Paid", "very late Paid"]
    assert found.receive(event("Shipped"), NOW + timedelta(days=70)).reason is FulfilmentReason.MOVED
    assert not found.record.overdue


@pytest.mark.parametrize("actor", ["U0RITA", "U0ADA", "U0DIRK"])
def test_nobody_but_its_owner_calls_it_off(actor: str) -> None:
    found, heard = machine()
    given = FulfilmentCancellation(attempt_id="c", actor=actor, via=Via.API)
    assert found.cancel(given, NOW).reason is FulfilmentReason.NOT_THE_OWNER
    assert heard.said == ["Created"]


def test_its_owner_calls_it_off_where_the_state_says_so() -> None:
    given = FulfilmentCancellation(attempt_id="c", actor="U0FIN", via=Via.API)
    found, _ = machine()
    assert found.cancel(given, NOW).state == "Cancelled"
    assert found.cancel(given, NOW).reason is FulfilmentReason.ENDED
    found, _ = machine()
    found.receive(event("PaymentReceived"), NOW)
    assert found.cancel(given, NOW).reason is FulfilmentReason.NOT_HERE


def test_whoever_is_in_charge_has_what_failed_tried_again() -> None:
    found, heard = machine()
    asked = FulfilmentRetry(attempt_id="r", actor="U0RITA", via=Via.CHAT)
    assert found.retry(asked).reason is FulfilmentReason.NOT_IN_CHARGE
    assert found.retry(asked.model_copy(update={"actor": "U0FIN"})).reason is FulfilmentReason.RETRIED
    assert heard.said == ["Created", "again"]


def test_one_that_goes_round_keeps_a_bounded_number_of_steps() -> None:
    found, _ = machine(ROUND_AND_ROUND)
    for number in range(2 * STEPS_KEPT):
        name = ("Go", "Back")[number % 2]
        assert found.receive(event(name, {"n": number}, str(number)), NOW).reason is FulfilmentReason.MOVED
    steps = found.record.steps
    assert len(steps) == STEPS_KEPT
    assert [step.payload is not None for step in steps] == [False] * (STEPS_KEPT - PAYLOADS_KEPT) + [
        True
    ] * PAYLOADS_KEPT
    assert all(step.payload_digest for step in steps)
    assert found.receive(event("End"), NOW).reason is FulfilmentReason.MOVED


def test_the_digest_of_a_payload_is_salted_and_each_step_has_a_salt_of_its_own() -> None:
    found, _ = machine(ROUND_AND_ROUND)
    for number, name in enumerate(["Go", "Back", "Go"]):
        found.receive(event(name, {"same": 1}, str(number)), NOW)
    digests = [step.payload_digest for step in found.record.steps]
    assert digests[0] is None
    assert len(set(digests)) == 4


def test_one_that_was_cut_short_stays_where_it_was() -> None:
    found, heard = machine()
    found.receive(event("Shipped"), NOW)
    found.stop(Status.TERMINATED, NOW)
    assert heard.said == ["Created", "stopped Created"]
    assert found.receive(event("PaymentReceived"), NOW).reason is FulfilmentReason.ENDED
    assert found.next_time() is None

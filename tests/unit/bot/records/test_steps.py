"""The records have each step after an approval once, and the audit finds steps that do not fit."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestration.domain.effects import RecordStepInput, StepCause
from orchestration.domain.errors import DeliveryError
from tests.support.logs import Keeper
from tests.support.receipts import NONCE

AT = datetime(2026, 12, 1, tzinfo=UTC)
PAID = RecordStepInput(
    request_id="order-1",
    nonce=NONCE,
    fulfilment="fulfilment-order-1-12345678",
    number=2,
    cause=StepCause.EVENT,
    state="Paid",
    from_state="Created",
    event="PaymentReceived",
    delivery="d-1",
    at=AT,
    payload_digest="0" * 64,
    attempt=1,
)


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    """An outcome, and the step after it."""
    found = Keeper(tmp_path / "data")
    found.write("order-1")
    with found.open() as records:
        records.record_step(PAID)
    return found


def test_the_same_step_again_is_there_once(keeper: Keeper) -> None:
    with keeper.open() as records:
        records.record_step(PAID.model_copy(update={"attempt": 2}))
    report = keeper.audit()
    assert report.findings == []
    assert [log.entries for log in report.logs] == [3]


def test_another_step_of_that_number_is_not_put_on_record(keeper: Keeper) -> None:
    with keeper.open() as records, pytest.raises(DeliveryError, match="Another step 2"):
        records.record_step(PAID.model_copy(update={"payload_digest": "1" * 64}))
    assert [log.entries for log in keeper.audit().logs] == [3]


def test_another_step_of_that_number_in_another_log_here_counts_too(keeper: Keeper) -> None:
    """The log that was written may be in use by another process, or damaged."""
    with keeper.open(), keeper.open() as other:
        with pytest.raises(DeliveryError, match="Another step 2"):
            other.record_step(PAID.model_copy(update={"payload_digest": "1" * 64}))
        other.record_step(PAID)
    assert keeper.faults() == []
    assert sorted(log.entries for log in keeper.audit().logs) == [2, 3]


def test_two_servers_that_recorded_two_steps_of_one_number_are_found(keeper: Keeper, tmp_path: Path) -> None:
    other = Keeper(tmp_path / "other")
    other.keys = keeper.keys
    with other.open() as records:
        records.record_step(PAID.model_copy(update={"event": "PaymentFailed", "state": "Cancelled"}))
    shutil.copytree(other.folder, keeper.folder, dirs_exist_ok=True)
    [fault] = keeper.faults()
    assert "step 2 of order-1 is another one than in entry" in fault


def test_a_step_of_what_no_log_approves_is_noted(keeper: Keeper) -> None:
    with keeper.open() as records:
        records.record_step(PAID.model_copy(update={"request_id": "order-9"}))
    assert keeper.faults() == []
    [note] = keeper.audit().findings
    assert "order-9 went on after its approval, and no log here says that it was approved" in note.words

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from pydantic import TypeAdapter, ValidationError

from orchestration.domain.commands import Reason, Verdict
from orchestration.domain.request import ApprovalRequest, Duration, Status
from orchestration.runtime.converter import PydanticConverter
from orchestration.service.messages import ENDED, SENTENCES, sentence
from orchestration.service.request_ids import CROCKFORD
from tests.support.core_world import request_ids


def asked(**changes: object) -> ApprovalRequest:
    return ApprovalRequest.model_validate(
        {"policy": "purchase", "title": "Laptops", "requester": "U0RITA"} | changes
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", timedelta(seconds=90)),
        ("1d12h", timedelta(days=1, hours=12)),
        ("2w", timedelta(weeks=2)),
        ("PT30M", timedelta(minutes=30)),
    ],
)
def test_durations_are_read_as_people_and_machines_write_them(text: str, expected: timedelta) -> None:
    assert TypeAdapter(Duration).validate_python(text) == expected


@pytest.mark.parametrize("text", ["", "d", "5", "-1d", "1h1d", "400d", 5])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Duration).validate_python(text)


def test_the_digest_covers_what_was_asked_and_nothing_else() -> None:
    base = asked(amount=Decimal(10))
    assert base.digest() == asked(amount=Decimal(10), requester="U0SAM", idempotency_key="k").digest()
    different = [asked(amount=Decimal(11)), asked(title="Desks", amount=Decimal(10)), asked()]
    assert len({base.digest(), *(request.digest() for request in different)}) == 4


def test_a_request_id_is_derived_from_an_idempotency_key_and_random_without() -> None:
    ids, keyed = request_ids("a"), asked()
    [one] = ids.of_key(keyed, "k1")
    assert [one] == ids.of_key(keyed, "k1")
    assert one not in ids.of_key(keyed, "k2")
    assert one not in ids.of_key(asked(requester="U0SAM"), "k1")
    some = {one, *(ids.fresh(asked()) for _ in range(199))}
    assert len(some) == 200
    assert all(
        len(i) == len("purchase-") + 8 and set(i.removeprefix("purchase-")) <= set(CROCKFORD) for i in some
    )


def test_the_converter_round_trips_models_and_keeps_plain_json_plain() -> None:
    converter = PydanticConverter()
    request = asked(amount=Decimal("10.50"), timeout="2h")
    text = converter.serialize(request)
    assert converter.deserialize(text, ApprovalRequest) == request
    assert converter.deserialize(text)["amount"] == "10.50"
    assert converter.serialize(None) is None
    assert converter.deserialize("") is None
    assert converter.coerce({"policy": "p", "title": "t", "requester": "U0A"}, ApprovalRequest).title == "t"
    with pytest.raises(ValidationError):
        converter.deserialize("{}", ApprovalRequest)


def test_every_verdict_has_a_sentence() -> None:
    assert set(SENTENCES) == set(Reason)
    assert set(ENDED) == {status for status in Status if status.ended}
    late = Verdict(command_id="1", reason=Reason.ALREADY_ENDED, ended_as=Status.TIMED_OUT)
    assert sentence(late) == "This request was already timed out, so nothing changed."

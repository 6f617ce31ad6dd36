import json
from typing import Any

import pytest

from bot.slack.input.target import Target, UnreadableCardError, of_click, of_message
from tests.support.identity import SHOWN

CARD = Target.of("purchase-k7m2x9qd", 2, SHOWN)


def click(metadata: Any = None, value: str | None = None) -> dict[str, Any]:
    return {"message": {"metadata": metadata}, "actions": [{"action_id": "approve", "value": value}]}


def test_the_metadata_comes_first() -> None:
    other = Target.of("purchase-00000000", 1, SHOWN)
    assert of_click(click(CARD.metadata(), other.value())) == CARD


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {},
        {"event_type": "something_else", "event_payload": CARD.model_dump()},
        {"event_type": "approval_requested", "event_payload": {"instance_id": "x"}},
        {"event_type": "approval_requested", "event_payload": {"instance_id": "x", "round": "2"}},
        {"event_type": "approval_requested", "event_payload": None},
        "text",
    ],
)
def test_the_buttons_value_stands_in(metadata: Any) -> None:
    assert of_click(click(metadata, CARD.value())) == CARD


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "approve",
        "[]",
        json.dumps({"instance_id": "purchase-k7m2x9qd"}),
        json.dumps({"instance_id": "", "round": 1}),
        json.dumps({"instance_id": "@entity", "round": 1}),
        json.dumps({"instance_id": "x" * 101, "round": 1}),
        json.dumps({"instance_id": "a b", "round": 1}),
        json.dumps({"instance_id": "x", "round": 0}),
    ],
)
def test_neither_is_refused_with_a_sentence(value: str | None) -> None:
    with pytest.raises(UnreadableCardError, match="no longer says which request it belongs to"):
        of_click(click(None, value))


def test_a_click_without_a_message_is_read_by_its_value() -> None:
    assert of_click({"actions": [{"value": CARD.value()}]}) == CARD


def test_a_message_without_ours_is_not_ours() -> None:
    assert of_message({"text": "hello"}) is None

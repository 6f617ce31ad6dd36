import json
from typing import Any

import pytest

from bot.slack.input.target import (
    OutdatedCardError,
    Target,
    UnreadableCardError,
    of_click,
    of_message,
    option,
)
from orchestration.domain.request import Identity
from tests.support.identity import SHOWN

CARD = Target.of("purchase-k7m2x9qd", 2, SHOWN)


def click(metadata: Any = None, value: str | None = None) -> dict[str, Any]:
    return {"message": {"metadata": metadata}, "actions": [{"action_id": "approve", "value": value}]}


CHANGED = Target.of(CARD.instance_id, 2, Identity(nonce=CARD.nonce, digest="e" * 64))


def chosen(card: Target, message: dict[str, Any]) -> dict[str, Any]:
    """A press on a menu entry drawn for one target, with the message as it is now."""
    entry = {"selected_option": {"value": option("delegate", card)}, "block_id": "decision"}
    return {"message": message, "actions": [entry]}


def test_a_press_that_says_another_thing_than_the_message_does_by_now_is_outdated() -> None:
    with pytest.raises(OutdatedCardError, match="has changed or was replaced since you saw it"):
        of_click(click(CHANGED.metadata(), CARD.value()))


def test_a_menu_is_about_what_it_was_drawn_for_and_about_nothing_else() -> None:
    assert of_click(chosen(CARD, {"metadata": CARD.metadata()})) == CARD
    beside = {"block_id": "decision", "elements": [{"value": CARD.value()}]}
    assert of_click(chosen(CARD, {"blocks": [beside]})) == CARD
    for now in (
        {"metadata": CHANGED.metadata()},
        {"blocks": [{**beside, "elements": [{"value": CHANGED.value()}]}]},
    ):
        with pytest.raises(OutdatedCardError):
            of_click(chosen(CARD, now))


def test_a_menu_is_never_about_another_request_of_a_card_that_shows_several_by_now() -> None:
    rows = [{"block_id": "decision.1", "elements": [{"value": CARD.value()}]}]
    with pytest.raises(UnreadableCardError):
        of_click(chosen(CARD, {"metadata": {"event_type": "approval_message"}, "blocks": rows}))


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

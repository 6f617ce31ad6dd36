"""The simulator's checks of Slack's limits, each exactly at the limit and one above."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.simulator.errors import SlackError
from bot.simulator.slack_api.blocks_check import check_blocks, with_ids
from bot.simulator.slack_api.views_check import checked_view


def plain(length: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": "x" * length}


def mrkdwn(length: int) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": "x" * length}


def button(**changes: Any) -> dict[str, Any]:
    return {"type": "button", "text": plain(1), "action_id": "a", **changes}


def actions(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements)}


def option(text: int = 1, value: int = 1) -> dict[str, Any]:
    return {"text": plain(text), "value": "v" * value}


def select(*options: dict[str, Any]) -> dict[str, Any]:
    return {"type": "static_select", "action_id": "s", "options": list(options)}


def field(element: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"type": "input", "label": plain(1), "element": element, **changes}


AT_THE_LIMIT: list[dict[str, Any]] = [
    {"type": "section", "text": mrkdwn(3000)},
    {"type": "section", "fields": [mrkdwn(2000)] * 10},
    {"type": "header", "text": plain(150)},
    {"type": "context", "elements": [mrkdwn(1)] * 10},
    {"type": "divider"},
    {"type": "image", "image_url": "https://example.com/a.png", "alt_text": "a"},
    {"type": "rich_text", "elements": []},
    actions(*[button(action_id=f"a{n}") for n in range(25)]),
    actions(button(text=plain(75), value="v" * 2000, action_id="a" * 255, url="u" * 3000, style="danger")),
    actions(
        button(confirm={"title": plain(100), "text": mrkdwn(300), "confirm": plain(30), "deny": plain(30)})
    ),
    actions(select(*[option(75, 150)] * 100)),
    field(select(option()), label=plain(2000), hint=plain(2000), block_id="b" * 255),
    field({"type": "plain_text_input", "min_length": 0, "max_length": 3000, "placeholder": plain(150)}),
    field({"type": "number_input", "is_decimal_allowed": False}),
    {"type": "section", "text": mrkdwn(1), "accessory": {"type": "overflow", "options": [option()] * 5}},
]

BEYOND: list[tuple[dict[str, Any], str]] = [
    (
        {"type": "section", "text": mrkdwn(3001)},
        "must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
    ),
    (
        {"type": "section", "text": mrkdwn(0)},
        "must be more than 0 characters [json-pointer:/blocks/0/text/text]",
    ),
    ({"type": "section"}, "missing required field: text or fields [json-pointer:/blocks/0]"),
    ({"type": "section", "text": "x"}, "must be an object [json-pointer:/blocks/0/text]"),
    (
        {"type": "section", "text": {"text": "x"}},
        "missing required field: type [json-pointer:/blocks/0/text]",
    ),
    (
        {"type": "section", "text": {"type": "html", "text": "x"}},
        "unsupported type: html [json-pointer:/blocks/0/text/type]",
    ),
    (
        {"type": "section", "fields": [mrkdwn(2001)]},
        "must be less than 2001 characters [json-pointer:/blocks/0/fields/0/text]",
    ),
    (
        {"type": "section", "fields": [mrkdwn(1)] * 11},
        "no more than 10 items allowed [json-pointer:/blocks/0/fields]",
    ),
    (
        {"type": "header", "text": plain(151)},
        "must be less than 151 characters [json-pointer:/blocks/0/text/text]",
    ),
    ({"type": "header", "text": mrkdwn(1)}, "unsupported type: mrkdwn [json-pointer:/blocks/0/text/type]"),
    ({"type": "header"}, "missing required field: text [json-pointer:/blocks/0]"),
    ({"type": "context", "elements": []}, "no fewer than 1 items allowed [json-pointer:/blocks/0/elements]"),
    (
        {"type": "context", "elements": [mrkdwn(1)] * 11},
        "no more than 10 items allowed [json-pointer:/blocks/0/elements]",
    ),
    ({"type": "context"}, "missing required field: elements [json-pointer:/blocks/0]"),
    (
        {"type": "image", "image_url": "https://x"},
        "missing required field: alt_text [json-pointer:/blocks/0]",
    ),
    ({"type": "image", "alt_text": "x"}, "missing required field: image_url [json-pointer:/blocks/0]"),
    ({"type": "marquee"}, "unsupported type: marquee [json-pointer:/blocks/0/type]"),
    ({"text": plain(1)}, "missing required field: type [json-pointer:/blocks/0]"),
    (
        actions(button(text=plain(76))),
        "must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]",
    ),
    (
        actions(button(value="v" * 2001)),
        "must be less than 2001 characters [json-pointer:/blocks/0/elements/0/value]",
    ),
    (
        actions(button(action_id="a" * 256)),
        "must be less than 256 characters [json-pointer:/blocks/0/elements/0/action_id]",
    ),
    (actions(button(style="loud")), "invalid style: loud [json-pointer:/blocks/0/elements/0/style]"),
    (
        actions(button(), button()),
        "action_id `a` already exists [json-pointer:/blocks/0/elements/1/action_id]",
    ),
    (
        actions(*[button(action_id=f"a{n}") for n in range(26)]),
        "no more than 25 items allowed [json-pointer:/blocks/0/elements]",
    ),
    (actions({"type": "lever"}), "unsupported type: lever [json-pointer:/blocks/0/elements/0/type]"),
    (
        actions({"type": "plain_text_input"}),
        "unsupported type: plain_text_input [json-pointer:/blocks/0/elements/0/type]",
    ),
    (
        actions(button(confirm={"title": plain(1), "text": plain(1), "confirm": plain(1)})),
        "missing required field: deny [json-pointer:/blocks/0/elements/0/confirm]",
    ),
    (
        actions(select(option(value=151))),
        "must be less than 151 characters [json-pointer:/blocks/0/elements/0/options/0/value]",
    ),
    (
        actions(select(option(text=76))),
        "must be less than 76 characters [json-pointer:/blocks/0/elements/0/options/0/text/text]",
    ),
    (
        actions(select(*[option()] * 101)),
        "no more than 100 items allowed [json-pointer:/blocks/0/elements/0/options]",
    ),
    (
        actions({"type": "overflow", "action_id": "o", "options": [option()] * 6}),
        "no more than 5 items allowed [json-pointer:/blocks/0/elements/0/options]",
    ),
    (
        actions({"type": "static_select"}),
        "missing required field: options [json-pointer:/blocks/0/elements/0]",
    ),
    ({"type": "input", "label": plain(1)}, "missing required field: element [json-pointer:/blocks/0]"),
    (
        field({"type": "plain_text_input"}, label=mrkdwn(1)),
        "unsupported type: mrkdwn [json-pointer:/blocks/0/label/type]",
    ),
    (field({"type": "button"}), "unsupported type: button [json-pointer:/blocks/0/element/type]"),
    (
        field({"type": "number_input"}),
        "missing required field: is_decimal_allowed [json-pointer:/blocks/0/element]",
    ),
    (
        field({"type": "plain_text_input", "max_length": 3001}),
        "must be between 1 and 3000 [json-pointer:/blocks/0/element/max_length]",
    ),
    (
        {"type": "divider", "block_id": "b" * 256},
        "must be less than 256 characters [json-pointer:/blocks/0/block_id]",
    ),
]


@pytest.mark.parametrize("block", AT_THE_LIMIT, ids=lambda block: str(block)[:50])
def test_the_limit_itself_is_taken(block: dict[str, Any]) -> None:
    assert check_blocks([block]) == []


@pytest.mark.parametrize(("block", "reason"), BEYOND, ids=lambda value: str(value)[:50])
def test_beyond_it_is_refused_with_the_place(block: dict[str, Any], reason: str) -> None:
    assert reason in check_blocks([block])


def test_fifty_blocks_a_message() -> None:
    assert check_blocks([{"type": "divider"}] * 50) == []
    assert check_blocks([{"type": "divider"}] * 51) == [
        "no more than 50 items allowed [json-pointer:/blocks]"
    ]


def test_blocks_have_ids_of_their_own() -> None:
    twice = [{"type": "divider", "block_id": "same"}] * 2
    assert check_blocks(twice) == ["block_id `same` already exists [json-pointer:/blocks/1/block_id]"]


def test_absent_ids_are_made_up() -> None:
    unnamed = button()
    del unnamed["action_id"]
    [named] = with_ids([actions(unnamed)])
    assert named["block_id"]
    assert named["elements"][0]["action_id"]
    assert with_ids([named]) == [named], "given IDs stay"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["button", "mrkdwn", "input"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "text", "fields", "elements", "element", "options", "confirm", "block_id"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=4,
)
BLOCK = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["section", "actions", "context", "header", "input", "image", "divider"])
        | JSON
    },
    optional={
        "text": JSON,
        "fields": JSON,
        "elements": JSON,
        "element": JSON,
        "accessory": JSON,
        "label": JSON,
        "block_id": JSON,
        "alt_text": JSON,
        "image_url": JSON,
    },
)


@example([{"type": "divider", "element": {"type": [], "action_id": ""}}])
@given(st.lists(BLOCK, max_size=3) | JSON)
@settings(max_examples=60)
def test_whatever_is_sent_is_refused_in_words_or_taken(blocks: Any) -> None:
    """The simulator answers an app's mistake with a reason, and never breaks."""
    if blocks is not None and not check_blocks(blocks):
        assert all(block["block_id"] for block in with_ids(blocks))


def modal(**changes: Any) -> dict[str, Any]:
    return {"type": "modal", "title": plain(24), "blocks": [{"type": "divider"}], **changes}


def test_a_modal_at_its_limits() -> None:
    view = checked_view(
        modal(
            submit=plain(24),
            close=plain(24),
            private_metadata="p" * 3000,
            callback_id="c" * 255,
            external_id="e" * 255,
            blocks=[{"type": "divider"}] * 100,
        ),
        "modal",
    )
    assert (view["clear_on_close"], view["notify_on_close"]) == (False, False)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"title": plain(25)}, "must be less than 25 characters [json-pointer:/view/title/text]"),
        ({"title": None}, "missing required field: title [json-pointer:/view]"),
        ({"title": mrkdwn(1)}, "unsupported type: mrkdwn [json-pointer:/view/title/type]"),
        ({"submit": plain(25)}, "must be less than 25 characters [json-pointer:/view/submit/text]"),
        (
            {"private_metadata": "p" * 3001},
            "must be less than 3001 characters [json-pointer:/view/private_metadata]",
        ),
        ({"callback_id": "c" * 256}, "must be less than 256 characters [json-pointer:/view/callback_id]"),
        (
            {"blocks": [{"type": "divider"}] * 101},
            "no more than 100 items allowed [json-pointer:/view/blocks]",
        ),
        ({"blocks": None}, "missing required field: blocks [json-pointer:/view]"),
        (
            {"blocks": [{"type": "header", "text": plain(151)}]},
            "must be less than 151 characters [json-pointer:/view/blocks/0/text/text]",
        ),
        (
            {"blocks": [field({"type": "plain_text_input"})]},
            "missing required field: submit (needed with input blocks) [json-pointer:/view]",
        ),
        ({"type": "home"}, "unsupported type: home [json-pointer:/view/type]"),
    ],
)
def test_a_modal_beyond_its_limits(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(SlackError) as refused:
        checked_view(modal(**changes), "modal")
    assert refused.value.code == "invalid_arguments"
    assert f"[ERROR] {reason}" in refused.value.details["response_metadata"]["messages"]


def test_a_view_of_more_than_250_kilobytes_is_refused() -> None:
    with pytest.raises(SlackError, match="view_too_large"):
        checked_view(modal(blocks=[{"type": "section", "text": mrkdwn(3000)}] * 90), "modal")

"""The card of a held call shows every character, and all of the call, or it has to be read before approval."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.simulator.slack_api.blocks_check import check_blocks
from bot.slack.messages.cards import APPROVE, READ, render
from bot.slack.text import code_pieces
from orchestration.domain.cards import Card, Shown
from orchestration.domain.request import Status
from tests.support.messages import actions_of


def card(description: str) -> Card:
    return Card(
        request_id="agents-1",
        nonce="n" * 22,
        digest="0" * 64,
        round=1,
        status=Status.PENDING,
        policy_title="Agents",
        title="claude-code calls Bash",
        description=description,
        fields=[Shown(label="Arguments, as SHA-256", value="1" * 64)],
        verbatim=True,
        requester="U0RITA",
        asked_at=datetime(2026, 1, 1, tzinfo=UTC),
        open=True,
    )


def code_of(blocks: list[dict[str, Any]]) -> list[str]:
    return [
        "".join(run["text"] for run in element["elements"])
        for block in blocks
        if block["type"] == "rich_text"
        for element in block["elements"]
    ]


@pytest.mark.parametrize(
    "command",
    ["echo `id` *b* _i_ ~s~ :smile: <!channel> @here &amp;", "```\nApproved\n```", "rm -rf 'a  b' ✓ → ·"],
)
def test_a_command_is_shown_character_by_character(command: str) -> None:
    """Slack formats nothing in a command. A back quote shown as a quotation mark would hide that something runs."""
    shown = render(card(f"command: {command}"))
    assert code_of(shown.blocks) == [f"command: {command}"]
    assert check_blocks(shown.blocks) == []
    assert APPROVE in actions_of({"blocks": shown.blocks})


@pytest.mark.parametrize("description", ["x" * 1001, "\n".join(f"line {n}" for n in range(21))])
def test_what_does_not_fit_is_read_before_it_is_approved(description: str) -> None:
    shown = render(card(description))
    assert READ in actions_of({"blocks": shown.blocks})
    assert APPROVE not in actions_of({"blocks": shown.blocks})
    [code] = code_of(shown.blocks)
    assert code.endswith("\n…")
    assert description.startswith(code.removesuffix("\n…"))


@given(st.text(alphabet="ab\n", max_size=60), st.integers(2, 9))
def test_the_pieces_for_details_leave_nothing_out(text: str, limit: int) -> None:
    pieces = list(code_pieces(text, limit))
    assert all(0 < len(piece) <= limit for piece in pieces)
    left = text
    for piece in pieces:
        assert left.startswith(piece)
        left = left[len(piece) :].removeprefix("\n")
    assert left == ""

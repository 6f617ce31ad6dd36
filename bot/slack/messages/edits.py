"""Draws what approvers changed: who changed it, the changed lines, and both digests. Pure."""

from __future__ import annotations

from typing import Final

from bot.slack import blocks
from bot.slack.blocks import Json
from bot.slack.text import code_beginning, mention, when, within
from orchestration.domain.cards import Card
from orchestration.domain.edits import as_diff, between

DIFF: Final = 1000  # characters
DIFF_LINES: Final = 16
NAMED: Final = 6  # people who changed it
VOID: Final = "Approvals given before that do not count."
BACK: Final = "It says again what was asked."


def edit_blocks(card: Card) -> list[Json]:
    """The changes since the request was made, for a card; empty if nobody changed it."""
    if not card.edits:
        return []
    lead = f"Changed by {editors(card)}, {when(card.edits[-1].at)}."
    diff = as_diff(between(card.edits))
    words = " ".join(filter(None, [lead, "" if card.status.ended else VOID, "" if diff else BACK]))
    shown = [blocks.code(code_beginning(diff, DIFF, DIFF_LINES))] if diff else []
    return [blocks.section(words), *shown, _digests(card)]


def editors(card: Card) -> str:
    """The people who changed the request, the last one first."""
    people = dict.fromkeys(edit.actor for edit in reversed(card.edits))
    return within(map(mention, list(people)[:NAMED]), ", ", 400)


def _digests(card: Card) -> Json:
    return blocks.context(f"SHA-256 as asked `{card.asked_digest}`", f"as changed `{card.digest}`")

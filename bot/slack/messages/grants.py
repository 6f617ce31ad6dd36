"""Draws a standing grant: its card, and the words by which it is given and listed. Pure.

The same view gives the same blocks, within Slack's limits whatever the agent sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bot.slack import blocks
from bot.slack.blocks import Json
from bot.slack.input.target import GrantTarget, message_metadata
from bot.slack.messages.cards import Rendered
from bot.slack.messages.grant_lines import CALLED, MARKS
from bot.slack.messages.status_labels import DOT, NO, OPEN
from bot.slack.text import bold, code_beginning, mention, plain, safe, when, within
from orchestration.domain.grant_effects import GrantView
from orchestration.domain.grants import GrantEnd, GrantFacts
from orchestration.domain.held_call import CallFacts

ACTIONS: Final = "grant"
REVOKE: Final = "grant_revoke"
SHOW: Final = "grant_show"

FIXED: Final = 2500  # characters on the card, in `FIXED_LINES` lines
FIXED_LINES: Final = 40
VARIES: Final = 200
REASON: Final = 300
NOTHING_FIXED: Final = "No argument is fixed."
ALL_FIXED: Final = "Nothing else may differ: every argument has just this value."
MASKED: Final = "What reads [masked] is fixed as well, to the value that nobody sees."
ALL_USED: Final = (
    "Such calls are asked about again. Those that it approved and that nobody has made end with it."
)
REST: Final = "_There is more of this than fits here. It is all under Show all._"


def render_grant(view: GrantView) -> Rendered:
    """The message in the channel."""
    facts = view.facts
    parts = [blocks.header(plain(title(facts.call), blocks.HEADER)), blocks.section(standing(view))]
    if view.ended is None:
        parts += pattern_blocks(facts)
        target = GrantTarget(grant=facts.id, nonce=facts.nonce)
        parts.append(
            blocks.actions(
                ACTIONS,
                revoke_button(target, facts),
                blocks.button(SHOW, "Show all", target.value(), spoken="Show all that was granted"),
            )
        )
    else:
        parts.append(blocks.section(call_line(facts.call)))
    parts.append(blocks.context(small_print(facts)))
    words = f"{MARKS[view.ended]} {CALLED[view.ended]}: {safe(title(facts.call), blocks.HEADER)}"
    return Rendered(text=words, blocks=parts, metadata=message_metadata(facts.id, facts.nonce, "grant"))


def render_trouble(view: GrantView, trouble: str) -> Rendered:
    """Draws the message to the person whose grant does not count, because its card could not be posted."""
    facts = view.facts
    words = (
        f"{NO} Your standing grant does not count: its card could not be posted. {safe(trouble, REASON)} "
        f"The call on which you gave it is approved all the same. `{facts.id}`"
    )
    return Rendered(
        text=words,
        blocks=[blocks.section(words)],
        metadata=message_metadata(facts.id, facts.nonce, "trouble"),
    )


def title(call: CallFacts) -> str:
    """What is granted, in one line. The names need no escaping: see `CallFacts`."""
    return f"{call.agent} may call {call.tool} without asking"


def standing(view: GrantView) -> str:
    """The state of the grant: who gave it, until when, and how often it was used."""
    facts = view.facts
    by = f"given by {mention(facts.granted_by)}{', by code' if facts.confirmed else ''}"
    used = f"{view.used} of {facts.terms.uses} uses"
    if view.ended is None and view.used >= facts.terms.uses:
        lead = DOT.join([f"{OPEN} {bold(CALLED[GrantEnd.USED_UP])}", by, until(facts), used])
        return f"{lead}\n{ALL_USED}"
    if view.ended is None:
        return DOT.join([f"{OPEN} {bold('Calls like this are not asked about')}", by, until(facts), used])
    ended = f"{MARKS[view.ended]} {bold(CALLED[view.ended])}"
    if view.ended_by:
        ended += f" by {mention(view.ended_by)}"
    if view.ended_at:
        ended += DOT + when(view.ended_at)
    lines = [f"{ended}{DOT}{by}{DOT}{used}", safe(view.reason, REASON)]
    return "\n".join(filter(None, [*lines, "Such calls are asked about again."]))


def until(facts: GrantFacts) -> str:
    """The time at which the grant ends, in words."""
    return f"until {when(facts.terms.until)}"


def call_line(call: CallFacts) -> str:
    """The agent, the server, the tool and the directory of the call. A grant fixes all of them."""
    said_of = {"Agent": call.agent, "Server": call.server, "Tool": call.tool, "Directory": call.directory}
    return DOT.join(f"{label}: {safe(value, VARIES, room=900)}" for label, value in said_of.items() if value)


def pattern_blocks(facts: GrantFacts) -> list[Json]:
    """Which calls the grant covers: who calls what, which values are fixed, and which may vary."""
    fixed = facts.pattern.fixed
    shown = code_beginning(fixed, FIXED, FIXED_LINES)
    parts = [blocks.section(call_line(facts.call))]
    if fixed:
        parts += [blocks.section("With just these values:"), blocks.code(shown), *masked_note(fixed)]
        if shown != fixed:
            parts.append(blocks.section(REST))
    else:
        parts.append(blocks.section(NOTHING_FIXED))
    parts.append(blocks.section(varies(facts.pattern.vary)))
    return parts


def masked_note(fixed: str) -> list[Json]:
    """A note that masked values are fixed too, if there may be any."""
    return [blocks.context(MASKED)] if "[masked]" in fixed else []


def varies(vary: Sequence[str]) -> str:
    """Which arguments may have any value."""
    if not vary:
        return ALL_FIXED
    return f"With any value of: {bold(within([safe(one, VARIES) for one in vary], ', ', 2000))}"


def small_print(facts: GrantFacts) -> str:
    """The token that the grant is bound to, and the grant's ID."""
    token = f" with the token {safe(facts.asked_with, 60)}" if facts.asked_with else ""
    asked = f"Asked by {mention(facts.requester)}{token}"
    return DOT.join([asked, safe(facts.policy_title, 60), safe(facts.id, 120)])


def revoke_button(target: GrantTarget, facts: GrantFacts) -> Json:
    """The button that ends the grant."""
    spoken = plain(f"Revoke: {title(facts.call)}", blocks.BUTTON)
    return blocks.button(REVOKE, "Revoke", target.value(), style="danger", spoken=spoken)


def home_row(view: GrantView) -> str:
    """The row of the grant in App Home."""
    facts = view.facts
    small = [
        f"given by {mention(facts.granted_by)}",
        until(facts),
        f"{view.used} of {facts.terms.uses} uses",
        safe(facts.id, 120),
    ]
    return f"{bold(safe(title(facts.call), 250))}\n{DOT.join(small)}"

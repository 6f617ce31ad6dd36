"""Draws App Home: what waits for a person, what they asked for, what was decided lately, and absences. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Final, TypeVar

from bot.slack import blocks
from bot.slack.blocks import Json
from bot.slack.input import away
from bot.slack.input.target import GrantTarget, Target
from bot.slack.messages.grants import home_row
from bot.slack.messages.grants import title as grant_title
from bot.slack.messages.status_labels import CALLED, DOT, MARKS, OPEN
from bot.slack.text import bold, mention, plain, safe, said, when
from bot.slack.views.home_gatherings import asked_row, awaited_row, ended_row
from orchestration.approval.status import RequestView
from orchestration.domain.money import format_amount
from orchestration.domain.people import PersonEntry
from orchestration.domain.policy_book import Outlook
from orchestration.domain.request import Status
from orchestration.gathering.status import GatheringRead
from orchestration.grants.models import GrantProgress
from orchestration.service.worklists import AnyView, AwaitedAnswer, Worklist

T = TypeVar("T")

ID: Final = "home"
ITEM: Final = "home_open"
ASK: Final = "home_ask"
AWAY: Final = "home_away"
BACK: Final = "home_back"
REVOKE_GRANT: Final = "home_revoke_grant"
BUTTONS: Final = "home_buttons"
AWAY_BUTTONS: Final = "home_away_buttons"

# Slack takes 100 blocks, and 250,000 bytes of JSON, in a view. These are 85 blocks; the rest needs about twelve.
MOST_WAITING: Final = 50
MOST_ASKED: Final = 15
MOST_DECIDED: Final = 15
MOST_GRANTS: Final = 5  # the API lists all
ROOM: Final = 230_000  # bytes

WAITING_TITLE: Final = "Waiting for you"
NOTHING_WAITS: Final = "Nothing to decide. What you are asked to decide or to answer is listed here."
GROUPS_UNKNOWN: Final = (
    "Slack did not say just now which user groups you are in, so what waits for those may be missing here."
)
GRANTS_TITLE: Final = "Calls that are approved in advance"
ASKED_TITLE: Final = "What you asked for"
NOTHING_ASKED: Final = (
    "No open requests. Press *Ask for approval*, or write `/request-approval` in any channel."
)
DECIDED_TITLE: Final = "Recent decisions"
NOTHING_DECIDED: Final = (
    "Nothing yet. What you asked for, decided or answered is listed here once it has ended."
)
AWAY_TITLE: Final = "When you are away"
THERE: Final = f"You are available. When you are away, somebody else can be asked in your place {away.WHERE}."
LISTED: Final = "Whoever runs Countersign has entered this for you."


def home_view(
    worklist: Worklist,
    listed: PersonEntry | None,
    today: date,
    outlook: Outlook,
    *,
    groups_unknown: bool = False,
    grants: Sequence[GrantProgress] = (),
) -> Json:
    """Draws App Home. `listed` is the person's entry in the operator's file; `today` is a day in UTC.

    `outlook` is what their absence does not cover.
    `grants` are standing grants that they gave or may revoke.
    `groups_unknown`: Slack does not say which groups they are in, so something may be missing.
    """
    room = [ROOM]
    parts = [
        blocks.actions(BUTTONS, blocks.button(ASK, "Ask for approval", "ask", spoken="Ask for approval")),
        blocks.header(WAITING_TITLE),
        *([blocks.context(GROUPS_UNKNOWN)] if groups_unknown else []),
        *_rows(worklist.waits, _waiting, MOST_WAITING, NOTHING_WAITS, room, unseen=worklist.unseen),
        *_grants(grants, room),
        blocks.divider(),
        blocks.header(ASKED_TITLE),
        *_rows(worklist.asked, _under_way, MOST_ASKED, NOTHING_ASKED, room),
        blocks.divider(),
        blocks.header(DECIDED_TITLE),
        *_rows(worklist.decided, _over, MOST_DECIDED, NOTHING_DECIDED, room),
        blocks.divider(),
        blocks.header(AWAY_TITLE),
        *_away(worklist.entry, listed, today, outlook),
    ]
    return {"type": "home", "callback_id": ID, "blocks": parts}


def _grants(grants: Sequence[GrantProgress], room: list[int]) -> Iterator[Json]:
    """The standing grants, each with a button to revoke it; empty if there are none."""
    if not grants:
        return
    yield blocks.divider()
    yield blocks.header(GRANTS_TITLE)
    shown = 0
    for one in grants[:MOST_GRANTS]:
        target = GrantTarget(grant=one.facts.id, nonce=one.facts.nonce)
        spoken = plain(f"Revoke: {grant_title(one.facts.call)}", blocks.BUTTON)
        button = blocks.button(REVOKE_GRANT, "Revoke", target.value(), style="danger", spoken=spoken)
        row = blocks.row(home_row(one.view()), button)
        room[0] -= len(json.dumps(row))
        if room[0] < 0:
            break
        shown += 1
        yield row
    if len(grants) > shown:
        yield blocks.context(f"and {len(grants) - shown} more")


def _rows(
    items: Sequence[T],
    draw: Callable[[T], Json],
    most: int,
    nothing: str,
    room: list[int],
    *,
    unseen: int = 0,
) -> Iterator[Json]:
    """A row for each item, as far as there is `room`. The other items are counted."""
    shown = 0
    for item in items[:most]:
        row = draw(item)
        room[0] -= len(json.dumps(row))
        if room[0] < 0:
            break
        shown += 1
        yield row
    if others := len(items) + unseen - shown:
        yield blocks.context(f"and {others} more" if shown else f"{others} are not listed here")
    elif not shown:
        yield blocks.section(nothing)


def _waiting(item: RequestView | AwaitedAnswer) -> Json:
    return awaited_row(item) if isinstance(item, AwaitedAnswer) else _row(item, _waits(item))


def _under_way(item: AnyView) -> Json:
    return asked_row(item) if isinstance(item, GatheringRead) else _row(item, _asked(item))


def _over(item: AnyView) -> Json:
    return ended_row(item) if isinstance(item, GatheringRead) else _row(item, _decided(item))


def _row(item: RequestView, text: str) -> Json:
    progress = item.progress
    target = Target.of(progress.request_id, max(progress.round, 1), progress.identity)
    spoken = plain(f"Open {progress.title}", blocks.BUTTON)
    return blocks.row(text, blocks.button(ITEM, "Open", target.value(), spoken=spoken))


# ---- what a row says -------------------------------------------------------------------------------------


def _waits(item: RequestView) -> str:
    asks = f"{mention(item.request.requester)} asks"
    return _lines(item, [asks, *_until(item), *_level(item)])


def _asked(item: RequestView) -> str:
    """The state of a request: which level it waits for, how many have approved there, and until when."""
    progress = item.progress
    where = f"{MARKS[progress.status]} {CALLED[progress.status]}"
    level = progress.levels[-1] if progress.levels else None
    if level and level.escalated_to:
        where += f" to {mention(level.escalated_to)}"
    elif level:
        where = f"{OPEN} Waiting for {safe(level.name, 40)}"
    if level and level.needed > 1:
        where += f", {level.approvals} of {level.needed}"
    return _lines(item, [where, *_until(item)])


def _decided(item: RequestView) -> str:
    progress, outcome = item.progress, item.progress.outcome
    how = f"{MARKS[progress.status]} {CALLED[progress.status]}"
    if outcome and outcome.processed_by and progress.status is not Status.CANCELLED:
        how += f" by {mention(outcome.processed_by)}"
    at = [when(outcome.processed_at)] if outcome else []
    return _lines(item, [how, *at, f"asked for by {mention(item.request.requester)}"])


def _lines(item: RequestView, parts: Sequence[str]) -> str:
    request = item.request
    title = bold(said(request.title, 150, room=800)) or safe(item.policy.title, 60)
    amount = [] if request.amount is None else [format_amount(request.amount, request.currency)]
    small = [*parts, safe(item.progress.request_id, 60)]
    return f"{DOT.join([title, *amount])}\n{DOT.join(small)}"


def _until(item: RequestView) -> list[str]:
    deadline = item.progress.deadline
    return [f"until {when(deadline)}"] if deadline else []


def _level(item: RequestView) -> list[str]:
    """The name of the present level, if the policy has several."""
    levels = item.progress.levels
    return [safe(levels[-1].name, 40)] if levels and len(item.policy.levels) > 1 else []


# ---- being away ------------------------------------------------------------------------------------------


def _away(
    own: PersonEntry | None, listed: PersonEntry | None, today: date, outlook: Outlook
) -> Iterator[Json]:
    entry = away.standing(own, listed, today)
    if entry is None:
        yield blocks.section(THERE)
        label = "I will be away…"
        yield blocks.actions(AWAY_BUTTONS, blocks.button(AWAY, label, "set", spoken="I will be away"))
        return
    yield blocks.section(away.told(entry, outlook))
    if own is None:
        yield blocks.context(LISTED)
    begun = entry.away is not None and entry.away.since <= today
    back = "I am back" if begun else "Cancel absence"
    yield blocks.actions(
        AWAY_BUTTONS,
        blocks.button(AWAY, "Change…", "set", spoken="Change when you are away"),
        blocks.button(BACK, back, "back", spoken=back),
    )

"""Renders the record of a request as a whole HTML page. Pure functions."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from bot.http.pages.record import RequestRecord
from bot.http.templating import TEMPLATES, render
from bot.records.entries import unchecked_claims
from bot.slack.ids import is_channel, is_person
from bot.slack.messages.status_labels import CALLED, DOT, MARKS, VOTE_MARKS
from bot.slack.text import system, unescape
from orchestration.approval.projection import call_fields
from orchestration.domain.cards import Shown
from orchestration.domain.edits import as_diff
from orchestration.domain.fields import date_in_words, host_of
from orchestration.domain.inert import in_quotes, inert
from orchestration.domain.money import format_amount
from orchestration.domain.request import Choice, RemarkKind, Status, Via
from orchestration.domain.text import line
from orchestration.service.messages import why_escalated

STYLE: Final = (TEMPLATES / "record.css").read_text()
# The Content-Security-Policy allows this one stylesheet, by its hash, and nothing else.
STYLE_HASH: Final = "sha256-" + b64encode(sha256(STYLE.encode()).digest()).decode()

VERDICTS: Final = {Choice.APPROVE: "approved", Choice.REJECT: "rejected"}
WAYS: Final = {Via.CHAT: "in Slack", Via.SMS: "by SMS", Via.API: "by API"}
SPOKE: Final = {RemarkKind.QUESTION: "asks", RemarkKind.ANSWER: "answers", RemarkKind.COMMENT: "comments"}

GONE_TITLE: Final = "This link has ended"
GONE: Final = "A link to a record is for one person and for an hour, and this one is not good any more."
GONE_NEXT: Final = (
    "For a new one, open the request in Slack: ⋯ Details on its card, then “Open the whole record”."
)
UNKNOWN_TITLE: Final = "There is no such request any more"
UNKNOWN: Final = "It may have been removed after its retention time."
AWAY_TITLE: Final = "The record cannot be read just now"
AWAY: Final = "The task hub does not answer. Nothing is lost; please reload this page in a minute."


@dataclass(frozen=True)
class Viewer:
    """For whom the page is made, until when its address is good, and where the server is."""

    person: str
    until: datetime
    public_url: str


def record_page(record: RequestRecord, names: Mapping[str, str], viewer: Viewer) -> str:
    """Returns the page. A person without an entry in `names` is shown by ID.

    A name can be chosen to look like somebody else's, so the ID is beside every name. What people wrote is set off as
    a quote.
    """
    request, progress, policy = record.request, record.progress, record.policy
    specs = {spec.name: spec for spec in policy.fields}
    entry = unchecked_claims(progress.outcome.receipt or "") if progress.outcome else {}
    return render(
        "record.html",
        style=STYLE,
        request=request,
        policy=policy,
        progress=progress,
        outcome=progress.outcome,
        entry=entry,
        signed_at=_moment(entry.get("signed_at")),
        amount=None if request.amount is None else format_amount(request.amount, request.currency),
        fields=[
            *call_fields(request),
            *(
                Shown(label=specs[name].title, value=value, type=specs[name].type)
                if name in specs
                else Shown(label=name, value=value)
                for name, value in request.fields.items()
                if value
            ),
        ],
        host_of=host_of,
        date_in_words=date_in_words,
        edits=progress.edits,
        as_diff=as_diff,
        later_levels=[] if progress.status.ended else policy.levels[len(progress.levels) :],
        remarks=record.remarks,
        timeline=record.timeline,
        names=names,
        viewer=viewer,
        public_url=viewer.public_url,
        tone=_tone(progress.status),
        marks=MARKS,
        called=CALLED,
        vote_marks=VOTE_MARKS,
        verdicts=VERDICTS,
        ways=WAYS,
        spoke=SPOKE,
        dot=DOT,
        clean=inert,
        said=in_quotes,
        why_escalated=why_escalated,
        line=_line,
        is_person=is_person,
        is_channel=is_channel,
        system_name=_system_name,
        iso=_iso,
        utc=_utc,
        utc_seconds=_utc_seconds,
    )


def notice_page(title: str, *sentences: str) -> str:
    """Returns a page that says why there is nothing to see."""
    return render("notice.html", style=STYLE, title=title, sentences=sentences)


def _system_name(label: str) -> str:
    """Returns the outside system that an action reached. Of a URL only the host: its path may be a secret."""
    return unescape(system(label))


def _line(text: str) -> str:
    return inert(line(text))


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _moment(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _utc_seconds(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _tone(status: Status) -> str:
    """Returns the CSS class that colours the status line."""
    if status in {Status.APPROVED, Status.AUTO_APPROVED}:
        return "yes"
    return "open" if not status.ended else "no"

"""How the record of a request looks. Pure: takes a record and returns the whole page."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from bot.http.api.timeline import TimelineEntry
from bot.http.pages.html import Html, document, run, tag
from bot.http.pages.record import RequestRecord
from bot.slack.messages.status_labels import CALLED, DOT, MARKS, VOTE_MARKS
from bot.slack.text import clean, system, unescape
from orchestration.domain.money import format_amount
from orchestration.domain.request import (
    ActionState,
    Choice,
    Factor,
    LevelState,
    Remark,
    RemarkKind,
    Status,
    Via,
    Vote,
)

STYLE: Final = Path(__file__).with_name("page.css").read_text()
# The one stylesheet is named by its hash: nothing else on the page can have any effect.
STYLE_HASH: Final = "sha256-" + b64encode(sha256(STYLE.encode()).digest()).decode()

VERDICTS: Final = {Choice.APPROVE: "approved", Choice.REJECT: "rejected"}
WAYS: Final = {Via.CHAT: "in Slack", Via.SMS: "by SMS", Via.API: "by API"}
CONFIRMED: Final = "confirmed by a code to their phone"
SPOKE: Final = {RemarkKind.QUESTION: "asks", RemarkKind.ANSWER: "answers", RemarkKind.COMMENT: "comments"}
NO_DECISION: Final = "Nobody has decided here."
UNDECIDED: Final = "It gets one when it is decided."
UNSIGNED: Final = "It has none: it was not signed when it ended."
TIMES: Final = "All times are UTC."
HISTORY: Final = "Every step that the task hub has on record, read from the durable history itself."
RECEIPT: Final = (
    "The outcome, signed with this server's Ed25519 key, so that anybody can check it without access to Slack or to "
    "this page."
)
CHECKING: Final = "Put it into a file, and run"

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
class Reader:
    """For whom the page is made, until when its address is good, and where the server is."""

    person: str
    until: datetime
    public_url: str


def record_page(record: RequestRecord, names: Mapping[str, str], reader: Reader) -> str:
    """The page. Whoever is not in `names` is shown by ID."""
    return document(
        f"{_line(record.request.title)} · {record.progress.request_id}",
        STYLE,
        tag("main", *_Page(record, names, reader).parts()),
    )


def notice_page(title: str, *sentences: str) -> str:
    """A page that says why there is nothing to see."""
    said = [tag("p", sentence) for sentence in sentences]
    return document(title, STYLE, tag("main", tag("h1", title), *said, class_="notice"))


class _Page:
    def __init__(self, record: RequestRecord, names: Mapping[str, str], reader: Reader) -> None:
        self._record = record
        self._names = names
        self._reader = reader

    def parts(self) -> Iterator[Html]:
        record = self._record
        yield self._head()
        yield self._asked()
        yield _section("Decisions", *map(self._level, record.progress.levels), *self._upcoming())
        if record.progress.actions:
            yield _section("What it set going", tag("ul", *map(_action, record.progress.actions)))
        if record.said:
            yield _section("Questions and answers", tag("ol", *map(self._remark, record.said), class_="said"))
        yield self._receipt()
        steps = [self._step(entry) for entry in record.timeline]
        yield _section(
            "Timeline", tag("p", f"{HISTORY} {TIMES}", class_="faint"), tag("ol", *steps, class_="steps")
        )
        yield self._foot()

    # ---- what was asked ----------------------------------------------------------------------------------

    def _head(self) -> Html:
        progress, outcome = self._record.progress, self._record.progress.outcome
        by = self._who(outcome.processed_by) if outcome and outcome.processed_by else None
        mark = tag("span", MARKS[progress.status], class_="mark")
        line: list[Html | str] = [mark, " ", tag("strong", CALLED[progress.status])]
        if by is not None:
            line += [" by ", by]
        if outcome:
            line += [", ", _time(outcome.processed_at)]
        elif progress.levels:
            line += [f" for {_line(progress.levels[-1].name)}"]
            line += [", until ", _time(progress.deadline)] if progress.deadline else []
        why = outcome.comments or outcome.reason if outcome else ""
        return tag(
            "header",
            tag("p", f"{self._record.policy.title}{DOT}{progress.request_id}", class_="faint"),
            tag("h1", _line(self._record.request.title), dir="auto"),
            tag("p", *line, class_=f"status {_tone(progress.status)}"),
            _quote(why) if why else None,
        )

    def _asked(self) -> Html:
        request, facts = self._record.request, list[tuple[str, Html | str]]()
        facts.append(("Asked by", tag("span", self._who(request.requester), *self._by_token())))
        facts.append(("Asked at", _time(self._record.progress.asked_at)))
        if request.amount is not None:
            facts.append(("Amount", format_amount(request.amount, request.currency)))
        labels = {spec.name: spec.title for spec in self._record.policy.fields}
        facts += [
            (_line(labels.get(name, name)), tag("span", clean(value), dir="auto"))
            for name, value in request.fields.items()
            if value
        ]
        listed = [part for name, value in facts for part in (tag("dt", name), tag("dd", value))]
        return _section(
            "What was asked",
            tag("dl", *listed),
            _quote(request.description) if request.description.strip() else None,
            tag("p", "Its SHA-256: ", tag("code", request.digest()), class_="faint"),
        )

    def _by_token(self) -> list[Html | str]:
        token = self._record.request.asked_with
        return [f", by API with the token {token}"] if token else []

    # ---- decisions ---------------------------------------------------------------------------------------

    def _level(self, level: LevelState) -> Html:
        state = [f"{MARKS[level.status]} {CALLED[level.status]}", f"needs {level.needed}"]
        if not level.status.ended and level.deadline:
            state.append(f"until {_utc(level.deadline)}")
        may = _listed([self._who(who) for who in level.approvers])
        stands = [
            tag("li", self._who(present), " decides for ", self._who(absent), self._why(level, absent))
            for absent, present in level.delegates.items()
        ]
        votes = [self._vote(vote) for vote in level.decisions]
        return tag(
            "article",
            tag("h3", _line(level.name), " ", tag("small", DOT.join(state))),
            tag("p", "Approvers: ", *may, class_="faint") if may else None,
            tag("ul", *stands, class_="faint") if stands else None,
            self._escalated(level),
            tag("ul", *votes, class_="votes") if votes else tag("p", NO_DECISION),
        )

    @staticmethod
    def _why(level: LevelState, absent: str) -> str:
        return ", who handed their vote over" if absent in level.delegated else ", who is away"

    @staticmethod
    def _escalated(level: LevelState) -> Html | None:
        if level.escalated_at is None:
            return None
        where = tag("code", level.escalated_to) if level.escalated_to else None
        return tag("p", "Nobody decided in time: escalated ", _time(level.escalated_at), " to ", where)

    def _vote(self, vote: Vote) -> Html:
        confirmed = f", {CONFIRMED}" if vote.factor is Factor.SMS else ""
        token = f" with the token {vote.token}" if vote.token else ""
        return tag(
            "li",
            f"{VOTE_MARKS[vote.choice]} ",
            self._who(vote.actor),
            run(" for ", self._who(vote.holder)) if vote.holder != vote.actor else None,
            f" {VERDICTS[vote.choice]}, ",
            _time(vote.at),
            f", {WAYS[vote.via]}{token}{confirmed}",
            _quote(vote.comment) if vote.comment.strip() else None,
        )

    def _upcoming(self) -> Iterator[Html]:
        progress, policy = self._record.progress, self._record.policy
        later = [] if progress.status.ended else policy.levels[len(progress.levels) :]
        if later:
            yield tag("p", "Then: ", ", ".join(_line(level.name) for level in later), class_="faint")
        if not progress.levels and not later:
            yield tag("p", progress.outcome.reason if progress.outcome else NO_DECISION)

    def _remark(self, remark: Remark) -> Html:
        return tag(
            "li", self._who(remark.actor), f" {SPOKE[remark.kind]}, ", _time(remark.at), _quote(remark.text)
        )

    # ---- proof -------------------------------------------------------------------------------------------

    def _receipt(self) -> Html:
        outcome, request_id = self._record.progress.outcome, self._record.progress.request_id
        if outcome is None or outcome.receipt is None:
            return _section("Receipt", tag("p", UNSIGNED if outcome and self._sealed else UNDECIDED))
        url = self._reader.public_url
        command = (
            f"COUNTERSIGN_URL={url} countersign verify - \\\n"
            f"    --id {request_id} \\\n    --digest {outcome.digest} \\\n    < receipt.txt"
        )
        keys = f"{url}/.well-known/jwks.json"
        return _section(
            "Receipt",
            tag("p", RECEIPT),
            tag("pre", outcome.receipt, class_="jws"),
            tag("p", CHECKING),
            tag("pre", command),
            tag(
                "p",
                "Offline, with the keys of ",
                tag("code", keys),
                " kept: ",
                tag("code", "--jwks FILE"),
                ".",
            ),
        )

    @property
    def _sealed(self) -> bool:
        return not self._record.progress.receipt_pending

    def _step(self, entry: TimelineEntry) -> Html:
        return tag(
            "li",
            _time(entry.at, seconds=True),
            tag(
                "span",
                tag("span", clean(entry.text), dir="auto"),
                run(DOT, self._who(entry.actor)) if entry.actor else None,
                run(DOT, tag("code", entry.channel)) if entry.channel else None,
                f"{DOT}try {entry.attempt}" if entry.attempt and entry.attempt > 1 else None,
                f"{DOT}refused: “{entry.refused}”" if entry.refused else None,
            ),
        )

    def _foot(self) -> Html:
        reader = self._reader
        return tag(
            "footer",
            tag(
                "p",
                "Made for ",
                self._who(reader.person),
                "; this address is good until ",
                _time(reader.until),
                ".",
            ),
        )

    def _who(self, principal: str) -> Html:
        """A name can be chosen to look like somebody else's, so the ID is always beside it."""
        name = self._names.get(principal)
        code = tag("code", principal)
        return tag("span", tag("bdi", _line(name)), " ", code, class_="who") if name else code


def _section(title: str, *parts: Html | None) -> Html:
    return tag("section", tag("h2", title), *parts)


def _action(action: ActionState) -> Html:
    """Of an address only the host: its path may be a secret."""
    where = unescape(system(action.label))
    return tag("li", DOT.join(filter(None, [where, action.status, _line(action.answer)])))


def _quote(text: str) -> Html:
    """What a person wrote, set off, so that it cannot pass for ours."""
    return tag("blockquote", clean(text).strip(), dir="auto")


def _listed(parts: list[Html]) -> list[Html | str]:
    joined: list[Html | str] = []
    for part in parts:
        joined += [", ", part] if joined else [part]
    return joined


def _line(text: str) -> str:
    return " ".join(clean(text).split())


def _time(moment: datetime, *, seconds: bool = False) -> Html:
    at = moment.astimezone(UTC)
    shown = f"{at:%Y-%m-%d %H:%M:%S}" if seconds else _utc(at)
    return tag("time", shown, datetime=at.isoformat(timespec="seconds"))


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _tone(status: Status) -> str:
    if status in {Status.APPROVED, Status.AUTO_APPROVED}:
        return "yes"
    return "open" if not status.ended else "no"

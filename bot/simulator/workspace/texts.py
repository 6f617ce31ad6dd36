"""Text messages, phones and opt-outs, on disk."""

import secrets
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bot.simulator.workspace.changes import Change, Changes
from bot.simulator.workspace.store import Store

Direction = Literal["inbound", "outbound-api", "outbound-reply"]

# A phone shows this many texts; older ones stay on disk.
SHOWN = 200


@dataclass(frozen=True, slots=True)
class PlannedOutcome:
    """How a text will end: its last status and error, and how late its callbacks are.

    A "dropped" text stays at its first status, and nobody is told. `delay` is in seconds.
    """

    end_status: Literal["delivered", "undelivered", "failed", "dropped"] = "delivered"
    end_code: int | None = None
    delay: float = 0.0


def new_sid() -> str:
    """Return a fresh message SID."""
    return f"SM{secrets.token_hex(16)}"


@dataclass(frozen=True, slots=True)
class TextMessage:
    """One text. Instants are epoch seconds of the workspace's time; `status` is Twilio's word."""

    direction: Direction
    sender: str
    recipient: str
    body: str
    status: str
    error_code: int | None = None
    service: str | None = None
    callback: str | None = None
    outcome: PlannedOutcome = field(default=PlannedOutcome())
    sid: str = field(default_factory=new_sid)
    created: float = 0.0
    updated: float = 0.0
    sent: float | None = None
    shown: int | None = None

    @property
    def inbound(self) -> bool:
        """Whether a person wrote it."""
        return self.direction == "inbound"


class Texts:
    """Reads and writes texts, phones and opt-outs. `now` returns the workspace's time in epoch seconds."""

    def __init__(self, store: Store, changes: Changes, now: Callable[[], float]) -> None:
        self._store = store
        self._changes = changes
        self.now = now

    def seed_phones(self, phones: Mapping[str, str]) -> None:
        """Add a phone for each of these people, by ID, who has none. Unknown IDs are skipped."""
        for person, number in phones.items():
            self._store.execute(
                "INSERT OR IGNORE INTO phone (number, person) SELECT ?, id FROM person WHERE id = ?",
                number,
                person,
            )

    def number_of(self, person: str) -> str | None:
        """Return a person's number, or None."""
        row = self._store.one("SELECT number FROM phone WHERE person = ?", person)
        return row["number"] if row else None

    def owner_of(self, number: str) -> str | None:
        """Return the person whose number this is, or None."""
        row = self._store.one("SELECT person FROM phone WHERE number = ?", number)
        return row["person"] if row else None

    def add(self, text: TextMessage) -> TextMessage:
        """Store a new text and return it with its instants."""
        now = self.now()
        with self._store.transaction():
            self._store.execute(
                "INSERT INTO text (sid, direction, sender, recipient, body, status, error_code, created, updated,"
                " service, callback, end_status, end_code, delay)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                text.sid,
                text.direction,
                text.sender,
                text.recipient,
                text.body,
                text.status,
                text.error_code,
                now,
                now,
                text.service,
                text.callback,
                text.outcome.end_status,
                text.outcome.end_code,
                text.outcome.delay,
            )
            return self._show(text.sid)

    def move(self, sid: str, status: str, error_code: int | None = None) -> TextMessage:
        """Set the status of a text, and return the changed text."""
        with self._store.transaction():
            self._store.execute(
                "UPDATE text SET status = ?2, error_code = ?3, updated = ?4,"
                " sent = CASE WHEN ?2 = 'sent' THEN ?4 ELSE sent END WHERE sid = ?1",
                sid,
                status,
                error_code,
                self.now(),
            )
            return self._show(sid)

    def get(self, sid: str) -> TextMessage | None:
        """Return a text by SID, or None."""
        row = self._store.one("SELECT * FROM text WHERE sid = ?", sid)
        return _text(row) if row else None

    def on_phone(self, number: str) -> list[TextMessage]:
        """Return the last 200 texts that a phone sent or was sent, also those that did not arrive; oldest first."""
        rows = self._store.all(
            "SELECT * FROM text WHERE (sender = ?1 OR recipient = ?1) AND shown IS NOT NULL"
            " ORDER BY shown DESC LIMIT ?2",
            number,
            SHOWN,
        )
        return [_text(row) for row in reversed(rows)]

    def last_sent_by(self, number: str) -> TextMessage | None:
        """Return the newest text that a phone sent, or None."""
        row = self._store.one("SELECT * FROM text WHERE sender = ? ORDER BY shown DESC LIMIT 1", number)
        return _text(row) if row else None

    def under_way(self) -> list[TextMessage]:
        """Return the texts that are not finished, oldest first."""
        rows = self._store.all(
            "SELECT * FROM text WHERE status IN ('accepted', 'queued', 'sent', 'receiving')"
            " AND end_status != 'dropped' ORDER BY created"
        )
        return [_text(row) for row in rows]

    def opt_out(self, number: str, scope: str) -> bool:
        """Stop all texts to a number from a sender or a service; False when they were stopped already."""
        changed = self._store.execute("INSERT OR IGNORE INTO opt_out VALUES (?, ?)", number, scope)
        return bool(changed)

    def opt_in(self, number: str, scope: str) -> bool:
        """Allow texts to a number again; False when they were allowed already."""
        changed = self._store.execute("DELETE FROM opt_out WHERE number = ? AND scope = ?", number, scope)
        return bool(changed)

    def has_opted_out(self, number: str, scope: str | None = None) -> bool:
        """Say whether a number has opted out of this sender or service; without a scope, of any."""
        row = self._store.one(
            "SELECT 1 FROM opt_out WHERE number = ?1 AND (?2 IS NULL OR scope = ?2)", number, scope
        )
        return row is not None

    def mark_read(self, person: str) -> None:
        """Mark everything on a person's phone as read."""
        with self._store.transaction():
            self._store.execute(
                "UPDATE phone SET last_read = (SELECT coalesce(max(shown), 0) FROM text) WHERE person = ?",
                person,
            )
            self._announce(person)

    def unread(self) -> dict[str, int]:
        """Return the number of unread texts by person; people without any are left out."""
        rows = self._store.all(
            "SELECT p.person, count(*) AS unread FROM phone p"
            " JOIN text t ON t.recipient = p.number AND t.shown > p.last_read AND t.status = 'delivered'"
            " GROUP BY p.person"
        )
        return {row["person"]: row["unread"] for row in rows}

    def _show(self, sid: str) -> TextMessage:
        """Put a text on the phone if its status says that it belongs there, and return it as it is now."""
        self._store.execute(
            "UPDATE text SET shown = (SELECT coalesce(max(shown), 0) + 1 FROM text)"
            " WHERE sid = ? AND shown IS NULL"
            " AND (direction = 'inbound' OR status IN ('delivered', 'undelivered', 'failed'))",
            sid,
        )
        text = self.get(sid)
        assert text is not None  # noqa: S101 — it was written in this transaction
        owner = self.owner_of(text.sender if text.inbound else text.recipient)
        if text.shown is not None and owner is not None:
            self._announce(owner)
        return text

    def _announce(self, person: str) -> None:
        change = Change("phone", audience=frozenset({person}))
        self._store.after_commit(lambda: self._changes.publish(change))


def _text(row: sqlite3.Row) -> TextMessage:
    values: dict[str, Any] = dict(row)
    outcome = PlannedOutcome(values.pop("end_status"), values.pop("end_code"), values.pop("delay"))
    return TextMessage(**values, outcome=outcome)

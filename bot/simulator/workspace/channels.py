"""Channels, direct messages with the app, and who is in them."""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from bot.simulator.workspace.changes import Change, Changes
from bot.simulator.workspace.seed import SeedChannel
from bot.simulator.workspace.store import Store


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel, or a direct message between the app and `im_with`."""

    id: str
    name: str
    topic: str
    is_private: bool
    im_with: str | None
    is_archived: bool = False

    @property
    def is_im(self) -> bool:
        """Say whether this is a direct message."""
        return self.im_with is not None

    @property
    def kind(self) -> str:
        """Return the type in the words of Slack's scopes and filters: public_channel, private_channel or im."""
        if self.is_im:
            return "im"
        return "private_channel" if self.is_private else "public_channel"


# For each person in ?1: the messages of others that the person can see, after the person's read mark. A reply counts
# where it names the person, was broadcast, or is in a thread in which the person takes part.
# One query for all people, because the page shows each person's unread mark.
_UNREAD = """
SELECT person, channel, count(*) AS unread, coalesce(sum(named), 0) AS named FROM (
    SELECT m.*, c.person, m.ephemeral_to = c.person OR EXISTS (
        SELECT 1 FROM mention n WHERE n.channel = m.channel AND n.ts = m.ts AND n.person = c.person
    ) AS named
    FROM channel_member c JOIN message m ON m.channel = c.channel AND m.ts > c.last_read
    WHERE c.person IN (SELECT value FROM json_each(?1))
      AND m.author != c.person AND (m.ephemeral_to IS NULL OR m.ephemeral_to = c.person)
) AS m
WHERE thread_ts IS NULL OR broadcast OR named OR EXISTS (
    SELECT 1 FROM message t
    WHERE t.channel = m.channel AND t.author = m.person AND (t.ts = m.thread_ts OR t.thread_ts = m.thread_ts)
)
GROUP BY person, channel
"""


@dataclass(frozen=True, slots=True)
class Unread:
    """How many messages of a channel a person has not read, and whether one of them names the person."""

    count: int = 0
    named: bool = False


class Channels:
    """Reads and writes channels and memberships."""

    def __init__(self, store: Store, changes: Changes) -> None:
        self._store = store
        self._changes = changes

    def add(self, channel: SeedChannel, members: tuple[str, ...]) -> None:
        """Open a channel with these members."""
        self._store.execute(
            "INSERT INTO channel (id, name, topic, is_private) VALUES (?, ?, ?, ?)",
            channel.id,
            channel.name,
            channel.topic,
            channel.is_private,
        )
        for member in members:
            self.join(channel.id, member)

    def open_im(self, person: str, app: str) -> tuple[Channel, bool]:
        """Return the direct message between this person and the app, and whether it existed before."""
        channel_id = "D0" + person.removeprefix("U0")
        if found := self.get(channel_id):
            return found, True
        with self._store.transaction():
            self._store.execute(
                "INSERT INTO channel (id, name, im_with) VALUES (?, ?, ?)", channel_id, person, person
            )
            self.join(channel_id, person)
            self.join(channel_id, app)
        return Channel(channel_id, person, "", is_private=False, im_with=person), False

    def get(self, channel_id: str) -> Channel | None:
        """Return a channel by ID, or None."""
        row = self._store.one("SELECT * FROM channel WHERE id = ?", channel_id)
        return _channel(row) if row else None

    def named(self, name: str) -> Channel | None:
        """Return a channel by name, with or without its #, or None."""
        row = self._store.one(
            "SELECT * FROM channel WHERE name = ? AND im_with IS NULL", name.removeprefix("#")
        )
        return _channel(row) if row else None

    def all(self) -> list[Channel]:
        """Return every channel and direct message."""
        return [
            _channel(row)
            for row in self._store.all("SELECT * FROM channel ORDER BY im_with IS NOT NULL, name")
        ]

    def visible_to(self, person: str) -> list[Channel]:
        """Return what this person sees: their channels, their direct messages, and the channels they may join."""
        return [
            channel
            for channel in self.all()
            if self.has_member(channel.id, person) or not (channel.is_private or channel.is_im)
        ]

    def members(self, channel_id: str) -> list[str]:
        """Return the IDs of a channel's members, in the order they joined the workspace."""
        rows = self._store.all(
            "SELECT m.person FROM channel_member m JOIN person p ON p.id = m.person"
            " WHERE m.channel = ? ORDER BY p.joined",
            channel_id,
        )
        return [row["person"] for row in rows]

    def has_member(self, channel_id: str, person: str) -> bool:
        """Say whether this person is in the channel."""
        query = "SELECT 1 FROM channel_member WHERE channel = ? AND person = ?"
        return self._store.one(query, channel_id, person) is not None

    def join(self, channel_id: str, person: str) -> bool:
        """Add a person, with everything said so far counted as read; False when they were a member already."""
        return bool(
            self._store.execute(
                "INSERT OR IGNORE INTO channel_member (channel, person, last_read)"
                " SELECT ?, ?, coalesce(max(ts), '0') FROM message WHERE channel = ?",
                channel_id,
                person,
                channel_id,
            )
        )

    def archive(self, channel_id: str) -> None:
        """Close a channel. As at Slack, apps are removed from it, and people stay members."""
        with self._store.transaction():
            self._store.execute("UPDATE channel SET is_archived = 1 WHERE id = ?", channel_id)
            self._store.execute(
                "DELETE FROM channel_member WHERE channel = ? AND person IN"
                " (SELECT id FROM person WHERE json_extract(body, '$.is_bot'))",
                channel_id,
            )

    def mark_read(self, channel_id: str, person: str) -> None:
        """Mark everything in the channel as read by this person."""
        with self._store.transaction():
            self._store.execute(
                "UPDATE channel_member SET last_read ="
                " (SELECT coalesce(max(ts), '0') FROM message WHERE channel = ?1)"
                " WHERE channel = ?1 AND person = ?2",
                channel_id,
                person,
            )
            change = Change("read", channel_id, audience=frozenset({person}))
            self._store.after_commit(lambda: self._changes.publish(change))

    def last_read(self, channel_id: str, person: str) -> str:
        """Return the ts up to which this person has read; "0" when nothing, or not a member."""
        query = "SELECT last_read FROM channel_member WHERE channel = ? AND person = ?"
        row = self._store.one(query, channel_id, person)
        return row["last_read"] if row else "0"

    def unread(self, people: Iterable[str]) -> dict[tuple[str, str], Unread]:
        """Return what these people have not read, by person and channel; a channel with nothing new is left out.

        A reply counts only where it names them, or where they take part in the thread. Channels that they are
        not in do not count. A direct message always counts as naming them.
        """
        direct = {channel.id for channel in self.all() if channel.is_im}
        return {
            (row["person"], row["channel"]): Unread(
                row["unread"], bool(row["named"]) or row["channel"] in direct
            )
            for row in self._store.all(_UNREAD, json.dumps(list(people)))
        }


def _channel(row: sqlite3.Row) -> Channel:
    return Channel(
        row["id"],
        row["name"],
        row["topic"],
        bool(row["is_private"]),
        row["im_with"],
        bool(row["is_archived"]),
    )

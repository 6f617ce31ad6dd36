"""Messages: posted, edited, threaded, reacted to, or seen by one person only."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from bot.simulator.workspace.changes import Change, Changes
from bot.simulator.workspace.channels import Channels
from bot.simulator.workspace.people import People
from bot.simulator.workspace.store import Store

Json = dict[str, Any]

# Seconds. Slack names no limit; a day is long enough to read one.
EPHEMERAL_LIFETIME = 24 * 3600.0

_MENTION = re.compile(
    r"<(?:@(?P<person>[A-Z0-9]+)|!subteam\^(?P<group>[A-Z0-9]+)|!(?P<all>here|channel|everyone))[|>]"
)


@dataclass(frozen=True, slots=True)
class Message:
    """A message as stored.

    `author` is a user ID; `bot` says that an app, or Slack itself, speaks through it. `ephemeral_to` names
    the only person who sees it. `edited` is the ts of the last edit that Slack marks as one.
    """

    channel: str
    author: str
    ts: str = ""
    text: str = ""
    bot: bool = False
    username: str | None = None
    blocks: list[Json] | None = None
    attachments: list[Json] | None = None
    metadata: Json | None = None
    files: list[Json] | None = None
    thread_ts: str | None = None
    broadcast: bool = False
    ephemeral_to: str | None = None
    edited: str | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)

    @property
    def ephemeral(self) -> bool:
        """Say whether only one person sees it."""
        return self.ephemeral_to is not None


@dataclass(frozen=True, slots=True)
class Thread:
    """The summary of its replies that a parent message shows."""

    reply_count: int
    reply_users: list[str]
    latest_reply: str


class Messages:
    """Reads and writes messages. `next_ts` returns a new, increasing timestamp, unique in the workspace."""

    def __init__(
        self, store: Store, changes: Changes, people: People, channels: Channels, next_ts: Callable[[], str]
    ) -> None:
        self._store = store
        self._changes = changes
        self._people = people
        self._channels = channels
        self._next_ts = next_ts

    def post(self, message: Message) -> Message:
        """Store a new message and return it with its ts."""
        with self._store.transaction():
            posted = replace(message, ts=self._next_ts())
            self._store.execute(
                "INSERT INTO message (channel, ts, author, thread_ts, broadcast, ephemeral_to, body)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                posted.channel,
                posted.ts,
                posted.author,
                posted.thread_ts,
                posted.broadcast,
                posted.ephemeral_to,
                _body(posted),
            )
            if posted.ephemeral:
                self._forget_ephemerals(before=float(posted.ts) - EPHEMERAL_LIFETIME)
            self._index_mentions(posted)
            self._announce(posted)
        return posted

    def save(self, message: Message) -> Message:
        """Store a changed message, identified by its channel and ts."""
        with self._store.transaction():
            self._store.execute(
                "UPDATE message SET broadcast = ?, body = ? WHERE channel = ? AND ts = ?",
                message.broadcast,
                _body(message),
                message.channel,
                message.ts,
            )
            self._store.execute(
                "DELETE FROM mention WHERE channel = ? AND ts = ?", message.channel, message.ts
            )
            self._index_mentions(message)
            self._announce(message)
        return message

    def delete(self, message: Message) -> None:
        """Remove a message. Replies to it stay where they are."""
        with self._store.transaction():
            self._store.execute(
                "DELETE FROM message WHERE channel = ? AND ts = ?", message.channel, message.ts
            )
            self._announce(message)

    def react(self, message: Message, name: str, person: str) -> bool:
        """Add a reaction; False when that person had reacted with it already."""
        with self._store.transaction():
            added = self._store.execute(
                "INSERT OR IGNORE INTO reaction VALUES (?, ?, ?, ?)",
                message.channel,
                message.ts,
                name,
                person,
            )
            self._announce(message)
        return bool(added)

    def get(self, channel: str, ts: str) -> Message | None:
        """Return a message, or None."""
        row = self._store.one("SELECT * FROM message WHERE channel = ? AND ts = ?", channel, ts)
        return self._messages(channel, [row])[0] if row else None

    def in_channel(self, channel: str, viewer: str | None = None) -> list[Message]:
        """Return the messages of the channel outside threads, oldest first, with the ephemerals of `viewer`."""
        rows = self._store.all(
            "SELECT * FROM message WHERE channel = ? AND (thread_ts IS NULL OR broadcast)"
            " AND (ephemeral_to IS NULL OR ephemeral_to = ?) ORDER BY ts",
            channel,
            viewer,
        )
        return self._messages(channel, rows)

    def in_thread(self, channel: str, thread_ts: str, viewer: str | None = None) -> list[Message]:
        """Return a parent and its replies, oldest first, with the ephemerals of `viewer`."""
        rows = self._store.all(
            "SELECT * FROM message WHERE channel = ? AND (ts = ? OR thread_ts = ?)"
            " AND (ephemeral_to IS NULL OR ephemeral_to = ?) ORDER BY ts",
            channel,
            thread_ts,
            thread_ts,
            viewer,
        )
        return self._messages(channel, rows)

    def threads(self, channel: str, parent: str | None = None) -> dict[str, Thread]:
        """Return the summaries of replies, by the parent's ts: of one `parent`, or of all in the channel."""
        rows = self._store.all(
            "SELECT thread_ts, ts, author FROM message"
            " WHERE channel = ?1 AND thread_ts IS NOT NULL AND ephemeral_to IS NULL"
            " AND (?2 IS NULL OR thread_ts = ?2) ORDER BY ts",
            channel,
            parent,
        )
        replies: dict[str, list[sqlite3.Row]] = {}
        for row in rows:
            replies.setdefault(row["thread_ts"], []).append(row)
        return {
            ts: Thread(len(found), list(dict.fromkeys(row["author"] for row in found)), found[-1]["ts"])
            for ts, found in replies.items()
        }

    def last_ts(self, channel: str) -> str | None:
        """Return the ts of the newest message everyone sees in the channel itself."""
        row = self._store.one(
            "SELECT max(ts) AS ts FROM message WHERE channel = ? AND ephemeral_to IS NULL"
            " AND (thread_ts IS NULL OR broadcast)",
            channel,
        )
        return row["ts"] if row else None

    def _messages(self, channel: str, rows: list[sqlite3.Row]) -> list[Message]:
        # One query for all reactions, of one message or of the whole channel, instead of one for each message.
        only = rows[0]["ts"] if len(rows) == 1 else None
        reactions: dict[str, dict[str, list[str]]] = {}
        for found in self._store.all(
            "SELECT ts, name, person FROM reaction WHERE channel = ?1 AND (?2 IS NULL OR ts = ?2)",
            channel,
            only,
        ):
            reactions.setdefault(found["ts"], {}).setdefault(found["name"], []).append(found["person"])
        return [
            Message(
                channel=row["channel"],
                ts=row["ts"],
                author=row["author"],
                thread_ts=row["thread_ts"],
                broadcast=bool(row["broadcast"]),
                ephemeral_to=row["ephemeral_to"],
                reactions=reactions.get(row["ts"], {}),
                **json.loads(row["body"]),
            )
            for row in rows
        ]

    def _forget_ephemerals(self, before: float) -> None:
        self._store.execute(
            "DELETE FROM message WHERE ephemeral_to IS NOT NULL AND CAST(ts AS REAL) < ?", before
        )

    def _announce(self, message: Message) -> None:
        if message.ephemeral_to is not None:
            change = Change("ephemeral", message.channel, message.ts, frozenset({message.ephemeral_to}))
        else:
            audience = None
            channel = self._channels.get(message.channel)
            if channel is not None and (channel.is_im or channel.is_private):
                audience = frozenset(self._channels.members(message.channel))
            change = Change("message", message.channel, message.ts, audience)
        self._store.after_commit(lambda: self._changes.publish(change))

    def _index_mentions(self, message: Message) -> None:
        for person in self._mentioned(message):
            self._store.execute(
                "INSERT OR IGNORE INTO mention (channel, ts, person) VALUES (?, ?, ?)",
                message.channel,
                message.ts,
                person,
            )

    def _mentioned(self, message: Message) -> Iterable[str]:
        # Blocks are searched as text: a mention may sit in any text object of any block.
        for found in _MENTION.finditer(f"{message.text} {json.dumps(message.blocks, ensure_ascii=False)}"):
            if found["person"]:
                yield found["person"]
            elif found["group"]:
                yield from self._people.members_of(found["group"])
            else:
                yield from self._channels.members(message.channel)


def _body(message: Message) -> str:
    fields = ("text", "bot", "username", "blocks", "attachments", "metadata", "files", "edited")
    return json.dumps({name: getattr(message, name) for name in fields}, ensure_ascii=False)

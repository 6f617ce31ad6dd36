"""Modals, stacked per person, and App Homes."""

import json
import secrets
import sqlite3
from dataclasses import dataclass, replace
from typing import Any

from bot.simulator.errors import SlackError
from bot.simulator.workspace.changes import Change, Changes
from bot.simulator.workspace.store import Store

Json = dict[str, Any]

MAX_STACK = 3


@dataclass(frozen=True, slots=True)
class View:
    """A view as stored: `content` comes from the app; `values` are what the person has entered so far."""

    id: str
    person: str
    position: int | None
    content: Json
    values: Json
    hash: str

    @property
    def is_home(self) -> bool:
        """Say whether this is an App Home, not a modal."""
        return self.position is None

    @property
    def blocks(self) -> list[Json]:
        """Return the blocks, each with its block_id."""
        blocks: list[Json] = self.content["blocks"]
        return blocks


class Views:
    """Reads and writes views. Showing a view raises SlackError when another view has its external ID."""

    def __init__(self, store: Store, changes: Changes) -> None:
        self._store = store
        self._changes = changes

    def stack(self, person: str) -> list[View]:
        """Return a person's open modals, the one in front last."""
        rows = self._store.all(
            "SELECT * FROM view WHERE person = ? AND position IS NOT NULL ORDER BY position", person
        )
        return [_view(row) for row in rows]

    def home(self, person: str) -> View | None:
        """Return what the app shows this person on its Home tab, or None."""
        row = self._store.one("SELECT * FROM view WHERE person = ? AND position IS NULL", person)
        return _view(row) if row else None

    def get(self, view_id: str) -> View | None:
        """Return a view by ID, or None when there is none (any more)."""
        row = self._store.one("SELECT * FROM view WHERE id = ?", view_id)
        return _view(row) if row else None

    def by_external_id(self, external_id: str) -> View | None:
        """Return a view by the app's own ID for it, or None."""
        row = self._store.one("SELECT * FROM view WHERE external_id = ?", external_id)
        return _view(row) if row else None

    def open(self, person: str, content: Json) -> View:
        """Show a modal as the root of a new stack. Modals that were open before are closed."""
        with self._store.transaction():
            self._store.execute("DELETE FROM view WHERE person = ? AND position IS NOT NULL", person)
            return self._insert(person, 0, content)

    def push(self, person: str, content: Json) -> View:
        """Put a modal on top of those that are open. The caller has checked MAX_STACK."""
        with self._store.transaction():
            return self._insert(person, len(self.stack(person)), content)

    def publish(self, person: str, content: Json) -> View:
        """Show a Home tab, which replaces the one before."""
        with self._store.transaction():
            if shown := self.home(person):
                return self.update(shown, content)
            return self._insert(person, None, content)

    def update(self, view: View, content: Json) -> View:
        """Replace a view's content. Values in inputs that stay are kept."""
        kept = {
            block["block_id"]: view.values[block["block_id"]]
            for block in content["blocks"]
            if block["block_id"] in view.values
        }
        return self._save(replace(view, content=content, values=kept, hash=_fresh_hash()))

    def put_values(self, view: View, values: Json) -> View:
        """Keep what the person has entered so far. No change is published, because the person sees it already."""
        kept = replace(view, values=values)
        with self._store.transaction():
            self._store.execute("UPDATE view SET body = ? WHERE id = ?", _body(kept), kept.id)
        return kept

    def close(self, view: View) -> None:
        """Close one modal; the one below it is in front again."""
        with self._store.transaction():
            self._store.execute("DELETE FROM view WHERE id = ?", view.id)
            self._announce(view)

    def close_all(self, person: str) -> None:
        """Close every modal of this person."""
        with self._store.transaction():
            for view in self.stack(person):
                self.close(view)

    def _insert(self, person: str, position: int | None, content: Json) -> View:
        view = View("V0" + secrets.token_hex(5).upper(), person, position, content, {}, _fresh_hash())
        self._claim(view)
        self._store.execute(
            "INSERT INTO view (id, person, position, external_id, body) VALUES (?, ?, ?, ?, ?)",
            view.id,
            person,
            position,
            content["external_id"] or None,
            _body(view),
        )
        self._announce(view)
        return view

    def _save(self, view: View) -> View:
        with self._store.transaction():
            self._claim(view)
            self._store.execute(
                "UPDATE view SET external_id = ?, body = ? WHERE id = ?",
                view.content["external_id"] or None,
                _body(view),
                view.id,
            )
            self._announce(view)
        return view

    def _claim(self, view: View) -> None:
        """Raise SlackError when another view has this one's external ID."""
        holder = self.by_external_id(view.content["external_id"]) if view.content["external_id"] else None
        if holder is not None and holder.id != view.id:
            raise SlackError("duplicate_external_id")

    def _announce(self, view: View) -> None:
        change = Change("home" if view.is_home else "view", audience=frozenset({view.person}))
        self._store.after_commit(lambda: self._changes.publish(change))


def _body(view: View) -> str:
    return json.dumps({"content": view.content, "values": view.values, "hash": view.hash}, ensure_ascii=False)


def _view(row: sqlite3.Row) -> View:
    return View(row["id"], row["person"], row["position"], **json.loads(row["body"]))


def _fresh_hash() -> str:
    return secrets.token_hex(8)

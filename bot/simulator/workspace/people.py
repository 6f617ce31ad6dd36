"""The people and the user groups of a workspace."""

import json
from dataclasses import asdict

from bot.simulator.workspace.seed import Group, Member
from bot.simulator.workspace.store import Store


class People:
    """Reads and writes people and user groups."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # Read once, because every message shown needs its author. Only `add` changes it.
        self._known: dict[str, Member] | None = None

    def add(self, person: Member) -> None:
        """Let a person join the workspace."""
        self._known = None
        self._store.execute(
            "INSERT INTO person (id, body) VALUES (?, ?)", person.id, json.dumps(asdict(person))
        )

    def add_group(self, group: Group) -> None:
        """Add a user group."""
        self._store.execute(
            "INSERT INTO user_group (id, handle, name) VALUES (?, ?, ?)", group.id, group.handle, group.name
        )
        for member in group.members:
            self._store.execute("INSERT INTO user_group_member VALUES (?, ?)", group.id, member)

    def get(self, person_id: str) -> Member | None:
        """Return a person by ID, or None."""
        return self._everyone().get(person_id)

    def all(self) -> list[Member]:
        """Return everyone, in the order they joined; the app included."""
        return list(self._everyone().values())

    def app(self) -> Member:
        """Return the app's bot user."""
        return next(person for person in self._everyone().values() if person.is_bot)

    def _everyone(self) -> dict[str, Member]:
        if self._known is None:
            rows = self._store.all("SELECT id, body FROM person ORDER BY joined")
            self._known = {row["id"]: Member(**json.loads(row["body"])) for row in rows}
        return self._known

    def groups(self) -> list[Group]:
        """Return every user group with its members."""
        return [
            Group(row["id"], row["handle"], row["name"], tuple(self.members_of(row["id"])))
            for row in self._store.all("SELECT * FROM user_group ORDER BY handle")
        ]

    def members_of(self, group_id: str) -> list[str]:
        """Return the IDs of a group's members; empty when there is no such group."""
        rows = self._store.all("SELECT person FROM user_group_member WHERE user_group = ?", group_id)
        return [row["person"] for row in rows]

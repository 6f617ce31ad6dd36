"""The people and the user groups of a workspace."""

import json
from dataclasses import asdict

from bot.simulator.seed import Group, Member
from bot.simulator.store import Store


class People:
    """Reads and writes people and user groups."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, person: Member) -> None:
        """Let a person join the workspace."""
        self._store.execute(
            "INSERT INTO person (id, body) VALUES (?, ?)", person.id, json.dumps(asdict(person))
        )

    def add_group(self, group: Group) -> None:
        """Found a user group."""
        self._store.execute(
            "INSERT INTO user_group (id, handle, name) VALUES (?, ?, ?)", group.id, group.handle, group.name
        )
        for member in group.members:
            self._store.execute("INSERT INTO user_group_member VALUES (?, ?)", group.id, member)

    def get(self, person_id: str) -> Member | None:
        """Give a person by ID, or None."""
        row = self._store.one("SELECT body FROM person WHERE id = ?", person_id)
        return Member(**json.loads(row["body"])) if row else None

    def all(self) -> list[Member]:
        """Give everyone, in the order they joined; the app included."""
        return [
            Member(**json.loads(row["body"]))
            for row in self._store.all("SELECT body FROM person ORDER BY joined")
        ]

    def app(self) -> Member:
        """Give the app's bot user."""
        return next(person for person in self.all() if person.is_bot)

    def groups(self) -> list[Group]:
        """Give every user group with its members."""
        return [
            Group(row["id"], row["handle"], row["name"], tuple(self.members_of(row["id"])))
            for row in self._store.all("SELECT * FROM user_group ORDER BY handle")
        ]

    def members_of(self, group_id: str) -> list[str]:
        """Give the IDs of a group's members; empty when there is no such group."""
        rows = self._store.all("SELECT person FROM user_group_member WHERE user_group = ?", group_id)
        return [row["person"] for row in rows]

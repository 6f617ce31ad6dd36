"""The state of one workspace, on disk."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from bot.simulator.workspace.changes import Changes
from bot.simulator.workspace.channels import Channels
from bot.simulator.workspace.files import UploadedFiles
from bot.simulator.workspace.messages import Messages
from bot.simulator.workspace.people import People
from bot.simulator.workspace.response_urls import ResponseUrls
from bot.simulator.workspace.seed import SEED, Seed
from bot.simulator.workspace.store import Store
from bot.simulator.workspace.texts import Texts
from bot.simulator.workspace.views import Views


class Workspace:
    """Everything a workspace remembers: people, channels, messages, files, views, read marks, response URLs, texts.

    `now` returns the workspace's time in epoch seconds; replace it at any time to run the workspace on another
    clock. Use it from one thread at a time.
    """

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self.store = store
        self.now = now
        self.changes = Changes()
        self.people = People(store)
        self.channels = Channels(store, self.changes)
        self.messages = Messages(store, self.changes, self.people, self.channels, self.next_ts)
        self.files = UploadedFiles(store)
        self.views = Views(store, self.changes)
        self.response_urls = ResponseUrls(store)
        self.texts = Texts(store, self.changes, self._time)

    @classmethod
    def open(cls, path: Path | None, *, seed: Seed = SEED, now: Callable[[], float] = time.time) -> Self:
        """Open the workspace in the file at `path` (in memory when None), created from `seed` the first time.

        Raises SimulatorError when the file is in use, is not a workspace's, or was written by a newer
        version.
        """
        workspace = cls(Store(path), now)
        if workspace.store.is_new:
            workspace._seed(seed)
        # At every opening, so that a file from a version without phones gets them now.
        workspace.texts.seed_phones(seed.phones)
        return workspace

    def _seed(self, seed: Seed) -> None:
        everyone = tuple(person.id for person in seed.people)
        with self.store.transaction():
            for name in ("name", "domain", "team_id"):
                self.store.execute("INSERT INTO setting VALUES (?, ?)", name, getattr(seed, name))
            for person in seed.people:
                self.people.add(person)
            for group in seed.groups:
                self.people.add_group(group)
            for channel in seed.channels:
                self.channels.add(channel, channel.members or everyone)
            app = self.people.app().id
            for person in seed.people:
                if not person.is_bot:
                    self.channels.open_im(person.id, app)

    @property
    def name(self) -> str:
        """Return the workspace's name."""
        return self._setting("name")

    @property
    def domain(self) -> str:
        """Return the workspace's subdomain."""
        return self._setting("domain")

    @property
    def team_id(self) -> str:
        """Return the workspace's ID."""
        return self._setting("team_id")

    def next_ts(self) -> str:
        """Return a fresh message timestamp: later than every one before, even if the clock went back."""
        with self.store.transaction():
            microseconds = max(int(self.now() * 1_000_000), int(self._setting("last_ts", "0")) + 1)
            self.store.execute("INSERT OR REPLACE INTO setting VALUES ('last_ts', ?)", str(microseconds))
        return f"{microseconds // 1_000_000}.{microseconds % 1_000_000:06d}"

    def _time(self) -> float:
        # Looked up each time, because `now` may be replaced.
        return self.now()

    def _setting(self, name: str, default: str = "") -> str:
        row = self.store.one("SELECT value FROM setting WHERE name = ?", name)
        return str(row["value"]) if row else default

    def close(self) -> None:
        """Release the file."""
        self.store.close()

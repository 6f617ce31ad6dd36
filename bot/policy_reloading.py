"""Reads the policy file again after a change. A valid edit applies to new requests; a faulty one has no effect."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from bot.outbound import actions
from bot.outbound.actions import InstalledAction
from bot.set_up import SetUp
from bot.slack.ids import SlackIds
from orchestration.domain import policy_file
from orchestration.domain.errors import PolicyError
from orchestration.domain.people import PersonEntry
from orchestration.domain.policy_book import PolicyBook

log = logging.getLogger(__name__)

NEEDS_SMS: Final = "needs a code by SMS (sms, sms_above), but no TWILIO_ settings are given"


def load(path: Path, known: Mapping[str, InstalledAction], *, sms: bool) -> PolicyBook:
    """The policies, checked also against the `known` actions and, where a code is needed, for `sms`.

    Raises `PolicyError` with one line for each fault.
    """
    book = policy_file.load(path, SlackIds())
    faults = list(actions.missing(book.policies, known))
    if not sms:
        faults += [(("policies", key), NEEDS_SMS) for key, policy in book.policies.items() if policy.confirms]
    if faults:
        text = path.read_text()
        raise PolicyError(
            "\n".join(
                f"{path}:{policy_file.locate(text, place)}: {'.'.join(map(str, place))}: {words}."
                for place, words in faults
            )
        )
    return book


def changes_of_people(before: PolicyBook, after: PolicyBook) -> Iterator[str]:
    """The changes in who is asked in whose place, and when: one line for each person, without phone numbers."""
    for person in sorted({*before.people, *after.people}):
        was, now = (_entry_words(book.people.get(person)) for book in (before, after))
        if was != now:
            yield f"{person}: {now} (before: {was})"


def _entry_words(entry: PersonEntry | None) -> str:
    delegate = f"delegate {entry.delegate}" if entry and entry.delegate else "no delegate"
    away = f"away from {entry.away.since} until {entry.away.until}" if entry and entry.away else "not away"
    return f"{delegate}, {away}"


class PolicyReloader:
    """When called, returns the present policies of the file. Raises `PolicyError` if they are faulty at the start."""

    def __init__(
        self, path: Path, known: Mapping[str, InstalledAction], *, sms: bool, set_up: SetUp | None = None
    ) -> None:
        """Logs what `set_up` makes impossible, at the start and after each valid edit."""
        self._path = path
        self._known = known
        self._sms = sms
        self._seen = self._stamp()
        self._set_up = set_up
        self._book = load(path, known, sms=sms)
        for warning in set_up.of_settings() if set_up else ():
            log.warning("%s", warning)
        self._warn()
        self.digest = self._digest()

    def __call__(self) -> PolicyBook:
        """The last policies without a fault. Faults of a newer file are logged once, one line each."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            self._reload()
        return self._book

    def _reload(self) -> None:
        before = self._book
        try:
            self._book = load(self._path, self._known, sms=self._sms)
            self.digest = self._digest()
        except PolicyError as error:
            log.error("the policy file has faults, so the policies before it stay in force:\n%s", error)  # noqa: TRY400 - the error names every fault by line
        else:
            log.info("the policies of %s are in force: %s", self._path, ", ".join(self._book.names()))
            for change in changes_of_people(before, self._book):
                log.info("new requests go by this: %s", change)
            self._warn()

    def _warn(self) -> None:
        for warning in self._set_up.warnings(self._book) if self._set_up else ():
            log.warning("%s: %s", self._path, warning)

    def _digest(self) -> str:
        """SHA-256 of the file, to find out whether other processes have the same file."""
        return hashlib.sha256(self._path.read_bytes()).hexdigest()

    def _stamp(self) -> tuple[int, int, int] | None:
        """A value that differs after any change, even if the file is replaced or a link is swapped. None: no file."""
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

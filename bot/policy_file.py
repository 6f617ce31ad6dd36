"""The policy file while the bot runs: an edit counts for the next new request, and a faulty one changes nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from bot import actions
from bot.actions import InstalledAction
from orchestration import policies
from orchestration.errors import PolicyError
from orchestration.policies import PolicyBook

log = logging.getLogger(__name__)


def load(path: Path, known: Mapping[str, InstalledAction]) -> PolicyBook:
    """The policies, checked also against the `known` actions. Raises `PolicyError`, one line a fault."""
    book = policies.load(path)
    if faults := list(actions.missing(book.policies, known)):
        text = path.read_text()
        raise PolicyError(
            "\n".join(
                f"{path}:{policies.locate(text, place)}: {'.'.join(place)}: {words}."
                for place, words in faults
            )
        )
    return book


class PolicyFile:
    """Gives the policies as they are in the file now. Raises `PolicyError` when they are faulty at the start."""

    def __init__(self, path: Path, known: Mapping[str, InstalledAction]) -> None:
        self._path = path
        self._known = known
        self._seen = self._stamp()
        self._book = load(path, known)

    def __call__(self) -> PolicyBook:
        """The last policies without a fault; the faults of newer ones are logged once, by line."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            self._reload()
        return self._book

    def _reload(self) -> None:
        try:
            self._book = load(self._path, self._known)
        except PolicyError as error:
            log.error("the policies are not taken over, and the ones before stay:\n%s", error)  # noqa: TRY400 - the lines say it all
        else:
            log.info(
                "the policies are taken over from %s: %s", self._path, ", ".join(sorted(self._book.policies))
            )

    def _stamp(self) -> tuple[int, int, int] | None:
        """What changes when the file does: editors replace it, deploys swap a link; None while it is not there."""
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

"""Exports a part of the records for an auditor, to a folder that can be checked without the server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from bot.records.entries import Entry, Kind, hash_of, read_line, unchecked_claims
from bot.records.reading import Logs
from bot.security.signatures import time_of
from orchestration.domain.errors import CountersignError

KEYS: Final = "jwks.json"
RECEIPTS: Final = "receipts.jsonl"
REQUESTS: Final = "requests.jsonl"

README: Final = """# Records of {issuer}

Every outcome that was signed from {since} until {until}, made on {made}.

| file | what it is |
| --- | --- |
| `LOG/entries.jsonl` | the entries of each log, as the server wrote them: each names the hash of the one before |
| `LOG/heads.jsonl` | signed statements of how long the log was, and when |
| `{receipts}` | the receipts among them, with what they say, to be read and searched |
| `{requests}` | the requests with their texts, as far as the server still had them |
| `{keys}` | the public keys, as the server had them |

Check it, with nothing but this folder:

    countersign audit verify . --jwks {keys} --from {since} --until {until}

The keys are what all of it rests on. So compare them with those that the server publishes at
{issuer}/.well-known/jwks.json, or with those that you got before. Give heads and receipts that you have from
elsewhere with `--known FILE`: they show that nothing was cut off or written anew.

A log begins with the last entry before the time asked for, and ends with the first after it where there is one. So
nothing between them can be missing.

{logs}
"""


class ExportError(CountersignError):
    """The records cannot be exported."""


@dataclass(frozen=True)
class ExportedLog:
    """What was exported of one log. `last` and `hash` are of the last entry that was copied."""

    id: str
    first: int
    last: int
    hash: str
    is_whole: bool  # whether the log had no entry after that one


@dataclass(frozen=True)
class _Part:
    """The entries from `first` to `last`, both included."""

    first: int
    last: int
    end: int  # the last entry of the log


class RecordsExport:
    """Copies what falls into [since, until) to a new folder. Raises `ExportError` where it cannot."""

    def __init__(self, logs: Logs, folder: Path, since: datetime, until: datetime) -> None:
        self._logs = logs
        self._folder = folder
        self._since = since
        self._until = until
        self.receipts: dict[tuple[str, str], dict[str, Any]] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise ExportError(f"{folder} is not empty; give a new folder.")
        except OSError as error:
            raise ExportError(f"{folder} cannot be written to ({error.strerror}).") from error

    def copy(self, head: Callable[[ExportedLog], str] | None) -> list[ExportedLog]:
        """Copies the logs. `head` signs a head of a log of which the last entry was copied, if it can."""
        return [self._copy_log(log, head) for log in self._logs.ids()]

    def _copy_log(self, log: str, head: Callable[[ExportedLog], str] | None) -> ExportedLog:
        part = self._part(log)
        folder = self._folder / log
        folder.mkdir()
        last_hash = ""
        with (folder / "entries.jsonl").open("wb") as copied, (self._folder / RECEIPTS).open("a") as receipts:
            at = 0
            for line in self._logs.lines(log):
                entry = read_line(line)
                at = entry.place.sequence if entry else at + 1
                if part.first <= at <= part.last:
                    copied.write(line + b"\n")
                    last_hash = hash_of(line) if entry else last_hash
                    self._note_receipt(entry, receipts)
                at = at if entry else at - 1
        done = ExportedLog(log, part.first, part.last, last_hash, part.last == part.end)
        self._copy_heads(done, head)
        return done

    def _note_receipt(self, entry: Entry | None, receipts: Any) -> None:
        if entry is None or entry.kind is not Kind.RECEIPT:
            return
        claims = unchecked_claims(entry.jws)
        at = time_of(claims.get("signed_at"))
        if at is not None and self._since <= at < self._until:
            self.receipts[entry.request, entry.nonce] = claims
            receipts.write(json.dumps({"claims": claims, "receipt": entry.jws}, ensure_ascii=False) + "\n")

    def _copy_heads(self, done: ExportedLog, head: Callable[[ExportedLog], str] | None) -> None:
        """Copies the heads about copied entries. A head about a later entry would make the copy look cut."""
        with (self._folder / done.id / "heads.jsonl").open("w") as file:
            for known in self._logs.heads(done.id):
                sequence = unchecked_claims(known).get("sequence")
                if isinstance(sequence, int) and done.first <= sequence <= done.last:
                    file.write(known + "\n")
            if head is not None and done.is_whole and done.last:
                file.write(head(done) + "\n")

    def _part(self, log: str) -> _Part:
        """From the last entry before `since` to the first one from `until` on: they show that none is missing."""
        first = last = end = 0
        for line in self._logs.lines(log):
            if (entry := read_line(line)) is None:
                continue
            end = entry.place.sequence
            at = time_of(unchecked_claims(entry.jws).get("signed_at"))
            if at is not None and at >= self._since and not first:
                first = end
            if at is not None and at < self._until:
                last = end
        first = max((first or end + 1) - 1, 1)
        return _Part(first, min(max(last + 1, first), end), end)

    def finish(self, published: Mapping[str, Any], done: list[ExportedLog], made: datetime) -> None:
        """Writes the keys, and the page that says what all of it is."""
        (self._folder / KEYS).write_text(json.dumps(published, indent=2) + "\n")
        logs = "\n".join(f"- `{one.id}`: entries {one.first} to {one.last}" for one in done)
        (self._folder / "README.md").write_text(
            README.format(
                issuer=published.get("issuer", "the server"),
                since=self._since.isoformat(),
                until=self._until.isoformat(),
                made=made.isoformat(timespec="seconds"),
                receipts=RECEIPTS,
                requests=REQUESTS,
                keys=KEYS,
                logs=logs,
            )
        )

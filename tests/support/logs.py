"""Logs that a server has written, for tests that read them or change them as an attacker would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.records.audit import AuditReport, audit
from bot.records.heads import sign_head
from bot.records.log import RecordLog
from bot.records.reading import Logs
from bot.security.keys import SigningKeys
from tests.support.receipts import ISSUER, ended, published


class Keeper:
    """A data directory with its keys and its records, and an auditor of it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        data.mkdir(mode=0o700, exist_ok=True)
        self.keys = SigningKeys.load(None, data)
        self.folder = data / "records"

    @contextmanager
    def open(self, at: datetime | None = None) -> Iterator[RecordLog]:
        """The records as a server opens them. `at` is the time of its clock, if not now."""
        records = RecordLog.open(self.folder, self.keys, ISSUER, lambda: at or datetime.now(UTC))
        try:
            yield records
        finally:
            records.close()

    def write(self, *requests: str, at: datetime | None = None) -> list[str]:
        """Signs these outcomes; returns their receipts."""
        with self.open(at) as records:
            return [records.sign_receipt(ended(request)) for request in requests]

    def head(self) -> str:
        """A head of the only log as it is now."""
        with self.open() as records:
            last = records.chain.last
            return sign_head(self.keys, ISSUER, records.chain.id, last.sequence, last.hash)

    @property
    def file(self) -> Path:
        """The file with the entries of the only log."""
        [file] = self.folder.glob("*/entries.jsonl")
        return file

    @property
    def log(self) -> str:
        """The ID of the only log."""
        return self.file.parent.name

    def change(self, change: Callable[[list[bytes]], list[bytes]]) -> None:
        """Replaces lines of the log, as somebody with access to the disk could."""
        lines = change(self.file.read_bytes().splitlines(keepends=True))
        self.file.write_bytes(b"".join(lines))

    def audit(self, place: Path | str | None = None, **how: Any) -> AuditReport:
        """What an auditor finds with the published keys."""
        return audit(Logs(str(place or self.folder)), published(self.keys), **how)

    def faults(self, place: Path | str | None = None, **how: Any) -> list[str]:
        """The faults that an auditor finds, each as its line."""
        return [str(finding) for finding in self.audit(place, **how).faults]

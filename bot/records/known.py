"""Heads and receipts that somebody else has kept. The logs have to agree with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from bot.records.findings import AuditFindings
from bot.records.heads import TYPE as HEAD
from bot.security.receipts import TYPE as RECEIPT
from bot.security.signatures import PublishedKeys, SignatureError, Signed


class Known:
    """Heads and receipts by the place that they name."""

    def __init__(self, keys: PublishedKeys, findings: AuditFindings) -> None:
        self._keys = keys
        self._findings = findings
        self._heads: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
        self._vouched: set[tuple[str, int]] = set()
        self._receipts: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
        self._latest: dict[str, int] = {}
        self._seen_at: dict[tuple[str, int], datetime] = {}

    def add(self, statements: Iterable[str]) -> None:
        """Takes heads and receipts, each a compact JWS. Anything else, or without a valid signature, is a fault."""
        for text in statements:
            try:
                self._take(text, self._keys.read(text))
            except SignatureError as error:
                self._findings.fault("what was kept", 0, f"{text[:40]}… counts for nothing. {error}")

    def _take(self, text: str, signed: Signed) -> None:
        claims = signed.claims
        place = _place(claims)
        if signed.type not in {HEAD, RECEIPT} or place is None:
            raise SignatureError("It is neither a head nor a receipt.")
        if signed.too_late:
            raise SignatureError(f"The key {signed.kid} was retired before it was signed.")
        log, sequence = place
        self._latest[log] = max(sequence, self._latest.get(log, 0))
        if signed.type == RECEIPT:
            self._receipts[place].add(text.strip())
            return
        self._heads[place].add(str(claims.get("hash")))
        if signed.retired_at is None:
            self._vouched.add(place)
        at = signed.signed_at
        if at is not None and at > self._seen_at.get(place, datetime.min.replace(tzinfo=at.tzinfo)):
            self._seen_at[place] = at

    def check(self, log: str, sequence: int, hash_: str, jws: str) -> None:
        """Checks that the entry at this place is the one that the heads and receipts name."""
        place = (log, sequence)
        if self._heads.get(place, {hash_}) != {hash_}:
            self._findings.fault(log, sequence, "it is another one than a head names.")
        if self._receipts.get(place, {jws}) != {jws}:
            self._findings.fault(log, sequence, "it is another one than a receipt that somebody has.")

    def vouches(self, log: str, sequence: int) -> bool:
        """Whether a head for that entry was signed by a key that is not retired."""
        return (log, sequence) in self._vouched

    def latest(self, log: str) -> int:
        """The last entry of the log that any of them names; 0 where none does."""
        return self._latest.get(log, 0)

    def seen_at(self, log: str, sequence: int) -> datetime | None:
        """The last time at which that entry was said to be the last of its log."""
        return self._seen_at.get((log, sequence))

    def logs(self) -> set[str]:
        """Every log that any of them names."""
        return set(self._latest)


def _place(claims: dict[str, Any]) -> tuple[str, int] | None:
    log, sequence = claims.get("log"), claims.get("sequence")
    return (log, sequence) if isinstance(log, str) and isinstance(sequence, int) else None

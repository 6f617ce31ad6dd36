"""Checks one log, from its first entry to its last: its signatures, and that each entry follows the one before."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from bot.records.chain import is_mended
from bot.records.entries import FIRST, TYPE, Entry, Kind, hash_of, read_line
from bot.records.findings import AuditFindings
from bot.records.known import Known
from bot.records.outcomes import Outcomes
from bot.security.receipts import TYPE as RECEIPT
from bot.security.signatures import PublishedKeys, SignatureError, Signed

_TYPES: Final = {kind: RECEIPT if kind is Kind.RECEIPT else TYPE for kind in Kind}


class LogAudit:
    """Audits one log. Call `run` once; its results are then in the other attributes."""

    def __init__(
        self,
        log: str,
        keys: PublishedKeys,
        known: Known,
        outcomes: Outcomes,
        findings: AuditFindings,
        since: datetime | None = None,
    ) -> None:
        """`since`: the log may begin with the last entry before that time, as an export of a part does."""
        self.log = log
        self.entries = 0
        self.first = 0
        self.last = 0
        self.last_signed_at: datetime | None = None
        self.damaged: list[str] = []  # other logs that were, when this one was begun
        self._keys = keys
        self._known = known
        self._outcomes = outcomes
        self._findings = findings
        self._since = since
        self._hash = FIRST
        self._altered = False  # whether the last entry is known to be
        self._torn = b""
        self._unvouched: list[int] = []  # signed by a retired key, with no later entry yet by another key
        self._lost: list[int] = []  # the same, with a break in the chain behind them

    def run(self, lines: Iterable[bytes]) -> None:
        """Reads all of it."""
        for line in lines:
            entry = read_line(line)
            if entry is None:
                self._torn += line + b"\n"
            else:
                self._take(entry, line)
        if self._torn:
            self._fault(
                self.last,
                f"behind it are {len(self._torn)} bytes that are no entry. If the server was killed, or writes now, "
                "start it and try again.",
            )
        if self._known.latest(self.log) > self.last:
            self._fault(
                self.last,
                f"the log ends here, and it had {self._known.latest(self.log)} entries: it was cut.",
            )
        if unvouched := [*self._lost, *self._unvouched]:
            self._fault(
                unvouched[0],
                f"it and {len(unvouched) - 1} more are signed by a key that was retired since, and nothing after them "
                "that another key signed vouches for them.",
            )

    def _fault(self, sequence: int, words: str) -> None:
        self._findings.fault(self.log, sequence, words)

    def _take(self, entry: Entry, line: bytes) -> None:
        torn, self._torn = self._torn, b""
        place = entry.place
        self.entries += 1
        if place.log != self.log:
            self._fault(place.sequence, f"it is of the log {place.log}.")
            return
        signed = self._signed(entry)
        if not self._follows(entry, signed):
            return
        if torn:
            self._explain(entry, torn, signed)
        self.last, self._hash, self._altered = place.sequence, hash_of(line), signed is None
        self._known.check(self.log, place.sequence, self._hash, entry.jws)
        if signed is not None:
            self.last_signed_at = signed.signed_at
            self._vouch(signed)
            self._count(entry, signed)

    def _follows(self, entry: Entry, signed: Signed | None) -> bool:
        """Whether the audit continues from this entry. It does not from one that stands after a later entry."""
        sequence, last = entry.place.sequence, self.last
        if self.first == 0:
            self.first = sequence
            if sequence > 1 and not self._may_begin(signed):
                self._fault(sequence, f"entries 1 to {sequence - 1} are missing before it.")
            elif sequence == 1 and entry.place.previous != FIRST:
                self._fault(sequence, "it names an entry before it, and it is the first.")
            return True
        if sequence <= last:
            self._fault(sequence, f"it stands behind entry {last}: it was put there, or is there twice.")
            return False
        if sequence > last + 1:
            missing = (
                f"entry {last + 1} is"
                if sequence == last + 2
                else f"entries {last + 1} to {sequence - 1} are"
            )
            self._fault(sequence, f"{missing} missing before it.")
            self._break()
        elif entry.place.previous != self._hash:
            if not self._altered:
                self._fault(
                    last,
                    f"it was altered, or put there in the place of another: entry {sequence} names another.",
                )
            self._break()
        return True

    def _may_begin(self, signed: Signed | None) -> bool:
        """Whether all missing entries are from before `since`."""
        at = signed.signed_at if signed else None
        return self._since is not None and at is not None and at < self._since

    def _break(self) -> None:
        self._lost += self._unvouched
        self._unvouched = []

    def _signed(self, entry: Entry) -> Signed | None:
        sequence = entry.place.sequence
        try:
            signed = self._keys.read(entry.jws)
        except SignatureError as error:
            self._fault(sequence, f"it was altered. {error}")
            return None
        claims = signed.claims
        said = (signed.type, {name: claims.get(name) for name in ("log", "sequence", "previous")})
        about = (claims.get("sub", ""), claims.get("jti", ""))
        kind = Kind.RECEIPT if signed.type == RECEIPT else claims.get("kind")
        wanted = (_TYPES[entry.kind], entry.place.claims())
        if said != wanted or kind != entry.kind or about != (entry.request, entry.nonce):
            self._fault(sequence, "it was altered: its line says something else than its signature.")
            return None
        if signed.too_late:
            at = (
                signed.signed_at.isoformat(timespec="seconds") if signed.signed_at else "no time that it says"
            )
            self._fault(sequence, f"it was signed at {at} by the key {signed.kid}, which was retired before.")
            return None
        return signed

    def _explain(self, entry: Entry, torn: bytes, signed: Signed | None) -> None:
        if signed is None or not is_mended(entry, torn):
            self._fault(
                entry.place.sequence,
                f"before it are {len(torn)} bytes that are no entry, and nothing signed says why: it was altered.",
            )
        else:
            self._outcomes.torn(self.log, entry.place.sequence, torn)

    def _vouch(self, signed: Signed) -> None:
        """Marks earlier entries as vouched for: an entry or head by a good key includes their hashes."""
        if signed.retired_at is not None:
            self._unvouched.append(self.last)
        if signed.retired_at is None or self._known.vouches(self.log, self.last):
            self._unvouched = []

    def _count(self, entry: Entry, signed: Signed) -> None:
        match entry.kind:
            case Kind.RECEIPT:
                self._outcomes.receipt(self.log, self.last, signed.claims)
            case Kind.GATHERED:
                self._outcomes.gathered(self.log, self.last, signed.claims)
            case Kind.STEP:
                self._outcomes.step(self.log, self.last, signed.claims)
            case Kind.PURGED:
                self._outcomes.tombstone(signed.claims)
            case Kind.CONFLICT:
                self._outcomes.conflict(self.log, self.last, signed.claims)
            case Kind.OPENED:
                self.damaged += [str(one.get("log")) for one in signed.claims.get("damaged", [])]
            case Kind.MENDED:
                pass

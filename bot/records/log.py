"""The records of this server: signs each outcome into the log that this process writes, once.

The logs are folders in one directory. Each process writes one of its own, so several servers can share the directory.
"""

from __future__ import annotations

import errno
import logging
import secrets
import sqlite3
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from bot.records.alarms import Alarms
from bot.records.chain import Chain, DamagedLogError, LogInUseError
from bot.records.entries import TYPE, Entry, Kind, Place, unchecked_claims
from bot.records.gatherings import gathering_claims
from bot.records.siblings import entries_in
from bot.security.keys import SigningKeys
from bot.security.receipts import TYPE as RECEIPT
from bot.security.receipts import outcome_claims
from orchestration.domain.effects import RecordStepInput, SignReceiptInput
from orchestration.domain.errors import DeliveryError, RecordsUnavailableError
from orchestration.domain.gathering import RecordGatheringInput

log = logging.getLogger(__name__)

FOLDER: Final = "records"  # in the data directory
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# A disk without room, or another program that has the index locked, such as a backup tool.
_PASSES_IN_SQLITE: Final = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    }
)


class RecordLog:
    """`orchestration.ports.Signer`, `StepRecorder`, `Records` and `GatheringRecords`. Safe to share between threads.

    `recorded` may be set. It is called with each outcome or result that is new to all logs here, once it is on record.
    """

    def __init__(self, folder: Path, sign: _Signer) -> None:
        self._folder = folder
        self._sign = sign
        self._chain: Chain | None = None
        self._lock = threading.RLock()
        self._alarms = Alarms()
        self.recorded: Callable[[SignReceiptInput | RecordGatheringInput], None] = lambda _given: None

    @classmethod
    def open(
        cls,
        folder: Path,
        keys: SigningKeys,
        issuer: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> Self:
        """Continues a log in `folder` that no other process writes, or begins a new one.

        `issuer` is the server's own address, which every entry names; `now` is this machine's clock. A log that was cut
        or changed is left as it is, and another one is begun. On a disk without room, or where another program has it
        locked, it is opened as soon as that has passed: until then nothing is signed. Raises
        `RecordsUnavailableError` where it cannot be opened for another reason.
        """
        found = cls(folder, _Signer(keys, issuer, now))
        try:
            with found._lock:
                found._opened()
        except RecordsUnavailableError as error:
            if not _passes(error.__cause__):
                raise
        return found

    @property
    def chain(self) -> Chain:
        """The log itself; hold `lock` while you use it. Raises `RecordsUnavailableError`."""
        with self._lock:
            return self._opened()

    @property
    def lock(self) -> threading.RLock:
        """The lock between the threads of this process."""
        return self._lock

    def warnings(self) -> list[str]:
        """Warnings for the operator, as sentences, since this process started."""
        return self._alarms.sentences()

    def unavailable(self) -> bool:
        """Whether the last attempt to put something on record failed."""
        return self._alarms.unavailable is not None

    def conflicts(self) -> int:
        """The number of requests that got a second outcome, which was not signed, since the start of this process."""
        return self._alarms.conflicts

    def close(self) -> None:
        """Closes the log, so that another process can continue it."""
        with self._lock:
            if self._chain is not None:
                self._chain.close()

    def sign_receipt(self, given: SignReceiptInput) -> str:
        """See `Signer`. The input was sealed by the turn that ended the request: the worker opens nothing else.

        A second outcome for one start of a request is not signed. That it came is put on record.
        """
        outcome = given.outcome
        return self._once(given, Kind.RECEIPT, outcome_claims(given), outcome.request_id, outcome.nonce)

    def record_gathering(self, given: RecordGatheringInput) -> str:
        """See `GatheringRecords`. A second result for one start is not put on record, as a second outcome is not."""
        result = given.result
        return self._once(given, Kind.GATHERED, gathering_claims(given), result.request_id, result.nonce)

    def _once(
        self,
        given: SignReceiptInput | RecordGatheringInput,
        kind: Kind,
        claims: Mapping[str, Any],
        request: str,
        nonce: str,
    ) -> str:
        with self._lock:
            for known in self._find(request, nonce, kind):
                if _agree(unchecked_claims(known.jws), claims):
                    return known.jws
                self._refuse(known, claims)
            elsewhere = self._elsewhere(request, nonce, kind)
            for known in elsewhere:
                if not _agree(unchecked_claims(known.jws), claims):
                    self._refuse(known, claims)
            entry = self._append(kind, claims, request, nonce)
        if not elsewhere:
            self.recorded(given)
        return entry.jws

    def record_step(self, given: RecordStepInput) -> None:
        """See `StepRecorder`. A second step of the same number is not put on record."""
        said = given.model_dump(mode="json", exclude={"request_id", "nonce", "attempt"}, exclude_none=True)
        claims = {"sub": given.request_id, "jti": given.nonce, **said}
        with self._lock:
            about = (given.request_id, given.nonce, Kind.STEP)
            mine = self._find(*about)
            for known in [*mine, *self._elsewhere(*about)]:
                on_record = unchecked_claims(known.jws)
                if on_record.get("number") != given.number:
                    continue
                if not _agree(on_record, claims):
                    log.error("ALARM %s: another step %d is on record", given.request_id, given.number)
                    raise DeliveryError(f"Another step {given.number} of this request is on record.")
                if known in mine:
                    return
            self._append(Kind.STEP, claims, given.request_id, given.nonce)

    def purged(self, request_id: str, nonce: str, by: str) -> None:
        """See `Records`."""
        with self._lock:
            if not self._find(request_id, nonce, Kind.PURGED):
                self._append(Kind.PURGED, {"sub": request_id, "jti": nonce, "by": by}, request_id, nonce)

    def _refuse(self, known: Entry, claims: Mapping[str, Any]) -> None:
        request, nonce = known.request, known.nonce
        on_record = unchecked_claims(known.jws).get("status")
        log.error(
            "ALARM %s: entry %d of the log %s says %s, and now it is said to be %s. This is not signed.",
            request,
            known.place.sequence,
            known.place.log,
            on_record,
            claims["status"],
        )
        self._alarms.conflict(request, str(on_record), str(claims["status"]))
        refused = {"sub": request, "jti": nonce, "on_record": known.place.sequence, "refused": dict(claims)}
        if known.place.log != self._opened().id:
            refused["on_record_in"] = known.place.log
        if not any(
            unchecked_claims(one.jws).get("refused") == refused["refused"]
            for one in self._find(request, nonce, Kind.CONFLICT)
        ):
            self._append(Kind.CONFLICT, refused, request, nonce)
        raise DeliveryError(f"Another outcome of this request is on record, which is {on_record}.")

    def _find(self, request: str, nonce: str, kind: Kind) -> list[Entry]:
        try:
            return self._opened().find(request, nonce, kind)
        except (OSError, sqlite3.Error, DamagedLogError) as error:
            raise _unavailable(f"{request} cannot be looked up", error) from error

    def _elsewhere(self, request: str, nonce: str, kind: Kind) -> list[Entry]:
        """Returns the entries about that start in the other logs here: an earlier process may have written them."""
        mine = self._opened().folder
        try:
            others = sorted(path for path in self._folder.iterdir() if path.is_dir() and path != mine)
        except OSError as error:
            raise _unavailable(f"{request} cannot be looked up", error) from error
        return [entry for other in others for entry in entries_in(other, request, nonce, kind)]

    def _append(self, kind: Kind, claims: Mapping[str, Any], request: str = "", nonce: str = "") -> Entry:
        """Adds an entry of that kind. Raises `RecordsUnavailableError`."""
        return self._add(self._opened(), kind, claims, request, nonce)

    def _add(
        self, chain: Chain, kind: Kind, claims: Mapping[str, Any], request: str = "", nonce: str = ""
    ) -> Entry:
        is_receipt = kind is Kind.RECEIPT
        said = dict(claims) if is_receipt else {"kind": kind, **claims}
        make = partial(self._sign, claims=said, type_=RECEIPT if is_receipt else TYPE)
        try:
            entry = chain.append(kind, make, request, nonce)
        except (OSError, sqlite3.Error, DamagedLogError) as error:
            self._alarms.unavailable = str(error)
            raise _unavailable(f"{request or chain.id} cannot be put on record", error) from error
        self._alarms.unavailable = None
        return entry

    # ---- opening -----------------------------------------------------------------------------------------

    def _opened(self) -> Chain:
        """The log, with its first entry. Where it could not be opened before, it is tried anew."""
        if self._chain is None:
            chain, damaged = self._open_one()
            try:
                if chain.last.sequence == 0:
                    self._add(chain, Kind.OPENED, {"damaged": damaged})
            except BaseException:
                chain.close()
                raise
            self._alarms.unavailable = None
            self._chain = chain
        return self._chain

    def _open_one(self) -> tuple[Chain, list[dict[str, str]]]:
        """Returns a log that no other process writes, and the damaged ones."""
        damaged: list[dict[str, str]] = []
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for known in sorted(path for path in self._folder.iterdir() if path.is_dir()):
                try:
                    return Chain(known, self._sign), damaged
                except LogInUseError:
                    continue
                except DamagedLogError as error:
                    log.error("ALARM the log %s is damaged: %s", known.name, error)  # noqa: TRY400 - says it all
                    self._alarms.damaged(known.name)
                    damaged.append({"log": known.name, "why": str(error)})
            return _begin(self._folder, self._sign), damaged
        except (OSError, sqlite3.Error) as error:
            self._alarms.unavailable = str(error)
            raise _unavailable("the log cannot be opened", error) from error


@dataclass(frozen=True)
class _Signer:
    """Signs statements: each says by whom, where in which log, and when by this machine's clock."""

    keys: SigningKeys
    issuer: str
    now: Callable[[], datetime]

    def __call__(self, place: Place, claims: dict[str, Any], type_: str = TYPE) -> str:
        more = {"iss": self.issuer, "signed_at": self.now().isoformat(), **place.claims()}
        return self.keys.sign(type_, {**claims, **more})


def _begin(folder: Path, sign: _Signer) -> Chain:
    while True:
        made = folder / secrets.token_hex(8)
        made.mkdir(mode=0o700)
        try:
            return Chain(made, sign)
        except LogInUseError:  # another process has found it in this moment, and keeps it
            continue


def _passes(error: BaseException | None) -> bool:
    """Whether the error is temporary, such as a full disk. What waits to be recorded is safe meanwhile."""
    if isinstance(error, sqlite3.Error):
        # The extended codes have the kind in their last byte.
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSES_IN_SQLITE
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def _unavailable(what: str, error: Exception) -> RecordsUnavailableError:
    log.error("the records: %s (%s). It is tried again.", what, error)
    return RecordsUnavailableError()


def _agree(one: Any, other: Any) -> bool:
    """Whether both have equal values for all names that both have: another release may add names."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(_agree(one[name], other[name]) for name in one.keys() & other.keys())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_agree(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)

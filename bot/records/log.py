"""The records of this server: signs each outcome into the log that this process writes, once.

The logs are folders in one directory. Each process writes one of its own, so several servers can share the directory.
"""

from __future__ import annotations

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

from bot.records.chain import Chain, DamagedLogError, LogInUseError
from bot.records.entries import TYPE, Entry, Kind, Place, unchecked_claims
from bot.security.keys import SigningKeys
from bot.security.receipts import TYPE as RECEIPT
from bot.security.receipts import outcome_claims
from orchestration.domain.effects import SignReceiptInput
from orchestration.domain.errors import DeliveryError, RecordsUnavailableError

log = logging.getLogger(__name__)

FOLDER: Final = "records"  # in the data directory


class RecordLog:
    """`orchestration.ports.Signer` and `Records`. Safe to share between threads."""

    def __init__(self, chain: Chain, sign: _Signer) -> None:
        self._chain = chain
        self._sign = sign
        self._lock = threading.Lock()

    @classmethod
    def open(
        cls,
        folder: Path,
        keys: SigningKeys,
        issuer: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> Self:
        """Goes on with a log of `folder` that no other process writes, or begins one.

        `issuer` is the server's own address, which every entry names; `now` is this machine's clock. A log that was cut
        or changed is left as it is, and another one is begun. Raises `RecordsUnavailableError`.
        """
        sign = _Signer(keys, issuer, now)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            damaged = []
            for known in sorted(path for path in folder.iterdir() if path.is_dir()):
                try:
                    chain = Chain(known, sign)
                except LogInUseError:
                    continue
                except DamagedLogError as error:
                    log.error("ALARM the log %s is damaged: %s", known.name, error)  # noqa: TRY400 - says it all
                    damaged.append({"log": known.name, "why": str(error)})
                    continue
                break
            else:
                chain = _begin(folder, sign)
        except (OSError, sqlite3.Error) as error:
            raise _unavailable("the log cannot be opened", error) from error
        found = cls(chain, sign)
        if chain.last.sequence == 0:
            found._append(Kind.OPENED, {"damaged": damaged})
        return found

    @property
    def chain(self) -> Chain:
        """The log itself; hold `lock` while you use it."""
        return self._chain

    @property
    def folder(self) -> Path:
        """Where the log lies."""
        return self._chain.folder

    @property
    def lock(self) -> threading.Lock:
        """Keeps the threads of this process apart."""
        return self._lock

    def close(self) -> None:
        """Lets another process go on with the log."""
        with self._lock:
            self._chain.close()

    def sign_receipt(self, given: SignReceiptInput) -> str:
        """See `Signer`. What comes here was sealed by the turn that ended the request: the worker opens nothing else.

        A second outcome for one start of a request is not signed. That it came is put on record.
        """
        outcome, claims = given.outcome, outcome_claims(given)
        with self._lock:
            for known in self._find(outcome.request_id, outcome.nonce, Kind.RECEIPT):
                if _agree(unchecked_claims(known.jws), claims):
                    return known.jws
                self._refuse(known, claims)
            return self._append(Kind.RECEIPT, claims, outcome.request_id, outcome.nonce).jws

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
            self._chain.id,
            on_record,
            claims["status"],
        )
        refused = {"sub": request, "jti": nonce, "on_record": known.place.sequence, "refused": dict(claims)}
        if not any(
            unchecked_claims(one.jws).get("refused") == refused["refused"]
            for one in self._find(request, nonce, Kind.CONFLICT)
        ):
            self._append(Kind.CONFLICT, refused, request, nonce)
        raise DeliveryError(f"Another outcome of this request is on record, which is {on_record}.")

    def _find(self, request: str, nonce: str, kind: Kind) -> list[Entry]:
        try:
            return self._chain.find(request, nonce, kind)
        except (OSError, sqlite3.Error, DamagedLogError) as error:
            raise _unavailable(f"{request} cannot be looked up", error) from error

    def _append(self, kind: Kind, claims: Mapping[str, Any], request: str = "", nonce: str = "") -> Entry:
        """Adds an entry of that kind. Raises `RecordsUnavailableError`."""
        is_receipt = kind is Kind.RECEIPT
        said = dict(claims) if is_receipt else {"kind": kind, **claims}
        make = partial(self._sign, claims=said, type_=RECEIPT if is_receipt else TYPE)
        try:
            return self._chain.append(kind, make, request, nonce)
        except (OSError, sqlite3.Error, DamagedLogError) as error:
            raise _unavailable(f"{request or self._chain.id} cannot be put on record", error) from error


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


def _unavailable(what: str, error: Exception) -> RecordsUnavailableError:
    log.error("the records: %s (%s). It is tried again.", what, error)
    return RecordsUnavailableError()


def _agree(one: Any, other: Any) -> bool:
    """Whether both say the same of all that both speak of: another release may have learned to say more."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(_agree(one[name], other[name]) for name in one.keys() & other.keys())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_agree(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)

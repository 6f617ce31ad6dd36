"""The keys that sign receipts and the records: Ed25519, made on first start unless given, rotated and retired."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from bot.security.whole_files import written_whole
from orchestration.domain.errors import CountersignError

log = logging.getLogger(__name__)

FILE: Final = "signing-keys.json"
# RFC 9864 gives this algorithm a new name. Every JOSE library knows the old name.
ALGORITHM: Final = "EdDSA"
RETIRED_AT: Final = "retired_at"


class SigningKeyError(CountersignError):
    """COUNTERSIGN_SIGNING_KEY is not valid."""


class StrictRegistry(jws.JWSRegistry):
    """Accepts only this algorithm, whatever a signature's header names."""

    def get_alg(self, name: str) -> Any:
        """The algorithm. Raises `ValueError` for any other."""
        if name != ALGORITHM:
            raise ValueError(f"it is signed by {name!r}, not {ALGORITHM}")
        return self.algorithms[name]


@dataclass(frozen=True)
class Retired:
    """The public half of a retired key. Signatures made at `at` or later are not valid."""

    key: OKPKey
    at: datetime


class SigningKeys:
    """The private keys, newest first: the first signs, the public halves of all verify. It also has the retired keys.

    With `path` the file is read again after another process has changed it. Safe to share between threads.
    """

    def __init__(self, keys: list[OKPKey], retired: list[Retired], path: Path | None = None) -> None:
        self._keys = keys
        self._retired = retired
        self._path = path
        self._seen: tuple[int, int, int] | None = None

    @classmethod
    def load(cls, given: str | None, data_dir: Path) -> Self:
        """Loads the keys from the setting, else from the data directory. The setting holds a private JWK or a JWK set.

        In the data directory a first key is made. Raises `SigningKeyError`.
        """
        if given:
            return cls(*_parse(given, "COUNTERSIGN_SIGNING_KEY"))
        path = data_dir / FILE
        if not path.exists():
            _write(path, [_fresh()], [], only_first=True)
        return cls(*_parse(path.read_text(), str(path)), path)

    def rotate(self) -> None:
        """Makes a new key, which signs from now on. The old ones still verify. Raises `SigningKeyError`."""
        with self._changing() as path:
            _write(path, [_fresh(), *self._keys], self._retired)

    def retire(self, kid: str, at: datetime) -> None:
        """Retires the key: it signs no more, and signatures made at `at` or later are not valid.

        Its private half is deleted. Raises `SigningKeyError` for an unknown key, for the key that still signs, and for
        an invalid time.
        """
        with self._changing() as path:
            if at > datetime.now(UTC):
                raise SigningKeyError(f"--before: {at.isoformat()} is not over yet; give an earlier time.")
            before = next((one for one in self._retired if one.key.thumbprint() == kid), None)
            if before is not None and at > before.at:
                raise SigningKeyError(
                    f"--before: {kid} was retired at {before.at.isoformat()}, and what it signed later does not become "
                    "good again; give an earlier time."
                )
            key = before.key if before else next((one for one in self._keys if one.thumbprint() == kid), None)
            if key is None:
                there = ", ".join(one.thumbprint() for one in self._keys)
                raise SigningKeyError(f"KID: there is no key {kid}; there is {there}.")
            if key is self._keys[0]:
                raise SigningKeyError(
                    f"KID: {kid} is the key that signs; run `countersign key rotate` first, and then this again."
                )
            retired = Retired(OKPKey.import_key(key.as_dict(private=False)), at)
            others = [one for one in self._retired if one is not before]
            _write(path, [one for one in self._keys if one is not key], [*others, retired])

    @contextmanager
    def _changing(self) -> Iterator[Path]:
        """Yields the file under a lock, so that no other command changes it.

        Raises `SigningKeyError` where the keys are in a setting.
        """
        if self._path is None:
            raise SigningKeyError(
                "COUNTERSIGN_SIGNING_KEY: is set, so the keys are not in the data directory. Change the setting: the "
                f'newest key first, and `"{RETIRED_AT}": "2026-12-01T00:00:00+00:00"` in the JWK of a retired one.'
            )
        with os.fdopen(os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._refresh()
            yield self._path
            self._refresh()

    def listed(self) -> list[tuple[str, datetime | None]]:
        """Returns each key's ID and the time it was retired, if it was. The signing key comes first."""
        self._refresh()
        good: list[tuple[str, datetime | None]] = [(key.thumbprint(), None) for key in self._keys]
        return [*good, *((one.key.thumbprint(), one.at) for one in self._retired)]

    def public(self) -> dict[str, Any]:
        """Returns the published JWK set.

        Retired keys are listed apart, so a library that does not know `retired_at` refuses what they signed.
        """
        self._refresh()
        return {
            "keys": [_public(key) for key in self._keys],
            "retired_keys": [_public(one.key) | {RETIRED_AT: one.at.isoformat()} for one in self._retired],
        }

    def sign(self, type_: str, claims: Mapping[str, Any]) -> str:
        """Signs the claims with the newest key, as a compact JWS. `type_` is its `typ`: the kind of statement."""
        self._refresh()
        key = self._keys[0]
        header = {"alg": ALGORITHM, "kid": key.thumbprint(), "typ": type_}
        payload = json.dumps(claims, sort_keys=True, separators=(",", ":"))
        return jws.serialize_compact(header, payload, key, registry=StrictRegistry())

    def _refresh(self) -> None:
        """Reads the file again if another process has written it.

        If that fails, the keys stay as they are and the error is logged.
        """
        if self._path is None or (mark := _mark(self._path)) == self._seen:
            return
        self._seen = mark
        try:
            self._keys, self._retired = _parse(self._path.read_text(), str(self._path))
        except (SigningKeyError, OSError, UnicodeDecodeError) as error:
            log.error("the signing keys stay as they were: %s", error)  # noqa: TRY400 - the error says it all


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _fresh() -> OKPKey:
    while (made := OKPKey.generate_key("Ed25519")).thumbprint().startswith("-"):
        pass  # a command line would take its name for an option
    return made


def _public(key: OKPKey) -> dict[str, Any]:
    return {**key.as_dict(private=False), "kid": key.thumbprint(), "use": "sig", "alg": ALGORITHM}


def _parse(text: str, source: str) -> tuple[list[OKPKey], list[Retired]]:
    keys: list[OKPKey] = []
    retired: list[Retired] = []
    try:
        found = json.loads(text)
        for jwk in found.get("keys", [found]):
            at = jwk.pop(RETIRED_AT, None)
            key = OKPKey.import_key(jwk)
            if at is None:
                keys.append(key)
            else:
                retired.append(Retired(OKPKey.import_key(key.as_dict(private=False)), _aware(at)))
    except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SigningKeyError(
            f"{source}: is not a private Ed25519 JWK or a set of them; give one ({error})."
        ) from error
    if not keys or any(not key.is_private for key in keys):
        raise SigningKeyError(f"{source}: has another key than private ones for Ed25519; remove it.")
    if any(key.curve_name != "Ed25519" for key in [*keys, *(one.key for one in retired)]):
        raise SigningKeyError(f"{source}: has a key for another curve than Ed25519; remove it.")
    return keys, retired


def _aware(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{RETIRED_AT} {text!r} has no offset from UTC")
    return at


def _write(path: Path, keys: list[OKPKey], retired: list[Retired], *, only_first: bool = False) -> None:
    """Replaces the file in one step, so that it is never half written. Only its owner can read it.

    `only_first`: leaves the file alone where another process has made one meanwhile.
    """
    fresh = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
    listed = [
        *(key.as_dict(private=True) for key in keys),
        *(one.key.as_dict(private=False) | {RETIRED_AT: one.at.isoformat()} for one in retired),
    ]
    with (
        written_whole(fresh, path),
        os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file,
    ):
        json.dump({"keys": listed}, file)
        file.flush()
        os.fsync(file.fileno())
    if not only_first:
        fresh.replace(path)
        return
    with suppress(FileExistsError):
        os.link(fresh, path)
    fresh.unlink()

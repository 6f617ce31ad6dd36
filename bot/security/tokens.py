"""API tokens: for whom a program acts and what it may do. Their hashes are in `tokens.toml` of the data directory."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bot.security.data_dir import changeable
from orchestration.domain.errors import CountersignError
from orchestration.domain.names import is_own_orchestration
from orchestration.domain.responses import origin_of
from orchestration.domain.toml_lines import tables_of

FILE: Final = "tokens.toml"
PREFIX: Final = "csn_"
RATE: Final = 1200  # requests a minute, and as many at once
REQUEST: Final = "request"
READ: Final = "read"
ADMIN: Final = "admin"
CHALLENGE: Final = "challenge"
DECIDE: Final = "decide:"
RESPOND: Final = "respond:"

_NAME: Final = re.compile(r"^[a-z0-9][a-z0-9._-]{0,59}$")
_OWNER: Final = re.compile(r"^[UW][A-Z0-9]{1,30}$")
_SCOPE: Final = re.compile(r"(request|read|admin|challenge|decide:[a-z][a-z0-9-]{0,39}|respond:[!-~]{1,200})")
_SCOPES: Final = "request, read, admin, challenge, decide:POLICY, respond:ORCHESTRATION or respond:ORIGIN"


class TokenError(CountersignError):
    """The token cannot be made, found or read."""


@dataclass(frozen=True)
class Token:
    """One token, without its secret.

    A revoked token is kept, so that no later token gets its name, which the records use.
    """

    name: str
    owner: str
    scopes: frozenset[str]
    hash: str
    created_at: datetime
    rate: int = RATE
    revoked_at: datetime | None = None

    def may(self, scope: str) -> bool:
        """Whether the token has exactly this scope. No scope implies another."""
        return scope in self.scopes

    @property
    def sees_all(self) -> bool:
        """Whether the token may see every request, whoever asked."""
        return self.may(READ) or self.may(ADMIN)

    @property
    def policies(self) -> frozenset[str]:
        """The policies whose requests the token may decide."""
        return frozenset(scope.removeprefix(DECIDE) for scope in self.scopes if scope.startswith(DECIDE))

    @property
    def receivers(self) -> frozenset[str]:
        """The receivers to which it may send outcomes in its own format: orchestration names and URL origins."""
        return frozenset(scope.removeprefix(RESPOND) for scope in self.scopes if scope.startswith(RESPOND))


class TokenFile:
    """The tokens in one file, mode 0600. The file is read again after another process has changed it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._tokens: dict[str, Token] = {}
        self._by_hash: dict[str, Token] = {}

    def find(self, secret: str) -> Token | None:
        """Returns the valid token of this secret, if there is one. Raises `TokenError` when the file cannot be read."""
        self._refresh()
        # A lookup by hash needs no constant time: timing reveals nothing useful about a secret of 256 random bits.
        token = self._by_hash.get(_hash(secret))
        return token if token and token.revoked_at is None else None

    def named(self, name: str) -> Token | None:
        """Returns the valid token of this name, if there is one. Raises `TokenError` when the file cannot be read."""
        self._refresh()
        token = self._tokens.get(name)
        return token if token and token.revoked_at is None else None

    def revoked(self, name: str | None) -> bool:
        """Whether the token of this name was revoked in this file. Raises `TokenError` when the file cannot be read.

        A token that was made for another Countersign process is not in this file, and may still be valid.
        """
        self._refresh()
        token = self._tokens.get(name or "")
        return token is not None and token.revoked_at is not None

    def all(self) -> list[Token]:
        """Returns every token by name, also revoked ones. Raises `TokenError`."""
        self._refresh()
        return sorted(self._tokens.values(), key=lambda token: token.name)

    def create(self, name: str, owner: str, scopes: Sequence[str], rate: int = RATE) -> str:
        """Makes a token and returns its secret, which is not stored. Raises `TokenError` naming what is wrong."""
        if not _NAME.match(name):
            raise TokenError(
                f"NAME: {name!r} must be lower-case letters, digits, dots and dashes, at most 60."
            )
        if not _OWNER.match(owner):
            raise TokenError(f"--owner: {owner!r} is not a person's ID, such as U02ALICE.")
        for scope in scopes:
            if (fault := _scope_fault(scope)) is not None:
                raise TokenError(f"--scope: {scope!r} {fault}.")
        if not scopes:
            raise TokenError(f"--scope: give at least one of {_SCOPES}.")
        if rate < 1:
            raise TokenError("--rate: must be at least 1 request a minute.")
        secret = PREFIX + secrets.token_urlsafe(32)
        with self._locked():
            if name in self._tokens:
                raise TokenError(f"NAME: there is or was a token {name}; records name it, so choose another.")
            made = Token(name, owner, frozenset(scopes), _hash(secret), datetime.now(UTC), rate)
            self._write({**self._tokens, name: made})
        return secret

    def revoke(self, name: str) -> None:
        """Revokes the token. Raises `TokenError` if there is none of that name."""
        with self._locked():
            token = self._tokens.get(name)
            if token is None or token.revoked_at is not None:
                raise TokenError(f"NAME: there is no token {name} in force.")
            self._write({**self._tokens, name: replace(token, revoked_at=datetime.now(UTC))})

    def _refresh(self) -> None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            self._seen, self._tokens, self._by_hash = None, {}, {}
            return
        mark = (found.st_mtime_ns, found.st_size, found.st_ino)
        if mark != self._seen:
            # The same check as at the start: anyone who can write a file there could give themselves any scope.
            if fault := changeable(self._path, found):
                raise TokenError(fault)
            self._tokens = self._read()
            self._by_hash = {token.hash: token for token in self._tokens.values()}
            self._seen = mark

    def _read(self) -> dict[str, Token]:
        try:
            tables = tables_of(self._path.read_text())
            return {name: _token(name, table) for name, table in tables.items()}
        except (
            OSError,
            UnicodeDecodeError,
            KeyError,
            TypeError,
            ValueError,
        ) as error:
            raise TokenError(
                f"{self._path}: cannot be read; correct it or restore it from a backup ({error})."
            ) from error

    def _write(self, tokens: dict[str, Token]) -> None:
        """Replaces the file atomically, once the new one is on disk."""
        fresh = self._path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("".join(_table(token) for token in tokens.values()))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Holds a lock, so that two commands do not overwrite each other's change."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._refresh()
            yield


def _scope_fault(scope: str) -> str | None:
    """Returns what is wrong with the scope; None if it is valid."""
    if not _SCOPE.fullmatch(scope):
        return f"must be {_SCOPES}"
    name = scope.removeprefix(RESPOND)
    if not scope.startswith(RESPOND):
        return None
    if is_own_orchestration(name):
        return "names an orchestration of Countersign's own, and none of these takes a response"
    if "://" not in name:
        return None
    try:
        origin = origin_of(name)
    except ValueError as error:
        return f"must name an origin, such as respond:https://flows.example: {name} {error}"
    return None if origin == name else f"must name the origin alone: {RESPOND}{origin}"


def _hash(secret: str) -> str:
    """Returns the SHA-256. No slow hash is needed: the secret is random, so nobody can guess it."""
    return hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()


def _token(name: str, table: dict[str, Any]) -> Token:
    return Token(
        name=name,
        owner=table["owner"],
        scopes=frozenset(table["scopes"]),
        hash=table["sha256"],
        created_at=table["created_at"],
        rate=table["rate"],
        revoked_at=table.get("revoked_at"),
    )


def _table(token: Token) -> str:
    """Returns the token as TOML. Its strings were checked, so JSON quoting is valid TOML."""
    lines = [
        f"[{json.dumps(token.name)}]",
        f"owner = {json.dumps(token.owner)}",
        f"scopes = {json.dumps(sorted(token.scopes))}",
        f"sha256 = {json.dumps(token.hash)}",
        f"rate = {token.rate}",
        f"created_at = {token.created_at.isoformat()}",
    ]
    if token.revoked_at:
        lines.append(f"revoked_at = {token.revoked_at.isoformat()}")
    return "\n".join(lines) + "\n\n"

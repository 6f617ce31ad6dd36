"""Verifies receipts, the records' entries and heads, with the published keys alone."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from bot.security.keys import RETIRED_AT, StrictRegistry
from orchestration.domain.errors import CountersignError


class SignatureError(CountersignError):
    """It is not signed by a key that is known."""


@dataclass(frozen=True)
class Signed:
    """The verified content of a signature.

    `retired_at` is set if its key is retired: somebody else may have had the key.
    """

    type: str
    claims: dict[str, Any]
    kid: str
    retired_at: datetime | None = None

    @property
    def signed_at(self) -> datetime | None:
        """The time at which it says that it was signed; None if it says none that can be read."""
        return time_of(self.claims.get("signed_at"))

    @property
    def too_late(self) -> bool:
        """Whether it was signed after its key was retired. A missing time counts as too late."""
        at = self.signed_at
        return self.retired_at is not None and (at is None or at >= self.retired_at)


class PublishedKeys:
    """The keys of a JWK set as `/.well-known/jwks.json` gives it, also those that are retired."""

    def __init__(self, published: Mapping[str, Any]) -> None:
        """Raises `SignatureError` for an invalid set."""
        self._keys: dict[str, tuple[OKPKey, datetime | None]] = {}
        self.issuer: str | None = published.get("issuer") if isinstance(published, Mapping) else None
        try:
            for jwk in published["keys"]:
                self._add(jwk, jwk.get(RETIRED_AT))
            # Retired keys come last, so that a key on both lists counts as retired.
            for jwk in published.get("retired_keys", []):
                self._add(jwk, jwk[RETIRED_AT])
        except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SignatureError(f"The published keys cannot be read: {error}.") from error

    def _add(self, jwk: Mapping[str, Any], retired_at: str | None) -> None:
        key = OKPKey.import_key({name: value for name, value in jwk.items() if name != RETIRED_AT})
        if key.curve_name != "Ed25519":
            raise ValueError("it has a key for another curve than Ed25519")
        at = None if retired_at is None else time_of(retired_at)
        if retired_at is not None and at is None:
            raise ValueError(f"{RETIRED_AT} {retired_at!r} is no time")
        self._keys[key.thumbprint()] = (key, at)

    def read(self, text: str) -> Signed:
        """Returns the verified content of a compact JWS that one of the keys signed. Raises `SignatureError`.

        Needs no network.
        """
        text = text.strip()
        try:
            kid = str(_header(text).get("kid"))
            key, retired_at = self._keys[kid]
            found = jws.deserialize_compact(text, key, registry=StrictRegistry())
            claims = json.loads(found.payload)
        except KeyError as error:
            raise SignatureError("It is signed by none of the published keys.") from error
        except (JoseError, ValueError, TypeError, UnicodeError, RecursionError) as error:
            raise SignatureError(f"Invalid signature: {error}.") from error
        if not isinstance(claims, dict):
            raise SignatureError("It says nothing.")
        return Signed(str(found.headers().get("typ")), claims, kid, retired_at)


def _header(text: str) -> dict[str, Any]:
    """Returns the unverified header, used only to choose the key.

    A signature in a non-canonical encoding is refused.
    """
    header, _, signature = text.split(".")
    if _decoded(signature) is None:
        raise ValueError("it is not base64url")
    found = json.loads(_decoded(header) or b"")
    if not isinstance(found, dict):
        raise TypeError("its header is no object")
    return found


def _decoded(part: str) -> bytes | None:
    """Decodes canonical base64url: without padding or leftover bits. Returns None for anything else."""
    try:
        found = base64.b64decode(part.encode("ascii") + b"=" * (-len(part) % 4), b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return found if base64.urlsafe_b64encode(found).rstrip(b"=") == part.encode() else None


def time_of(value: object) -> datetime | None:
    """Parses an ISO 8601 time with an offset; None for anything else."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None

"""Receipts: each outcome as a compact JWS (EdDSA over Ed25519), which anyone with the public keys can check offline."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from orchestration.domain.effects import SignReceiptInput
from orchestration.domain.errors import CountersignError

FILE: Final = "signing-keys.json"
# RFC 9864 has a new name for the same algorithm; the old one is what every JOSE library knows.
ALGORITHM: Final = "EdDSA"
TYPE: Final = "countersign-receipt+jwt"


class SigningKeyError(CountersignError):
    """COUNTERSIGN_SIGNING_KEY is not valid."""


class ReceiptError(CountersignError):
    """The receipt is not genuine."""


class _Registry(jws.JWSRegistry):
    """Takes this one algorithm, whatever a receipt's header asks for."""

    def get_alg(self, name: str) -> Any:
        if name != ALGORITHM:
            raise ReceiptError(f"The receipt is signed by {name!r}, not {ALGORITHM}.")
        return self.algorithms[name]


class SigningKeys:
    """The private keys, newest first: the first signs, the public halves of all verify."""

    def __init__(self, keys: list[OKPKey]) -> None:
        self._keys = keys

    @classmethod
    def load(cls, given: str | None, data_dir: Path) -> SigningKeys:
        """From the setting, a private JWK or a set of them; else from the data directory, made there at first.

        Raises `SigningKeyError`.
        """
        if given:
            return cls(_parse(given, "COUNTERSIGN_SIGNING_KEY"))
        path = data_dir / FILE
        if not path.exists():
            _write(path, [_fresh()])
        return cls(_parse(path.read_text(), str(path)))

    @classmethod
    def rotate(cls, data_dir: Path) -> SigningKeys:
        """A new key signs from the next start on; the old ones keep verifying. Raises `SigningKeyError`."""
        known = cls.load(None, data_dir)
        keys = [_fresh(), *known._keys]  # noqa: SLF001 - of its own class
        _write(data_dir / FILE, keys)
        return cls(keys)

    def public(self) -> dict[str, Any]:
        """The JWK set that is published."""
        return {"keys": [_public(key) for key in self._keys]}

    def sign_receipt(self, given: SignReceiptInput) -> str:
        """The receipt of an outcome: what was shown (by digest), how it was decided, by whom, when.

        Its `jti` is the nonce of that start of the request: after a purge the same ID may be decided anew.
        Each decision also says which way it came and which second factor confirmed it, if one did.
        It has no `iat`: libraries refuse one that is a second ahead of the clock of whoever checks.
        """
        key, outcome = self._keys[0], given.outcome
        claims = {
            "iss": "countersign",
            "sub": outcome.request_id,
            "jti": outcome.nonce,
            "policy": given.policy,
            "requester": given.requester,
            "digest": outcome.digest,
            "status": outcome.status.value,
            "processed_by": outcome.processed_by,
            "processed_at": outcome.processed_at.isoformat(),
            "decisions": [
                {
                    "level": level.name,
                    "actor": vote.actor,
                    "round": vote.round,
                    "for": vote.holder if vote.holder != vote.actor else None,
                    "choice": vote.choice.value,
                    "via": vote.via.value,
                    "factor": vote.factor and vote.factor.value,
                    "token": vote.token,
                    "at": vote.at.isoformat(),
                }
                for level in outcome.levels
                for vote in level.decisions
            ],
        }
        header = {"alg": ALGORITHM, "kid": key.thumbprint(), "typ": TYPE}
        payload = json.dumps(claims, sort_keys=True, separators=(",", ":"))
        return jws.serialize_compact(header, payload, key, registry=_Registry())


def verify(receipt: str, published: Mapping[str, Any]) -> dict[str, Any]:
    """The claims of a receipt, if one of the published keys signed it. Raises `ReceiptError`; needs no network."""
    try:
        keys = KeySet.import_key_set({"keys": [dict(key) for key in published["keys"]]})
        found = jws.deserialize_compact(receipt.strip(), keys, registry=_Registry())
        claims = json.loads(found.payload)
    except (JoseError, ValueError, KeyError, TypeError, UnicodeEncodeError) as error:
        raise ReceiptError(f"The receipt is not genuine: {error}.") from error
    if found.headers().get("typ") != TYPE or not isinstance(claims, dict):
        raise ReceiptError("This was signed by Countersign, but it is no receipt.")
    return claims


def _fresh() -> OKPKey:
    return OKPKey.generate_key("Ed25519")


def _public(key: OKPKey) -> dict[str, Any]:
    return {**key.as_dict(private=False), "kid": key.thumbprint(), "use": "sig", "alg": ALGORITHM}


def _parse(text: str, source: str) -> list[OKPKey]:
    try:
        found = json.loads(text)
        listed = found.get("keys", [found])
        keys = [OKPKey.import_key(key) for key in listed]
    except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SigningKeyError(
            f"{source}: is not a private Ed25519 JWK or a set of them; give one ({error})."
        ) from error
    if not keys or any(key.curve_name != "Ed25519" or not key.is_private for key in keys):
        raise SigningKeyError(f"{source}: has another key than private ones for Ed25519; remove it.")
    return keys


def _write(path: Path, keys: list[OKPKey]) -> None:
    """Replaces the file in one step, so that it is never half written. Only its owner can read it."""
    fresh = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"keys": [key.as_dict(private=True) for key in keys]}, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)

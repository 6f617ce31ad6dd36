"""Keeps the result of a claimed call, encrypted, as long as the hub keeps what has ended."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from durabletask.client import AsyncTaskHubGrpcClient

from orchestration.domain.names import call_result_id
from orchestration.domain.request import CALL_RESULT
from orchestration.held_calls.claims import Claim
from orchestration.held_calls.result import CallResult
from orchestration.service.calls import REFUSE_A_SECOND, begin, state_of
from orchestration.service.request_ids import KeyedDigests

_NONCE: Final = 12  # bytes, as AES-GCM has it


class CallResults:
    """Keeps and finds results. Each method may raise `HubUnavailableError`.

    `keyed` are digests under the server's secrets, the newest first: each result is encrypted with a key of its own.
    """

    def __init__(self, client: AsyncTaskHubGrpcClient, keyed: KeyedDigests) -> None:
        self._client = client
        self._keyed = keyed

    async def keep(
        self, claim: Claim, result: Mapping[str, Any] | None, at: datetime, *, made: bool = True
    ) -> None:
        """Keeps the call's result; with None, that the result is not kept; without `made`, that no call was made.

        Only the first report counts.
        """
        text = (
            None if result is None else json.dumps(result, ensure_ascii=False, separators=(",", ":")).encode()
        )
        encrypted = None if text is None else self._encrypted(claim, text)
        kept = CallResult(at=at, encrypted=encrypted, made=made)
        kept_by = call_result_id(claim.request_id, claim.nonce)
        await begin(self._client, CALL_RESULT, kept, kept_by, reuse=REFUSE_A_SECOND)

    async def found(self, claim: Claim) -> tuple[CallResult, dict[str, Any] | None] | None:
        """What is kept of the call, with its result or None; None if nothing is known.

        A result that cannot be decrypted, as after a rotation that dropped the old secret, counts as none.
        """
        state = await state_of(self._client, call_result_id(claim.request_id, claim.nonce))
        kept = state.get_input(CallResult) if state is not None and state.name == CALL_RESULT else None
        if kept is None:
            return None
        return kept, None if kept.encrypted is None else self._decrypted(claim, kept.encrypted)

    def _keys(self, claim: Claim) -> list[bytes]:
        return [key[:32] for key in self._keyed(f"result {claim.request_id} {claim.nonce}")]

    def _encrypted(self, claim: Claim, text: bytes) -> str:
        nonce = secrets.token_bytes(_NONCE)
        sealed = AESGCM(self._keys(claim)[0]).encrypt(nonce, text, claim.attempt.encode())
        return base64.b64encode(nonce + sealed).decode()

    def _decrypted(self, claim: Claim, encrypted: str) -> dict[str, Any] | None:
        raw = base64.b64decode(encrypted)
        for key in self._keys(claim):
            try:
                text = AESGCM(key).decrypt(raw[:_NONCE], raw[_NONCE:], claim.attempt.encode())
            except InvalidTag:
                continue
            found: dict[str, Any] = json.loads(text)
            return found
        return None

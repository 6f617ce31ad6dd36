"""Asks systems for their answers: a signed POST, with the address at which that system answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from bot.outbound.http_client import HttpClient, host_of
from bot.outbound.signing import action_secret, signed
from bot.security.answer_addresses import AnswerAddresses
from bot.security.secrets import Secrets
from orchestration.domain.errors import DeliveryError
from orchestration.domain.gathering import AskSystemInput

# The client errors that may succeed on retry. Every other 4xx is final.
RETRIED: Final = frozenset({408, 425, 429})
NO_ADDRESS: Final = "COUNTERSIGN_PUBLIC_URL is not set, so there is no address to answer at."


class SystemAsker:
    """`orchestration.ports.Systems`. Safe to share between threads."""

    def __init__(
        self,
        secrets: Secrets,
        http: HttpClient,
        addresses: AnswerAddresses,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._secrets = secrets
        self._http = http
        self._addresses = addresses
        self._now = now

    def ask_system(self, given: AskSystemInput) -> str:
        """Makes one attempt. The body is signed with the policy's secret, as its POSTs are.

        The answer URL is made here at each attempt. So no history holds the key in that URL.
        """
        if not self._addresses.base:
            raise DeliveryError(NO_ADDRESS)
        address = self._addresses.make(given.request_id, given.event, given.nonce)
        body = json.dumps({**given.body, "answer_uri": address}, ensure_ascii=False, allow_nan=False)
        answer = self._http.post(
            given.url,
            body.encode(),
            {
                "Idempotency-Key": given.id,
                **signed(action_secret(self._secrets, given.policy), given.id, body),
            },
            is_final=lambda status: status < 500 and status not in RETRIED,
        )
        if not answer.ok:
            raise DeliveryError(f"{host_of(given.url)} refused it ({answer.status}).")
        return f"answered {answer.status}"

"""Callbacks: an outcome POSTed to the URL that the requester gave, signed by the Standard Webhooks scheme."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Final

from standardwebhooks import Webhook

from bot.outbound.http_client import HttpClient, host_of
from bot.security.secrets import Secrets
from orchestration.domain.effects import SendCallbackInput
from orchestration.domain.errors import DeliveryError

PURPOSE: Final = "callback"
GONE: Final = 410


def secret_of(secrets: Secrets, token: str | None) -> str:
    """What the receiver verifies with, `whsec_…`: each token has its own, so none can forge another's callbacks."""
    return "whsec_" + base64.b64encode(secrets.derive(PURPOSE, token or "")).decode()


class CallbackSender:
    """`orchestration.ports.Caller`. Safe to share between threads."""

    def __init__(self, secrets: Secrets, http: HttpClient) -> None:
        self._secrets = secrets
        self._http = http

    def send_callback(self, callback: SendCallbackInput) -> str:
        """One try, by the rules of Standard Webhooks: 2xx is done, 410 is final, all else is tried again."""
        body = json.dumps(callback.event, ensure_ascii=False, separators=(",", ":"))
        answer = self._http.post(
            callback.url, body.encode(), self._headers(callback, body), is_final=lambda status: status == GONE
        )
        if not answer.ok:
            raise DeliveryError(f"{host_of(callback.url)} answered {GONE}: it wants no more callbacks.")
        return f"answered {answer.status}"

    def _headers(self, callback: SendCallbackInput, body: str) -> dict[str, str]:
        """Signed anew at each try, as receivers refuse an old timestamp; the ID stays the same."""
        now = datetime.now(UTC)
        signature = Webhook(secret_of(self._secrets, callback.asked_with)).sign(callback.id, now, body)
        return {
            "webhook-id": callback.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature,
        }

"""Sends heads to a webhook, so that somebody else knows how long the log was, and when."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Final

from standardwebhooks import Webhook

from bot.outbound.http_client import HttpClient, host_of
from bot.records.entries import unchecked_claims
from bot.security.secrets import Secrets
from orchestration.domain.errors import DeliveryError

PURPOSE: Final = "records-webhook"
GONE: Final = 410


def webhook_secret(secrets: Secrets) -> str:
    """What the receiver verifies with, `whsec_…`."""
    return "whsec_" + base64.b64encode(secrets.derive(PURPOSE, "")).decode()


class HeadWebhook:
    """One address that gets every head, signed by the Standard Webhooks scheme. Called from one thread."""

    def __init__(self, url: str, secrets: Secrets, http: HttpClient) -> None:
        self._url = url
        self._secrets = secrets
        self._http = http

    def send(self, head: str) -> None:
        """One try. Raises `DeliveryError` (never try this one again) or anything else (try again)."""
        claims = unchecked_claims(head)
        event = {
            "type": "records.head",
            "timestamp": claims["signed_at"],
            "data": {"head": head, **{name: claims[name] for name in ("log", "sequence", "hash")}},
        }
        body = json.dumps(event, separators=(",", ":"))
        webhook_id, now = f"{claims['log']}:{claims['sequence']}:{claims['signed_at']}", datetime.now(UTC)
        headers = {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(webhook_secret(self._secrets)).sign(webhook_id, now, body),
        }
        answer = self._http.post(self._url, body.encode(), headers, is_final=lambda status: status == GONE)
        if not answer.ok:
            raise DeliveryError(f"{host_of(self._url)} answered {GONE}: it wants no more heads.")

"""Signs what is POSTed, by the Standard Webhooks scheme. Each receiver has a secret of its own."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Final

from standardwebhooks import Webhook

from bot.security.secrets import Secrets

CALLBACK: Final = "callback"
RESPONSE: Final = "response"
ACTION: Final = "action"


def callback_secret(secrets: Secrets, token: str | None) -> str:
    """Returns the secret (`whsec_…`) with which the receiver of a token's callbacks verifies them.

    Each token has its own, so no receiver can forge another token's callbacks.
    """
    return _secret(secrets, CALLBACK, token or "")


def response_secret(secrets: Secrets, token: str | None) -> str:
    """Returns the secret (`whsec_…`) with which the receiver of a token's responses verifies them.

    It differs from the callbacks' secret, because the program chooses a response's content. With the same secret, a
    response could be replayed to a receiver of callbacks as an approval.
    """
    return _secret(secrets, RESPONSE, token or "")


def action_secret(secrets: Secrets, policy: str) -> str:
    """Returns the secret (`whsec_…`) with which systems verify the outcomes that a policy POSTs to them."""
    return _secret(secrets, ACTION, policy)


def signed(secret: str, message_id: str, body: str) -> dict[str, str]:
    """Returns the signature headers. They are new at each attempt, as receivers refuse old timestamps; the ID stays."""
    now = datetime.now(UTC)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, now, body),
    }


def _secret(secrets: Secrets, purpose: str, about: str) -> str:
    return "whsec_" + base64.b64encode(secrets.derive(purpose, about)).decode()

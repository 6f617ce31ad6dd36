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
    """What the receiver of a token's callbacks verifies with, `whsec_…`. None can forge another token's callbacks."""
    return _secret(secrets, CALLBACK, token or "")


def response_secret(secrets: Secrets, token: str | None) -> str:
    """What the receiver of a token's responses verifies with, `whsec_…`.

    Not the secret of its callbacks: what a response says is the program's own words. Signed like a callback, it could
    be carried to a receiver of callbacks, and would say yes there.
    """
    return _secret(secrets, RESPONSE, token or "")


def action_secret(secrets: Secrets, policy: str) -> str:
    """What the systems verify with that a policy's outcomes are POSTed to, `whsec_…`."""
    return _secret(secrets, ACTION, policy)


def signed(secret: str, message_id: str, body: str) -> dict[str, str]:
    """The headers. Made anew at each try, as receivers refuse an old timestamp; the ID stays the same."""
    now = datetime.now(UTC)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, now, body),
    }


def _secret(secrets: Secrets, purpose: str, about: str) -> str:
    return "whsec_" + base64.b64encode(secrets.derive(purpose, about)).decode()

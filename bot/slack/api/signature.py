"""Checks Slack's signature over the body of a request, before anything of it is parsed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from slack_sdk.signature import SignatureVerifier

_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")
_SIGNATURE: Final = re.compile(r"v0=[0-9a-f]{64}")


class SlackSignature:
    """Checks signatures with the app's signing secret. A signature is valid for five minutes."""

    def __init__(self, signing_secret: str) -> None:
        self._verifier = SignatureVerifier(signing_secret)

    def holds(self, body: str, headers: Mapping[str, str]) -> bool:
        """Whether Slack signed this body lately."""
        timestamp = headers.get("X-Slack-Request-Timestamp", "")
        signature = headers.get("X-Slack-Signature", "")
        if not _TIMESTAMP.fullmatch(timestamp) or not _SIGNATURE.fullmatch(signature):
            return False
        return self._verifier.is_valid(body, timestamp, signature)

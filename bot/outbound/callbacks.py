"""Callbacks: an outcome POSTed to the URL that the requester gave, signed by the Standard Webhooks scheme."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from bot.outbound.cloud_events import CloudEvents
from bot.outbound.http_client import HttpClient, host_of
from bot.outbound.signing import callback_secret, response_secret, signed
from bot.security.secrets import Secrets
from orchestration.domain.effects import SendCallbackInput
from orchestration.domain.errors import DeliveryError, RevokedTokenError
from orchestration.domain.request import EventFormat

GONE: Final = 410


class CallbackSender:
    """`orchestration.ports.Caller`. Safe to share between threads."""

    def __init__(
        self,
        secrets: Secrets,
        http: HttpClient,
        cloud_events: CloudEvents,
        revoked: Callable[[str | None], bool],
    ) -> None:
        """`revoked`: whether an API token of that name no longer is in force."""
        self._secrets = secrets
        self._http = http
        self._cloud_events = cloud_events
        self._revoked = revoked

    def send_callback(self, callback: SendCallbackInput) -> str:
        """Makes one attempt, by the rules of Standard Webhooks: 2xx is done, 410 is final, all else is retried.

        The content of a response was chosen by the program that asked. So no response is sent if its token was revoked.
        """
        is_response = callback.format is None
        if is_response and self._revoked(callback.asked_with):
            raise RevokedTokenError
        secret_of = response_secret if is_response else callback_secret
        secret = secret_of(self._secrets, callback.asked_with)
        event, more = callback.event, dict[str, str]()
        if callback.format is EventFormat.CLOUDEVENTS and isinstance(event, dict):
            event, more = (
                self._cloud_events.structured(callback.id, event),
                self._cloud_events.headers(callback.url),
            )
        body = json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        answer = self._http.post(
            callback.url,
            body.encode(),
            {**signed(secret, callback.id, body), **more},
            is_final=lambda status: status == GONE,
        )
        if not answer.ok:
            raise DeliveryError(f"{host_of(callback.url)} answered {GONE}: it wants no more callbacks.")
        return f"answered {answer.status}"

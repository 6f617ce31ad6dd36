"""CloudEvents 1.0 over HTTP: the outcome in structured mode, and the handshake of its web hooks.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md, and http-webhook.md beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from bot.outbound.http_client import HttpClient, host_of
from orchestration.domain.errors import DeliveryError

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
TYPE: Final = "countersign."
REQUESTED: Final = "WebHook-Request-Origin"
ALLOWED: Final = "WebHook-Allowed-Origin"


class CloudEvents:
    """The CloudEvents of one server. `source` is its own address; together with an event's ID it is unique."""

    def __init__(self, source: str, http: HttpClient) -> None:
        self._source = source
        self._http = http
        self._origin = urlsplit(source).hostname or source

    def structured(self, event_id: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """The event of an outcome, or of a gathering's result, as a CloudEvent. It is the same at every attempt."""
        return {
            "specversion": "1.0",
            "id": event_id,
            "source": self._source,
            "type": f"{TYPE}{event['type']}",
            "subject": (event["data"].get("outcome") or event["data"]["result"])["request_id"],
            "time": event["timestamp"],
            "datacontenttype": "application/json",
            "data": event["data"],
        }

    def headers(self, url: str) -> dict[str, str]:
        """Asks the target whether it accepts events, and returns the extra headers for a POST to it.

        Raises `DeliveryError` if the target accepts events only from another sender. A target that does not know the
        handshake gets the event all the same: the specification allows that at a very low rate, and there is one event
        for each outcome. Raises what `HttpClient.post` raises for a target that is not reached.
        """
        allowed = self._http.ask(url, {REQUESTED: self._origin}, ALLOWED)
        if allowed is not None and allowed.strip() != "*" and allowed.strip().lower() != self._origin:
            raise DeliveryError(
                f"{host_of(url)} takes no events from {self._origin} ({ALLOWED} names another)."
            )
        return {"Content-Type": CONTENT_TYPE, REQUESTED: self._origin}

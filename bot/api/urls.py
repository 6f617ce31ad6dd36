"""Where things are, as a caller reaches us."""

from __future__ import annotations

from bot.api.endpoint import Call
from bot.api.models import Started

MANAGEMENT = "/runtime/webhooks/durabletask/instances"


class Urls:
    """Absolute addresses: under COUNTERSIGN_PUBLIC_URL, or as the caller addressed us."""

    def __init__(self, public_url: str | None) -> None:
        self._public_url = public_url

    def base(self, call: Call) -> str:
        """Scheme and host, without a slash."""
        return self._public_url or str(call.request.url.origin())

    def approval(self, call: Call, request_id: str) -> str:
        """One approval."""
        return f"{self.base(call)}/api/approvals/{request_id}"

    def started(self, call: Call, instance_id: str) -> Started:
        """The management addresses under the names of Durable Functions."""
        instance = f"{self.base(call)}{MANAGEMENT}/{instance_id}"
        return Started(
            id=instance_id,
            status_query_get_uri=instance,
            send_event_post_uri=f"{instance}/raiseEvent/{{eventName}}",
            terminate_post_uri=f"{instance}/terminate?reason={{text}}",
            suspend_post_uri=f"{instance}/suspend?reason={{text}}",
            resume_post_uri=f"{instance}/resume?reason={{text}}",
            purge_history_delete_uri=instance,
        )

"""Makes absolute URLs as a caller reaches us, and signs and checks the keys in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from bot.http.api.endpoint import ApiCall
from bot.http.api.models import Started
from bot.security.secrets import Secrets

MANAGEMENT: Final = "/runtime/webhooks/durabletask/instances"
LIFETIME: Final = timedelta(days=90)  # how long the keys in management addresses are good
STATUS_RIGHT: Final = "status"
ADMIN_RIGHT: Final = "admin"
HOOK: Final = "hook"


class Urls:
    """Absolute addresses: under COUNTERSIGN_PUBLIC_URL, or as the caller addressed us."""

    def __init__(self, public_url: str | None, secrets: Secrets) -> None:
        self._public_url = public_url
        self._secrets = secrets

    def base(self, call: ApiCall) -> str:
        """Scheme and host, without a slash."""
        return self._public_url or str(call.request.url.origin())

    def approval(self, call: ApiCall, request_id: str) -> str:
        """One approval."""
        return f"{self.base(call)}/api/approvals/{request_id}"

    def started(self, call: ApiCall, instance_id: str, *, may_act: bool) -> Started:
        """The management addresses under the names of Durable Functions.

        As theirs they carry a key, so that following them needs no header: to look, for whoever asked; to act on the
        instance, for those who `may_act`.
        """
        instance = f"{self.base(call)}{MANAGEMENT}/{instance_id}"
        look = self._query(STATUS_RIGHT, instance_id)
        act = self._query(ADMIN_RIGHT, instance_id) if may_act else ""
        return Started(
            id=instance_id,
            status_query_get_uri=f"{instance}?{look}",
            send_event_post_uri=f"{instance}/raiseEvent/{{eventName}}?{act}".rstrip("?"),
            terminate_post_uri=f"{instance}/terminate?reason={{text}}&{act}".rstrip("&"),
            suspend_post_uri=f"{instance}/suspend?reason={{text}}&{act}".rstrip("&"),
            resume_post_uri=f"{instance}/resume?reason={{text}}&{act}".rstrip("&"),
            purge_history_delete_uri=f"{instance}?{act}".rstrip("?"),
        )

    def _query(self, right: str, instance_id: str) -> str:
        key = self._secrets.sign(right, instance_id, until=datetime.now(UTC) + LIFETIME)
        return f"taskHub=countersign&connection=Storage&code={key}"

    def admits(self, call: ApiCall, right: str, instance_id: str) -> bool:
        """Whether the address carries a key of ours for this; the right to act includes the right to look."""
        key, now = call.request.query.get("code", ""), datetime.now(UTC)
        rights = {right, ADMIN_RIGHT}
        return any(self._secrets.verify(one, instance_id, key, now=now) for one in rights)

    def hook(self, call: ApiCall, instance_id: str, event_name: str, until: datetime) -> str:
        """An address at which anyone who has it may raise this one event until then."""
        key = self._secrets.sign(HOOK, f"{instance_id}\0{event_name}", until=until)
        return (
            f"{self.base(call)}/hooks/{quote(instance_id, safe='')}/{quote(event_name, safe='')}?code={key}"
        )

    def admits_hook(self, call: ApiCall, instance_id: str, event_name: str) -> bool:
        """Whether the address carries the key for this event of this instance."""
        key = call.request.query.get("code", "")
        about = f"{instance_id}\0{event_name}"
        return self._secrets.verify(HOOK, about, key, now=datetime.now(UTC))

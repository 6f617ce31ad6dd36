"""Makes the URLs that we hand out, and signs and checks the keys in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from bot.http.api.endpoint import ApiCall
from bot.http.api.models import Started
from bot.http.api.rate_limit import RateLimiter
from bot.security.secrets import Secrets
from bot.security.tokens import ADMIN, Token, TokenFile

RUNTIME: Final = "/runtime/webhooks/durabletask"
MANAGEMENT: Final = f"{RUNTIME}/instances"
POLL_AFTER: Final = "10"  # seconds; the same as Durable Functions
LIFETIME: Final = timedelta(days=90)  # how long the keys in management URLs are valid
STATUS_RIGHT: Final = "status"
ADMIN_RIGHT: Final = "admin"
HOOK: Final = "hook"


class Urls:
    """Addresses under COUNTERSIGN_PUBLIC_URL. Without it, they are relative URLs.

    The caller's Host header is never used: others follow these URLs.

    A URL with a key belongs to the token that it was made with. It stops working when the token is revoked, has no more
    rights than the token, and counts against the token's rate.
    """

    def __init__(
        self, public_url: str | None, secrets: Secrets, tokens: TokenFile, rates: RateLimiter
    ) -> None:
        self._public_url = public_url
        self._secrets = secrets
        self._tokens = tokens
        self._rates = rates

    @property
    def base(self) -> str:
        """The public address without a last slash; empty where there is none."""
        return self._public_url or ""

    def approval(self, request_id: str) -> str:
        """The URL of one approval."""
        return f"{self.base}/api/approvals/{quote(request_id, safe='')}"

    def gathering(self, request_id: str) -> str:
        """The URL of one gathering."""
        return f"{self.base}/api/gatherings/{quote(request_id, safe='')}"

    def again(self, call: ApiCall) -> str:
        """The URL that was called."""
        called = call.request.rel_url
        return f"{self.base}{called.raw_path}" + (
            f"?{called.raw_query_string}" if called.raw_query_string else ""
        )

    def started(
        self, call: ApiCall, instance_id: str, *, may_act: bool, look_with: str = STATUS_RIGHT
    ) -> Started:
        """Returns the management URLs under the names of Durable Functions.

        They carry a key, as in Durable Functions, so no header is needed. The key lets the caller who asked read the
        instance; with `may_act`, it also lets them act on it. The key of `STATUS_RIGHT` shows an approval and nothing
        else.
        """
        instance = f"{self.base}{MANAGEMENT}/{quote(instance_id, safe='')}"
        look = self._query(call, look_with, instance_id)
        act = self._query(call, ADMIN_RIGHT, instance_id) if may_act else ""
        return Started(
            id=instance_id,
            status_query_get_uri=f"{instance}?{look}",
            send_event_post_uri=f"{instance}/raiseEvent/{{eventName}}?{act}".rstrip("?"),
            terminate_post_uri=f"{instance}/terminate?reason={{text}}&{act}".rstrip("&"),
            suspend_post_uri=f"{instance}/suspend?reason={{text}}&{act}".rstrip("&"),
            resume_post_uri=f"{instance}/resume?reason={{text}}&{act}".rstrip("&"),
            rewind_post_uri=f"{instance}/rewind?reason={{text}}&{act}".rstrip("&"),
            restart_post_uri=f"{instance}/restart?{act}".rstrip("?"),
            purge_history_delete_uri=f"{instance}?{act}".rstrip("?"),
        )

    def _query(self, call: ApiCall, right: str, instance_id: str) -> str:
        maker = self._maker(call)
        until = datetime.now(UTC) + LIFETIME
        key = self._secrets.sign(right, f"{instance_id}\0{maker}", until=until)
        return f"taskHub=countersign&connection=Storage&by={maker}&code={key}"

    def _maker(self, call: ApiCall) -> str:
        """Returns the token that new URLs belong to: the caller's, or that of the URL that was called."""
        return call.token.name if call.has_token else call.request.query.get("by", "")

    def admits(self, call: ApiCall, right: str, instance_id: str) -> bool:
        """Whether the URL has a valid key for this; the right to act includes the right to read.

        Raises `Problem` if its token has called too often.
        """
        if self.may_act(call, instance_id):
            token = self._admitted(call, ADMIN_RIGHT, instance_id)
            return token is not None and token.may(ADMIN)
        return right == STATUS_RIGHT and self._admitted(call, STATUS_RIGHT, instance_id) is not None

    def may_act(self, call: ApiCall, instance_id: str) -> bool:
        """Whether the key in the URL gives the right to act on the instance, and so to see all of it."""
        return self._is_key(call, ADMIN_RIGHT, instance_id)

    def hook(self, call: ApiCall, instance_id: str, event_name: str, until: datetime) -> str:
        """Returns a URL. Anyone who has it may raise this one event until it expires."""
        maker = self._maker(call)
        key = self._secrets.sign(HOOK, f"{instance_id}\0{event_name}\0{maker}", until=until)
        path = f"/hooks/{quote(instance_id, safe='')}/{quote(event_name, safe='')}"
        return f"{self.base}{path}?by={maker}&code={key}"

    def admits_hook(self, call: ApiCall, instance_id: str, event_name: str) -> bool:
        """Whether the URL has a valid key for this event of this instance. Raises `Problem` as `admits` does."""
        token = self._admitted(call, HOOK, f"{instance_id}\0{event_name}")
        return token is not None and token.may(ADMIN)

    def _admitted(self, call: ApiCall, right: str, about: str) -> Token | None:
        if not self._is_key(call, right, about):
            return None
        token = self._tokens.named(call.request.query.get("by", ""))
        if token is not None:
            self._rates.admit(token)
        return token

    def _is_key(self, call: ApiCall, right: str, about: str) -> bool:
        maker, key = call.request.query.get("by", ""), call.request.query.get("code", "")
        return self._secrets.verify(right, f"{about}\0{maker}", key, now=datetime.now(UTC))

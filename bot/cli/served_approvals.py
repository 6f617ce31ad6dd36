"""Reaches approvals over HTTP with the token in COUNTERSIGN_TOKEN, for `countersign mcp serve`."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from bot.cli.api_client import ApiClient, ApiReply, CallRefusedError, UnreachableError, approval_path
from bot.mcp.serve.models import AskArguments
from bot.mcp.serve.port import Looked, NotDoneError

# Seconds for which a call is repeated while the server is away: it may be restarting.
PATIENCE: Final = 20.0
PAUSE: Final = 0.5  # seconds between two tries
LONGEST_PAUSE: Final = 5.0


class ServedApprovals:
    """Implements `AgentApprovals`. Repeats a call for a short time while the server is away."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    async def ask(self, asked: AskArguments) -> str:
        """Calls `POST /api/approvals`."""
        body = asked.model_dump(mode="json", exclude={"idempotency_key"}, exclude_none=True)
        try:
            reply = await self._call("POST", "/api/approvals", body, key=asked.idempotency_key)
        except NotDoneError as error:
            if not error.temporary:
                raise
            raise NotDoneError(
                f"{error} It is not known whether people were asked. Call request_approval again with the same "
                "idempotency_key and the same arguments: they are asked once.",
                temporary=True,
            ) from error
        return str(reply.body["id"])

    async def look(self, request_id: str) -> Looked:
        """Calls `GET /api/approvals/{id}`."""
        return _looked(await self._call("GET", approval_path(request_id)))

    async def wait(self, request_id: str, seconds: float) -> Looked:
        """Makes a long poll, in whole seconds."""
        hold = max(1, int(seconds))
        query = {"wait": f"{hold}s"}
        path = approval_path(request_id)
        return _looked(await self._call("GET", path, query=query, wait=hold, patience=0))

    async def withdraw(self, request_id: str, reason: str) -> None:
        """Calls `POST /api/approvals/{id}/cancel`."""
        path = f"{approval_path(request_id)}/cancel"
        await self._call("POST", path, {"reason": reason}, key=str(uuid.uuid4()))

    async def policies(self) -> list[dict[str, Any]]:
        """Calls `GET /api/policies`."""
        found: list[dict[str, Any]] = (await self._call("GET", "/api/policies")).body["items"]
        return found

    async def _call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        key: str | None = None,
        wait: float = 0,
        patience: float = PATIENCE,
    ) -> ApiReply:
        clock = asyncio.get_running_loop()
        until = clock.time() + patience
        while True:
            try:
                return await self._api.call(method, path, body, query=query, key=key, wait=wait)
            except CallRefusedError as error:
                raise NotDoneError(str(error), conflict=error.status == HTTPStatus.CONFLICT) from error
            except UnreachableError as error:
                if error.status == HTTPStatus.TOO_MANY_REQUESTS and not error.retry_after:
                    raise NotDoneError(
                        str(error)
                    ) from error  # too many requests are open, and waiting alone does not help
                pause = max(PAUSE, error.retry_after)
                if pause > LONGEST_PAUSE or clock.time() + pause > until:
                    raise NotDoneError(
                        f"{error} Try again in a moment.", temporary=True, after=pause
                    ) from error
                await asyncio.sleep(pause)


def _looked(reply: ApiReply) -> Looked:
    return Looked(reply.body, final=reply.status == HTTPStatus.OK)

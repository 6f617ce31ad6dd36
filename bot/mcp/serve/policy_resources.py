"""Offers each policy that may be asked under as a resource."""

from __future__ import annotations

import json
from typing import Any, Final

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from bot.mcp.serve.port import NotDoneError
from bot.mcp.serve.tools import ApprovalsOf

ADDRESS: Final = "countersign://policies/"
JSON: Final = "application/json"
# The error code for a missing resource up to protocol version 2025-11-25; later it is an invalid parameter.
NOT_FOUND: Final = -32002
OLDER: Final = frozenset({"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"})


class PolicyResources:
    """Lists and reads the policies. `approvals_of` finds the caller's approvals."""

    def __init__(self, approvals_of: ApprovalsOf) -> None:
        self._approvals_of = approvals_of

    async def list_all(
        self, context: ServerRequestContext[Any, Any], _: PaginatedRequestParams | None
    ) -> ListResourcesResult:
        """Returns all policies on one page. Raises `MCPError`."""
        return ListResourcesResult(
            resources=[
                Resource(
                    uri=f"{ADDRESS}{policy['policy']}",
                    name=policy["policy"],
                    title=policy["title"],
                    description="A policy to ask under: which fields a request has to say, and in which currency.",
                    mime_type=JSON,
                )
                for policy in await self._policies(context)
            ]
        )

    async def templates(
        self, _: ServerRequestContext[Any, Any], __: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        """Returns the URI template of the policies."""
        return ListResourceTemplatesResult(
            resource_templates=[
                ResourceTemplate(
                    uri_template=f"{ADDRESS}{{policy}}",
                    name="policy",
                    title="A policy to ask under",
                    mime_type=JSON,
                )
            ]
        )

    async def read(
        self, context: ServerRequestContext[Any, Any], params: ReadResourceRequestParams
    ) -> ReadResourceResult:
        """Returns one policy as JSON. Raises `MCPError`, also if the URI names none."""
        uri = str(params.uri)
        for policy in await self._policies(context):
            if uri == f"{ADDRESS}{policy['policy']}":
                text = json.dumps(policy, ensure_ascii=False)
                return ReadResourceResult(contents=[TextResourceContents(uri=uri, mime_type=JSON, text=text)])
        code = NOT_FOUND if context.protocol_version in OLDER else INVALID_PARAMS
        raise MCPError(code, "Resource not found", {"uri": uri[:500]})

    async def _policies(self, context: ServerRequestContext[Any, Any]) -> list[dict[str, Any]]:
        try:
            return await self._approvals_of(context).policies()
        except NotDoneError as error:
            raise MCPError(INTERNAL_ERROR, str(error)) from error

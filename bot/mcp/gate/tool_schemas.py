"""Collects the schemas of the server's tools from its answers to the client. People's changes have to fit them."""

from __future__ import annotations

from typing import Final

from bot.mcp.gate.messages import Json, RequestId

LIST: Final = "tools/list"
# More than any server's tools, and than a client's open requests. Above it, schemas are not remembered.
MOST: Final = 10_000


class ToolSchemas:
    """Reads the tool lists that pass. A tool that was in no list, or has an unusable schema, has none here."""

    def __init__(self) -> None:
        self._listing: set[RequestId] = set()
        self._listed: dict[str, Json] = {}

    def __bool__(self) -> bool:
        """Whether a list is awaited."""
        return bool(self._listing)

    def asked(self, request_id: RequestId) -> None:
        """Notes that the client asks for a list, or for a page of one."""
        if len(self._listing) < MOST:
            self._listing.add(request_id)

    def take(self, request_id: RequestId, body: Json) -> None:
        """Takes the schemas from the server's answer to that request, if it is a list."""
        if request_id not in self._listing:
            return
        self._listing.discard(request_id)
        result = body.get("result")
        tools = result.get("tools") if isinstance(result, dict) else None
        for tool in tools if isinstance(tools, list) else ():
            if not isinstance(tool, dict) or not isinstance(name := tool.get("name"), str):
                continue
            schema = tool.get("inputSchema")
            if isinstance(schema, dict) and (name in self._listed or len(self._listed) < MOST):
                self._listed[name] = schema
            else:
                self._listed.pop(name, None)

    def of(self, tool: str) -> Json | None:
        """Returns the schema of the tool's arguments; None if there is none that a change can be checked against."""
        # Imported late: most runs of a gate hold no call.
        from orchestration.domain.argument_schema import schema_fault  # noqa: PLC0415

        schema = self._listed.get(tool)
        return schema if schema is not None and schema_fault(schema) is None else None

"""Combines the tools and resources into one server of the SDK, for any transport."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

from mcp.server.lowlevel import Server

from bot.mcp.serve.policy_resources import PolicyResources
from bot.mcp.serve.tools import ApprovalsOf, ApprovalTools

INSTRUCTIONS: Final = (
    "Countersign asks people for a yes or no before you do what matters, and keeps the question for as long as they "
    "need, over every restart. Call request_approval, then wait_for_approval until the answer is no longer pending, "
    "and do what you asked only on yes. An answer counts for that request alone: ask anew for anything else. You "
    "cannot approve anything here."
)


def approvals_server(approvals_of: ApprovalsOf) -> Server[Any]:
    """Returns the server. `approvals_of` finds the approvals of a call's token."""
    tools, policies = ApprovalTools(approvals_of), PolicyResources(approvals_of)
    made: Server[Any] = Server(
        "countersign",
        version=version("countersign"),
        title="Countersign",
        instructions=INSTRUCTIONS,
        get_tool_input_schema=tools.schema,
        on_list_tools=tools.list_all,
        on_call_tool=tools.call,
        on_list_resources=policies.list_all,
        on_list_resource_templates=policies.templates,
        on_read_resource=policies.read,
    )
    # The SDK's own middleware would join each call to the trace that its caller names.
    made.middleware.clear()
    return made

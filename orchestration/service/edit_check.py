"""Checks an approver's changes before they are sent."""

from __future__ import annotations

from durabletask.client import OrchestrationState

from orchestration.approval.status import view_of
from orchestration.domain import argument_schema
from orchestration.domain.arguments import masked_places
from orchestration.domain.commands import Command, Decision, Reason
from orchestration.domain.edits import ARGUMENTS, edited
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.ids import IdReader
from orchestration.domain.inert import in_quotes


def unfit_edits(command: Command, state: OrchestrationState, ids: IdReader) -> Reason | None:
    """The reason not to send the changes, or None. Raises `InvalidRequestError` for one that does not fit.

    The orchestration checks the policy again, but not the schema of a tool's arguments. The check here is enough: the
    decision names the digest of what was checked.
    """
    if not isinstance(command, Decision) or not command.edits:
        return None
    view = view_of(state)
    if (command.nonce, command.digest) != (view.identity.nonce, view.identity.digest):
        return Reason.OUTDATED
    call = edited(view.request, view.policy, command.edits, ids).request.call
    if call is None or call.input_schema is None:
        return None
    masked = set(masked_places(call.arguments, call.bound or call.arguments))
    if (fault := argument_schema.fault_of(call.input_schema, call.arguments, masked)) is None:
        return None
    at, words = fault
    path = f"{ARGUMENTS}{at}" if at else "arguments"
    field = path if path in command.edits else next(iter(command.edits))
    raise InvalidRequestError(f"{path}: does not fit the tool: {in_quotes(words)}.", field=field)

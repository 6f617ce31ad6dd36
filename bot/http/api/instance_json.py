"""Instances as JSON, in the form that clients of Durable Functions read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from durabletask.client import OrchestrationState, OrchestrationStatus

from bot.http.api import json_text
from bot.http.api.approval_models import Approval
from bot.http.api.hidden_addresses import text_without_paths, without_paths
from orchestration.approval.status import OVER, progress_of
from orchestration.domain.errors import UnknownRequestError
from orchestration.domain.names import is_own_orchestration
from orchestration.domain.request import APPROVAL, Outcome

STATUSES: Final = {
    OrchestrationStatus.RUNNING: "Running",
    OrchestrationStatus.COMPLETED: "Completed",
    OrchestrationStatus.FAILED: "Failed",
    OrchestrationStatus.TERMINATED: "Terminated",
    OrchestrationStatus.CONTINUED_AS_NEW: "ContinuedAsNew",
    OrchestrationStatus.PENDING: "Pending",
    OrchestrationStatus.SUSPENDED: "Suspended",
}


def instance_json(state: OrchestrationState, *, with_input: bool) -> dict[str, Any]:
    """Returns the instance. An approval is Completed from the moment its outcome stands."""
    status = STATUSES[state.runtime_status]
    custom, output = json_text.shown(state.serialized_custom_status), json_text.shown(state.serialized_output)
    if state.name == APPROVAL and state.runtime_status not in OVER and (outcome := _outcome(state)):
        status, output = "Completed", outcome.model_dump(mode="json", by_alias=True)
    if state.failure_details is not None:
        output = state.failure_details.message
    return {
        "name": state.name,
        "instanceId": state.instance_id,
        "runtimeStatus": status,
        "input": _input(state) if with_input else None,
        "customStatus": custom,
        "output": output,
        "createdTime": time_text(state.created_at),
        "lastUpdatedTime": time_text(state.last_updated_at),
    }


def public_json(state: OrchestrationState) -> dict[str, Any]:
    """Returns what the key of a status address shows: the approval and its status, no internal data.

    Raises `UnknownRequestError` for any other instance: its data is not sealed, and a reader could take it for an
    approval.
    """
    if state.name != APPROVAL:
        raise UnknownRequestError
    shown = instance_json(state, with_input=False)
    try:
        approval = Approval.of(progress_of(state)).model_dump(
            mode="json", by_alias=True, exclude={"card_url"}
        )
    except UnknownRequestError:
        approval = None
    return {**shown, "customStatus": approval, "output": approval and approval["outcome"]}


def _outcome(state: OrchestrationState) -> Outcome | None:
    """Returns the outcome; None also where the instance's data is not ours: it is shown all the same."""
    try:
        return progress_of(state).outcome
    except UnknownRequestError:
        return None


def _input(state: OrchestrationState) -> Any:
    """Returns the instance's input. In our own inputs, addresses are cut: they may hold secrets."""
    given = json_text.shown(state.serialized_input)
    if not is_own_orchestration(state.name):
        return given
    # The input is a plain text where another program wrote JSON that parsers read differently.
    return text_without_paths(given) if isinstance(given, str) else without_paths(given)


def event_json(event: dict[str, Any], kind: str, *, own: bool, with_output: bool) -> dict[str, Any]:
    """Returns one history event under the Durable Functions names. `own`: the instance is one of ours."""
    shown = {"EventType": kind.removesuffix("Event"), "Timestamp": event.get("timestamp")}
    hidden = {"timestamp"} if with_output else {"timestamp", "input", "result", "output"}
    return {
        **shown,
        **{
            name: text_without_paths(value) if own else value
            for name, value in event.items()
            if name not in hidden and value is not None
        },
    }


def time_text(time: datetime) -> str:
    """Returns a time in the Durable Functions format, in UTC."""
    aware = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return aware.isoformat(timespec="seconds").replace("+00:00", "Z")

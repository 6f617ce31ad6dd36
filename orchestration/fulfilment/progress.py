"""Reads the hub's state of a `fulfilment` instance into our models."""

from __future__ import annotations

from durabletask.client import OrchestrationState, OrchestrationStatus
from pydantic import ValidationError

from orchestration.approval.status import CUT_SHORT, made_at
from orchestration.domain.errors import UnknownRequestError
from orchestration.domain.request import FULFILMENT, Status
from orchestration.fulfilment.models import FulfilmentInput, FulfilmentProgress


def fulfilment_progress(state: OrchestrationState) -> FulfilmentProgress:
    """The progress of a fulfilment. Before its first turn, it is made from the input. Raises `UnknownRequestError`."""
    if state.name != FULFILMENT:
        raise UnknownRequestError
    try:
        found = state.get_custom_status(FulfilmentProgress)
        given = state.get_input(FulfilmentInput)
    except ValidationError as error:
        raise UnknownRequestError from error
    if given is None:
        raise UnknownRequestError
    handed = given.given
    if found is None or found.nonce != handed.card.nonce:
        declared = handed.policy.fulfilment
        if declared is None:
            raise UnknownRequestError
        found = FulfilmentProgress(
            id=state.instance_id,
            request_id=handed.request_id,
            nonce=handed.card.nonce,
            policy=handed.policy.key,
            owner=declared.owner or handed.policy.owner,
            state=declared.first.name,
            entered_at=made_at(state),
            awaits=declared.first.awaited(),
            cards=handed.cards,
        )
    cut_short = CUT_SHORT.get(state.runtime_status)
    if state.runtime_status is OrchestrationStatus.COMPLETED:
        cut_short = Status.FAILED  # a turn of ours publishes its end, under its seal, before it completes
    if cut_short is not None and not found.over:
        return found.model_copy(update={"stopped": cut_short, "awaits": [], "deadline": None})
    return found

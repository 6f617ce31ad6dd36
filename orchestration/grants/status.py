"""Reads a hub's state of a `standing_grant` instance into our models."""

from __future__ import annotations

from datetime import UTC
from typing import Final

from durabletask.client import OrchestrationState, OrchestrationStatus
from pydantic import ValidationError

from orchestration.approval.status import OVER
from orchestration.domain.errors import UnknownRequestError
from orchestration.domain.grants import GrantEnd
from orchestration.domain.request import STANDING_GRANT
from orchestration.grants.models import GrantInput, GrantProgress
from orchestration.grants.run import STOPPED

# A suspended instance receives no revocation, so its grant counts for nothing either.
STILL: Final = OVER | {OrchestrationStatus.SUSPENDED}


def grant_progress_of(state: OrchestrationState) -> GrantProgress:
    """The progress of the grant. A grant whose instance was stopped or suspended from outside has failed.

    Raises `UnknownRequestError`.
    """
    if state.name != STANDING_GRANT:
        raise UnknownRequestError
    try:
        given = state.get_input(GrantInput)
        found = state.get_custom_status(GrantProgress)
    except ValidationError as error:
        raise UnknownRequestError from error
    if given is None:
        raise UnknownRequestError
    if found is None or found.facts != given.given.facts:
        found = GrantProgress(facts=given.given.facts)
    if found.ended is None and state.runtime_status in STILL:
        ended_at = state.last_updated_at.replace(tzinfo=state.last_updated_at.tzinfo or UTC)
        found = found.model_copy(update={"ended": GrantEnd.FAILED, "ended_at": ended_at, "reason": STOPPED})
    return found

"""Moves requests after their approval: takes events from hooks, and the owner's cancellation."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from typing import Any, Final

from durabletask.client import AsyncTaskHubGrpcClient, OrchestrationState, OrchestrationStatus
from pydantic import ValidationError

from orchestration import telemetry
from orchestration.approval.status import OVER, view_of
from orchestration.domain.errors import (
    EndedInstanceError,
    HubUnavailableError,
    InvalidRequestError,
    UnknownRequestError,
    WrongStateError,
)
from orchestration.domain.fulfilment import Fulfilment
from orchestration.domain.names import EventName, fulfilled_request, fulfilment_id
from orchestration.domain.policy_book import PolicyBook
from orchestration.domain.request import APPROVAL, FULFILMENT, to_json
from orchestration.fulfilment.models import (
    EVENT_CANCELLED,
    EVENT_RECEIVED,
    EVENT_RETRY,
    LONGEST_PAYLOAD,
    FulfilmentCancellation,
    FulfilmentInput,
    FulfilmentProgress,
    FulfilmentReason,
    FulfilmentRetry,
    FulfilmentVerdict,
    HookDelivery,
)
from orchestration.fulfilment.progress import fulfilment_progress
from orchestration.runtime.turns import Turns
from orchestration.service.approvals import Actor
from orchestration.service.calls import SHORTEST_LOOK, state_of, translated, within_budget

PATIENCE: Final = 5.0  # seconds that the sender of an event waits for its result
NOT_YET: Final = "The request is not approved yet, so nothing follows. Send the event again once it is."
BEGINS: Final = (
    "The request is approved, and what follows is about to begin. Send the event again in a moment."
)
PURGED: Final = "What followed the approval is over, and was purged."


# The fulfilment's ID, what its policy declares, and its state once it has begun.
_Found = tuple[str, Fulfilment, OrchestrationState | None]


class FulfilmentService:
    """Moves and reads fulfilments; call `hook_target` before `receive`. Each may raise `HubUnavailableError`."""

    def __init__(
        self, client: AsyncTaskHubGrpcClient, book: Callable[[], PolicyBook], turns: Turns | None = None
    ) -> None:
        """`book` says who was revoked since; `turns` are the worker's turns, if this process has one."""
        self._client = client
        self._book = book
        self._turns = turns or Turns()

    # ---- looking -----------------------------------------------------------------------------------------

    async def progress(self, instance_id: str) -> FulfilmentProgress:
        """The progress of a fulfilment, by the ID of its instance. Raises `UnknownRequestError`."""
        state = await state_of(self._client, instance_id)
        if state is None:
            raise UnknownRequestError
        return fulfilment_progress(state)

    # ---- events from hooks -------------------------------------------------------------------------------

    async def hook_target(self, instance_id: str, event: str) -> str | None:
        """The fulfilment that an event for this ID (of a request or a fulfilment) moves; None if there is none.

        A request need not be approved yet. Raises `InvalidRequestError` for an event that its policy does not declare.
        """
        found = await self._found(instance_id)
        if found is None:
            return None
        target, declared, _ = found
        _check_event(declared, event)
        return target

    async def receive(
        self, instance_id: str, name: str, delivery_id: str, payload: Any, token: str | None
    ) -> FulfilmentVerdict | None:
        """Raises the event and waits briefly for its result. Returns None if the instance is no fulfilment.

        Raises `InvalidRequestError` for an event that the policy does not declare or a payload that is too long,
        `WrongStateError` before the fulfilment has begun, and `EndedInstanceError` once it is over.
        """
        found = await self._found(instance_id)
        if found is None:
            return None
        target, declared, state = found
        if state is None:
            raise WrongStateError(NOT_YET)
        _check_event(declared, name)
        if (length := len(to_json(payload))) > LONGEST_PAYLOAD:
            raise InvalidRequestError(
                f"has {length} characters as JSON, and at most {LONGEST_PAYLOAD} are kept; send fewer members",
                field="body",
            )
        progress = fulfilment_progress(state)
        if progress.over or state.runtime_status in OVER:
            counted = any((step.event, step.delivery_id) == (name, delivery_id) for step in progress.steps)
            if counted:
                return FulfilmentVerdict(
                    attempt_id="", reason=FulfilmentReason.DUPLICATE, state=progress.state
                )
            raise EndedInstanceError
        delivery = HookDelivery(
            attempt_id=str(uuid.uuid4()), name=name, delivery_id=delivery_id, payload=payload, token=token
        )
        telemetry.concerns(target)
        with translated():
            await within_budget(self._client.raise_orchestration_event(target, EVENT_RECEIVED, data=delivery))
        return await self._verdict(target, delivery.attempt_id)

    async def _found(self, instance_id: str) -> _Found | None:
        """None if there is none, or if somebody started one of our orchestrations with invalid input."""
        try:
            return await self._find(instance_id)
        except (UnknownRequestError, ValidationError):
            return None

    async def _find(self, instance_id: str) -> _Found | None:
        state = await state_of(self._client, instance_id)
        if state is not None and state.name == FULFILMENT:
            given = state.get_input(FulfilmentInput)
            declared = given.given.policy.fulfilment if given else None
            return None if declared is None else (instance_id, declared, state)
        if state is not None and state.name == APPROVAL:
            return await self._of_request(state, "")
        named = fulfilled_request(instance_id) if state is None else None
        request = await state_of(self._client, named[0]) if named else None
        if named is None or request is None or request.name != APPROVAL:
            return None
        return await self._of_request(request, named[1])

    async def _of_request(self, state: OrchestrationState, nonce: str) -> _Found | None:
        """The request's fulfilment, if the nonce of the request's start begins with this text."""
        view = view_of(state)
        declared, identity = view.policy.fulfilment, view.identity
        if declared is None or not identity.nonce.startswith(nonce):
            return None
        target = fulfilment_id(state.instance_id, identity.nonce)
        begun = await state_of(self._client, target)
        if begun is None and view.progress.status.ended:
            if not view.progress.status.is_yes:
                raise EndedInstanceError
            # An approval completes only once its fulfilment has begun.
            if view.progress.fulfilment_begun or state.runtime_status is OrchestrationStatus.COMPLETED:
                raise EndedInstanceError(PURGED)
            raise WrongStateError(BEGINS)
        return target, declared, begun

    # ---- its owner ---------------------------------------------------------------------------------------

    async def cancel(self, request_id: str, actor: Actor, reason: str) -> FulfilmentVerdict:
        """Calls the fulfilment off, for its owner, if its state allows that.

        Raises `UnknownRequestError` where the request has no fulfilment, and `WrongStateError` before it has begun.
        """
        given = FulfilmentCancellation(
            attempt_id=str(uuid.uuid4()), actor=actor.id, via=actor.via, token=actor.token, reason=reason
        )
        return await self._submit(request_id, EVENT_CANCELLED, given)

    async def retry(self, request_id: str, actor: Actor, *, within: float = PATIENCE) -> FulfilmentVerdict:
        """Has the failed actions tried again, for whoever is in charge. Waits that many seconds for the verdict.

        Raises as `cancel` does.
        """
        given = FulfilmentRetry(
            attempt_id=str(uuid.uuid4()), actor=actor.id, via=actor.via, token=actor.token
        )
        return await self._submit(request_id, EVENT_RETRY, given, within=within)

    async def policy(self, request_id: str) -> str:
        """The policy that the fulfilment follows. Raises as `cancel` does."""
        return fulfilment_progress(await self._begun(request_id)).policy

    async def _begun(self, request_id: str) -> OrchestrationState:
        found = await self._found(request_id)
        if found is None:
            raise UnknownRequestError("Nothing follows the approval of this request.")
        _, _, state = found
        if state is None:
            raise WrongStateError("The request is not approved yet. Withdraw it instead.")
        return state

    async def _submit(
        self,
        request_id: str,
        event: EventName,
        given: FulfilmentCancellation | FulfilmentRetry,
        *,
        within: float = PATIENCE,
    ) -> FulfilmentVerdict:
        state = await self._begun(request_id)
        target, progress = state.instance_id, fulfilment_progress(state)
        telemetry.concerns(target)
        known = None
        if given.actor in self._book().revoked():
            known = FulfilmentReason.NOT_THE_OWNER
        elif state.runtime_status in OVER:
            known = FulfilmentReason.ENDED
        if known is not None:
            return FulfilmentVerdict(attempt_id=given.attempt_id, reason=known, state=progress.state)
        with translated():
            await within_budget(self._client.raise_orchestration_event(target, event, data=given))
        return await self._verdict(target, given.attempt_id, within)

    async def _verdict(
        self, instance_id: str, attempt_id: str, within: float = PATIENCE
    ) -> FulfilmentVerdict:
        """The verdict on the event; `NO_ANSWER_YET` if that takes too long. The event is on disk in any case."""
        clock = asyncio.get_running_loop()
        deadline = clock.time() + within
        with self._turns.watch(instance_id) as watch:
            while True:
                await watch.next(max(deadline - clock.time(), 0))
                left = max(deadline - clock.time(), SHORTEST_LOOK)
                state = ""
                with contextlib.suppress(HubUnavailableError, TimeoutError):
                    async with asyncio.timeout(left):
                        progress = await self.progress(instance_id)
                    state = progress.state
                    for verdict in progress.verdicts:
                        if verdict.attempt_id == attempt_id:
                            return verdict
                    if progress.stopped is not None:
                        return FulfilmentVerdict(
                            attempt_id=attempt_id, reason=FulfilmentReason.ENDED, state=state
                        )
                if clock.time() >= deadline:
                    return FulfilmentVerdict(
                        attempt_id=attempt_id, reason=FulfilmentReason.NO_ANSWER_YET, state=state
                    )


def _check_event(declared: Fulfilment, name: str) -> None:
    """Raises `InvalidRequestError`, which lists the policy's events, for any other event."""
    if name not in declared.events():
        known = ", ".join(declared.events())
        raise InvalidRequestError(f"{name} is no event of this policy; it awaits {known}", field="event_name")

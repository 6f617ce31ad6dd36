"""Reaches the lists of waiting calls, for the activities of the calls' requests, which run on worker threads."""

from __future__ import annotations

import asyncio
from typing import Final

from durabletask.client import AsyncTaskHubGrpcClient, OrchestrationState, OrchestrationStatus
from pydantic import ValidationError

from orchestration.approval.status import OVER
from orchestration.call_lists.models import EVENT_LISTED, CallListInput, CallListProgress
from orchestration.domain.call_lists import ListedCall
from orchestration.domain.cards import Card
from orchestration.domain.errors import DeliveryError, TryFailedError
from orchestration.domain.request import CALL_LIST, CardRef
from orchestration.service.calls import (
    FIRST_LOOK,
    SLOWEST_LOOK,
    begin,
    run_in,
    state_of,
    translated,
    within_budget,
)

SHOWN_WITHIN: Final = 2.0  # seconds that one try waits for the list's card
NOT_HEARD: Final = "the list of the run's calls has not heard of it yet"
NOT_YET: Final = "the card of the run's calls is not posted yet"
STOPPED: Final = "the list of the run's calls was stopped"


class HubCallLists:
    """Implements `CallLists`. Works in the event loop that it was made in."""

    def __init__(self, client: AsyncTaskHubGrpcClient) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()

    def join(self, name: str, run: str, channel: str, call: ListedCall) -> CardRef:
        """Raises `TryFailedError` while there is no card, and `DeliveryError` if none will come.

        And `HubUnavailableError`.
        """
        return run_in(self._loop, self._join(name, run, channel, call))

    def change(self, name: str, card: Card) -> bool:
        """Raises `TryFailedError`, `DeliveryError` or `HubUnavailableError`."""
        return run_in(self._loop, self._change(name, ListedCall(card=card)))

    async def _join(self, name: str, run: str, channel: str, call: ListedCall) -> CardRef:
        await begin(self._client, CALL_LIST, CallListInput(channel=channel, run=run, first=call), name)
        # Also raised if the list was just begun with this call: the list ignores repeats.
        with translated():
            await within_budget(self._client.raise_orchestration_event(name, EVENT_LISTED, data=call))
        clock = asyncio.get_running_loop()
        deadline, pause = clock.time() + SHOWN_WITHIN, FIRST_LOOK
        while True:
            found = await self._look(name)
            if found.card is not None:
                return found.card
            if found.problem:
                raise DeliveryError(found.problem)
            if clock.time() >= deadline:
                raise TryFailedError(NOT_YET, maybe_done=False)
            await asyncio.sleep(pause)
            pause = min(pause * 2, SLOWEST_LOOK)

    async def _look(self, name: str) -> CallListProgress:
        state = await state_of(self._client, name)
        if state is None or state.name != CALL_LIST:
            raise DeliveryError(f"{name} is an instance of another program on the task hub.")
        found = _progress(state)
        completed = state.runtime_status is OrchestrationStatus.COMPLETED and found.card is not None
        if state.runtime_status in OVER and not completed and not found.problem:
            return found.model_copy(update={"card": None, "problem": STOPPED})
        return found

    async def _change(self, name: str, call: ListedCall) -> bool:
        """Raises the event and checks that the list got it: it is lost silently if the list is just ending."""
        clock = asyncio.get_running_loop()
        deadline, pause, raised = clock.time() + SHOWN_WITHIN, FIRST_LOOK, False
        while True:
            state = await state_of(self._client, name)
            if state is None or state.name != CALL_LIST:
                return True  # the list was purged: its card stays as it is
            found = _progress(state)
            if found.heard.get(call.key) == call.mark():
                return True
            if state.runtime_status in OVER:
                return found.calls != 1
            if not raised:
                with translated():
                    await within_budget(self._client.raise_orchestration_event(name, EVENT_LISTED, data=call))
                raised = True
            if clock.time() >= deadline:
                raise TryFailedError(NOT_HEARD, maybe_done=True)
            await asyncio.sleep(pause)
            pause = min(pause * 2, SLOWEST_LOOK)


def _progress(state: OrchestrationState) -> CallListProgress:
    """Raises `DeliveryError` if it cannot be read."""
    try:
        return state.get_custom_status(CallListProgress) or CallListProgress()
    except ValidationError as error:
        raise DeliveryError(f"{state.instance_id} cannot be read.") from error

"""Puts on record that something is about to be posted, where the hub does not say whether it gave it out before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from durabletask.client import AsyncTaskHubGrpcClient

from orchestration.domain.request import POST_INTENT
from orchestration.replicas.post_intent import PostIntent
from orchestration.service.calls import REFUSE_A_SECOND, begin, run_in


class HubIntents:
    """See `Intents`. Works in the event loop that it was made in, for activities, which run on worker threads."""

    def __init__(self, client: AsyncTaskHubGrpcClient, again: Callable[[], bool | None]) -> None:
        """`again`: whether the activity of the calling thread was given out before; None where the hub does not say."""
        self._client = client
        self._again = again
        self._loop = asyncio.get_running_loop()

    def begun_before(self, instance_id: str, task_id: int, what: str) -> bool:
        """One call to the hub, none where it says so itself. Raises `HubUnavailableError`."""
        again = self._again()
        if again is not None:
            return again
        work = self._is_on_record(PostIntent(instance=instance_id, task=task_id, what=what))
        return run_in(self._loop, work)

    async def _is_on_record(self, intent: PostIntent) -> bool:
        """Whether it was; from now on it is. A hub that took the call and lost its answer says so at the repeat."""
        return not await begin(self._client, POST_INTENT, intent, intent.id(), reuse=REFUSE_A_SECOND)

"""Records that something is about to be posted, if the hub does not say whether an activity was given out before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from durabletask.client import AsyncTaskHubGrpcClient

from orchestration.domain.request import POST_INTENT
from orchestration.replicas.post_intent import PostIntent
from orchestration.service.calls import REFUSE_A_SECOND, begin, run_in


class HubIntents:
    """Implements `Intents` for activities, which run on worker threads. Works in the event loop it was made in."""

    def __init__(self, client: AsyncTaskHubGrpcClient, again: Callable[[], bool | None]) -> None:
        """`again`: whether the calling thread's activity was given out before; None if the hub does not say."""
        self._client = client
        self._again = again
        self._loop = asyncio.get_running_loop()

    def begun_before(self, instance_id: str, task_id: int, what: str) -> bool:
        """Whether it was begun before. Needs a call to the hub if `again` says None. Raises `HubUnavailableError`."""
        again = self._again()
        if again is not None:
            return again
        work = self._is_on_record(PostIntent(instance=instance_id, task=task_id, what=what))
        return run_in(self._loop, work)

    async def _is_on_record(self, intent: PostIntent) -> bool:
        """Records it, and says whether it was on record before. A repeat after a lost answer says True."""
        return not await begin(self._client, POST_INTENT, intent, intent.id(), reuse=REFUSE_A_SECOND)

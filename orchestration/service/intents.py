"""Puts on record that something is about to be posted, where the hub does not say whether it gave it out before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import grpc
from durabletask.client import AsyncTaskHubGrpcClient
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.domain.errors import HubUnavailableError
from orchestration.domain.request import POST_INTENT, VERSION
from orchestration.replicas.post_intent import PostIntent
from orchestration.service.calls import ours, within_budget

# What a hub does with an ID whose instance has ended is left to it where nothing is said. This lists one status that no
# instance of ours ever has, so it says that an instance which runs or has completed is not replaced.
_REFUSE_A_SECOND: Final = pb.OrchestrationIdReusePolicy(replaceableStatus=[pb.ORCHESTRATION_STATUS_CANCELED])


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
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except RuntimeError as error:  # the loop is closed: the process ends, and another tries again
            work.close()
            raise HubUnavailableError from error

    async def _is_on_record(self, intent: PostIntent) -> bool:
        """Whether it was; from now on it is. A hub that took the call and lost its answer says so at the repeat."""
        try:
            await within_budget(
                self._client.schedule_new_orchestration(
                    POST_INTENT,
                    input=intent,
                    instance_id=intent.id(),
                    version=VERSION,
                    reuse_id_policy=_REFUSE_A_SECOND,
                )
            )
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.ALREADY_EXISTS:
                return True
            raise ours(error) from error
        return False

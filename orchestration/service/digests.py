"""The listeners of the channels' digests: sends them lines, lists them and stops them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from durabletask.client import (
    AsyncTaskHubGrpcClient,
    OrchestrationQuery,
    OrchestrationState,
    OrchestrationStatus,
)
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.approval.status import OVER
from orchestration.digest.models import DigestInput, DigestProgress
from orchestration.domain.digests import AutoApprovalNotice, DigestLine
from orchestration.domain.errors import (
    DeliveryError,
    TryFailedError,
    UnknownRequestError,
)
from orchestration.domain.names import EventName, IdPrefix, OrchestrationName
from orchestration.domain.policy_book import PolicyBook
from orchestration.service.calls import begin, run_in, state_of, translated, within_budget

CLOSING: Final = "the channel's digest was just closing; a new one begins in a moment"
# An ended listener is started again under its own ID, so a channel never has two.
_ENDED: Final = pb.OrchestrationIdReusePolicy(
    replaceableStatus=[
        pb.ORCHESTRATION_STATUS_COMPLETED,
        pb.ORCHESTRATION_STATUS_FAILED,
        pb.ORCHESTRATION_STATUS_TERMINATED,
    ]
)


def digest_id(channel: str) -> str:
    """The instance that listens for this channel."""
    return f"{IdPrefix.DIGEST}-{channel}"


class HubDigests:
    """Implements `Digests` for activities, which run on worker threads. Works in the event loop it was made in."""

    def __init__(self, client: AsyncTaskHubGrpcClient) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()

    def add(self, channel: str, line: DigestLine) -> None:
        """Raises `TryFailedError` while a listener closes, `DeliveryError` and `HubUnavailableError`."""
        work = self._add(digest_id(channel), channel, line)
        run_in(self._loop, work)

    async def _add(self, instance_id: str, channel: str, line: DigestLine) -> None:
        """Starts the listener or finds it, raises the line, and looks whether the listener was still open after that.

        An event that reaches an instance as it ends is lost silently. So a listener reports that it is closing some
        time before it ends, and still takes lines until then. If it is still open after the line is on disk, the line
        is counted. Otherwise the line is sent again; its key prevents counting it twice.
        """
        await self._begin_unless_it_stands(instance_id, channel)
        with translated():
            await within_budget(
                self._client.raise_orchestration_event(instance_id, EventName.DIGEST_LINE, data=line)
            )
        state = await state_of(self._client, instance_id)
        if state is not None and state.name != OrchestrationName.CHANNEL_DIGEST:
            raise DeliveryError(f"{instance_id} is an instance of another program.")
        if state is None or state.runtime_status in OVER or progress_of(state, channel).closing:
            raise TryFailedError(CLOSING)

    async def _begin_unless_it_stands(self, instance_id: str, channel: str) -> None:
        """Starts the listener if none runs, once even under concurrent calls. It gets the old one's known lines."""
        before = await state_of(self._client, instance_id)
        if before is not None and before.runtime_status not in OVER:
            return
        ended: DigestProgress | None = None
        if before is not None and before.name == OrchestrationName.CHANNEL_DIGEST:
            is_whole = before.runtime_status is OrchestrationStatus.COMPLETED and before.serialized_output
            ended = before.get_output(DigestProgress) if is_whole else None
        seen = ended.seen if ended is not None else []
        given = DigestInput(channel=channel, seen=seen)
        await begin(self._client, OrchestrationName.CHANNEL_DIGEST, given, instance_id, reuse=_ENDED)


def progress_of(state: OrchestrationState, channel: str) -> DigestProgress:
    """The progress of a listener. Before its first turn it holds nothing."""
    return state.get_custom_status(DigestProgress) or DigestProgress(channel=channel, held=0)


class DigestService:
    """Lists and stops listeners, for operators. Each method may raise `HubUnavailableError`."""

    def __init__(self, client: AsyncTaskHubGrpcClient, book: Callable[[], PolicyBook]) -> None:
        """`book` gives the policies as they are now."""
        self._client = client
        self._book = book

    async def standing(self) -> list[DigestProgress]:
        """The running listeners, by channel."""
        query = OrchestrationQuery(
            runtime_status=[OrchestrationStatus.RUNNING, OrchestrationStatus.PENDING],
            instance_id_prefix=f"{IdPrefix.DIGEST}-",
            fetch_inputs_and_outputs=True,
        )
        with translated():
            states = await within_budget(self._client.get_all_orchestration_states(query))
        own = [state for state in states if state.name == OrchestrationName.CHANNEL_DIGEST]
        found = [progress_of(one, one.instance_id.removeprefix(f"{IdPrefix.DIGEST}-")) for one in own]
        return sorted(found, key=lambda one: one.channel)

    async def stop(self, channel: str) -> DigestProgress:
        """Has the listener post what it holds, and end. Returns its earlier progress. Raises `UnknownRequestError`."""
        state = await state_of(self._client, digest_id(channel))
        if state is None or state.name != OrchestrationName.CHANNEL_DIGEST or state.runtime_status in OVER:
            raise UnknownRequestError(f"No digest is being gathered for {channel}.")
        with translated():
            await within_budget(
                self._client.raise_orchestration_event(
                    digest_id(channel), EventName.DIGEST_STOP, data={"stop": True}
                )
            )
        return progress_of(state, channel)

    async def sweep(self) -> int:
        """Stops each listener whose channel no policy uses for a digest any more; returns how many."""
        wanted = {
            policy.channel
            for policy in self._book().policies.values()
            if policy.notify is AutoApprovalNotice.DIGEST
        }
        stopped = 0
        for one in await self.standing():
            if one.channel not in wanted and not one.closing:
                await self.stop(one.channel)
                stopped += 1
        return stopped

"""Registers this process with the others on a hub, after a check that the keys match."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import grpc
from durabletask.client import AsyncTaskHubGrpcClient
from durabletask.entities import EntityInstanceId

from orchestration.domain.errors import HubUnavailableError
from orchestration.domain.request import ROSTER
from orchestration.replicas.roster import ONLY_KEY, Replica, Roster, misfit, other_policies
from orchestration.runtime.converter import PydanticConverter
from orchestration.sealing import envelope, scope
from orchestration.sealing.keys import BrokenSealError, SealKeys, UnknownKeyError
from orchestration.service.calls import translated, within_budget

log = logging.getLogger(__name__)

_REFUSED: Final = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
ENTITY: Final = EntityInstanceId(ROSTER, ONLY_KEY)


class Joining:
    """This process among those on the hub.

    `as_stored` is a client that opens no seal, so it can read what another process sealed with an unknown key. `me`
    describes this process now. `alone`: no other process can be on this hub. `refused` is the message for a hub that
    refuses our calls.
    """

    def __init__(
        self,
        client: AsyncTaskHubGrpcClient,
        as_stored: AsyncTaskHubGrpcClient,
        keys: SealKeys,
        me: Callable[[], Replica],
        *,
        alone: bool,
        refused: str,
    ) -> None:
        self._client = client
        self._as_stored = as_stored
        self._keys = keys
        self._me = me
        self._alone = alone
        self._refused = refused
        self._warned = False

    async def problem(self) -> str | None:
        """Why this process must not work on the hub, as a sentence; None if it may. Raises `HubUnavailableError`."""
        try:
            found = await within_budget(self._as_stored.get_entity(ENTITY))
        except grpc.RpcError as error:
            if error.code() in _REFUSED:
                return self._refused
            raise HubUnavailableError from error
        text = found.get_state() if found else None
        if not text:
            return None
        seal, text = envelope.take(text)
        try:
            self._keys.check(scope.state(str(ENTITY)), text, seal)
        except UnknownKeyError as error:
            return (
                f"COUNTERSIGN_SECRET: what is on this hub was sealed with the key {error.key_id}, which this process "
                "does not hold. Give it the secret that it had before, behind the new one if there is a new one."
            )
        except BrokenSealError:
            log.error("the roster of this hub was written by somebody without our secret; it is passed over")  # noqa: TRY400 - where it was noticed is no news
            return None
        if self._alone:
            return None
        state = PydanticConverter().deserialize(text, Roster)
        if other_policies(self._me(), state) and not self._warned:
            self._warned = True
            log.warning(
                "another process on this hub has another policy file; give every process the same one"
            )
        return misfit(self._me(), state)

    async def announce(self) -> None:
        """Says that this process is here. Raises `HubUnavailableError`."""
        with translated():
            me = self._me().model_dump(mode="json")
            await within_budget(self._client.signal_entity(ENTITY, "announce", me))

    async def leave(self) -> None:
        """Says that this process ends. Raises `HubUnavailableError`."""
        with translated():
            await within_budget(self._client.signal_entity(ENTITY, "leave", self._me().id))

"""Keeps what is too large for the hub in a store beside it. Texts are sealed first and stored afterwards.

The SDK can store payloads itself, but it would do so before sealing. The seals would then cover only the names of
the stored texts, and whoever can write to the store could change the texts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import grpc
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.payload import (
    PayloadStore,
    deexternalize_payloads,
    deexternalize_payloads_async,
    externalize_payloads,
    externalize_payloads_async,
)
from durabletask.worker import TaskHubGrpcWorker


class PayloadInterceptor(grpc.aio.UnaryUnaryClientInterceptor):
    """Stores and fetches payloads for a client's calls with one answer. Place it right after the sealing one."""

    def __init__(self, store: PayloadStore) -> None:
        self._store = store

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Stores what is large in the request, awaits the answer, and fetches the stored parts of the answer."""
        await externalize_payloads_async(request, self._store, instance_id=_instance_id(request))
        answer = await (await continuation(client_call_details, request))
        await deexternalize_payloads_async(answer, self._store)
        return answer


class HistoryPayloadInterceptor(grpc.aio.UnaryStreamClientInterceptor):
    """Fetches stored payloads in the history of an instance."""

    def __init__(self, store: PayloadStore) -> None:
        self._store = store

    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """The stream, with stored payloads fetched."""
        return self._fetched(await continuation(client_call_details, request))

    async def _fetched(self, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for chunk in chunks:
            await deexternalize_payloads_async(chunk, self._store)
            yield chunk


class _Storing:
    """The hub's stub for one work item. Stores what is large in the answer before sending it."""

    def __init__(self, stub: Any, store: PayloadStore, instance_id: str | None) -> None:
        self._stub = stub
        self._store = store
        self._instance_id = instance_id

    def __getattr__(self, name: str) -> Any:
        return partial(self._call, getattr(self._stub, name))

    def _call(self, call: Callable[[Any], Any], message: Any) -> Any:
        externalize_payloads(message, self._store, instance_id=self._instance_id)
        return call(message)


def store_payloads(worker: TaskHubGrpcWorker, store: PayloadStore) -> None:
    """Has the worker, which was not started yet, store and fetch what is large.

    Where the store does not answer, the work is given back. What is wrapped here is private to the SDK; its version is
    pinned.
    """
    worker._capabilities.add(pb.WORKER_CAPABILITY_LARGE_PAYLOADS)  # noqa: SLF001

    def fetching(execute: Callable[..., Any]) -> Callable[..., Any]:
        def run(request: Any, stub: Any, *more: Any) -> Any:
            deexternalize_payloads(request, store)
            return execute(request, _Storing(stub, store, _instance_id(request)), *more)

        return run

    for name in ("_execute_orchestrator", "_execute_activity", "_execute_entity_batch"):
        setattr(worker, name, fetching(getattr(worker, name)))


def _instance_id(message: Any) -> str | None:
    """The instance under whose name a payload is stored."""
    if isinstance(message, pb.ActivityRequest):
        return str(message.orchestrationInstance.instanceId)
    return getattr(message, "instanceId", None) or None

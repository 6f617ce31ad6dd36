"""A gRPC server in front of a hub that passes every call on, byte for byte, and remembers which calls came."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final, Self

import grpc
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub import DISPATCH_TAG

CALLS_AT_ONCE: Final = 32  # including the streams of the workers
NO_DEADLINE: Final = 1e6  # seconds; gRPC reports more than that as left for a call without a deadline


class HubProxy(grpc.GenericRpcHandler):
    """The proxy, a context manager; clients use its `address` instead of the hub's.

    With `silent` it removes what other hubs do not say: whether an activity was given to a worker before.
    """

    def __init__(self, hub: str, *, silent: bool = False) -> None:
        self.calls: list[str] = []
        self._silent = silent
        self._channel = grpc.insecure_channel(hub)
        self._server = grpc.server(ThreadPoolExecutor(CALLS_AT_ONCE))
        self._server.add_generic_rpc_handlers((self,))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.cut()
        self._channel.close()

    def cut(self) -> None:
        """Ends every call that is under way and takes no more, as if the process behind it were gone."""
        self._server.stop(None).wait()

    def service(self, handler_call_details: Any) -> grpc.RpcMethodHandler[bytes, bytes]:
        """A handler for any method: on the wire a single message is a stream of one."""
        method = handler_call_details.method
        self.calls.append(method.rpartition("/")[2])
        return grpc.stream_stream_rpc_method_handler(self._passing_on(method))

    def _passing_on(self, method: str) -> Callable[[Iterator[bytes], grpc.ServicerContext], Iterator[bytes]]:
        pass_on: grpc.StreamStreamMultiCallable[bytes, bytes] = self._channel.stream_stream(method)

        def handle(sent: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            left = context.time_remaining()
            call = pass_on(
                sent,
                timeout=left if left is not None and left < NO_DEADLINE else None,
                metadata=tuple(pair for pair in context.invocation_metadata() if pair[0] != "user-agent"),
            )

            def cancel() -> None:
                call.cancel()

            context.add_callback(cancel)
            try:
                yield from map(_silenced, call) if self._silent and method.endswith("/GetWorkItems") else call
            except grpc.RpcError as error:
                if context.is_active():
                    context.abort(error.code(), error.details() or "")

        return handle


def _silenced(sent: bytes) -> bytes:
    item = pb.WorkItem.FromString(sent)
    if item.HasField("activityRequest"):
        del item.activityRequest.tags[DISPATCH_TAG]
    return item.SerializeToString()

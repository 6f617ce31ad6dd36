"""The protocol's calls as bytes in and bytes out: found by their names, with a status for every error."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Final

import grpc
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf import message_factory
from google.protobuf.message import Message

from orchestration.hub import errors
from orchestration.hub.service.calls import Answer, Service
from orchestration.hub.storage.store import Store
from orchestration.hub.transport import frames

_log: Final = logging.getLogger(__name__)

_STATUS: Final = {
    errors.NotFoundError: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExistsError: grpc.StatusCode.ALREADY_EXISTS,
    errors.InvalidError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotReadyError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.StaleError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.UnsupportedError: grpc.StatusCode.UNIMPLEMENTED,
    errors.FullError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.DamagedError: grpc.StatusCode.DATA_LOSS,
    errors.HubError: grpc.StatusCode.UNAVAILABLE,
}


def _explain(error: Exception, name: str) -> frames.RpcError:
    """The error as the status and the sentence that the caller gets."""
    for kind in type(error).__mro__:
        if kind in _STATUS:
            return frames.RpcError(frames.status(_STATUS[kind]), str(error))
    _log.error("%s failed.", name, exc_info=error)
    return frames.RpcError(
        frames.status(grpc.StatusCode.INTERNAL), "The hub failed on this request; its log says why."
    )


def _unary(
    store: Store, name: str, call: Callable[[Any], Answer], decode: Callable[[bytes], Any]
) -> frames.Unary:
    def handle(request: bytes, reply: frames.Reply) -> asyncio.Task[Any] | None:
        def tell(outcome: Message | Exception | None) -> None:
            try:
                if isinstance(outcome, Exception):
                    reply(_explain(outcome, name))
                else:
                    reply(b"" if outcome is None else outcome.SerializeToString())
            except Exception as error:  # noqa: BLE001  # as below; whoever waits must hear something
                reply(_explain(error, name))

        try:
            answer = call(decode(request))
            if isinstance(answer, Coroutine):
                return frames.later(answer, tell)
            if isinstance(answer, Message):
                tell(answer)
            else:
                store.submit(answer, tell)
        except Exception as error:  # noqa: BLE001  # here, in `tell` and in streams, errors become statuses
            tell(error)
        return None

    return frames.Unary(handle)


def _stream(
    name: str, call: Callable[[Any, frames.Line], Awaitable[None]], decode: Callable[[bytes], Any]
) -> frames.Stream:
    async def handle(request: bytes, line: frames.Line) -> None:
        try:
            await call(decode(request), line)
        except Exception as error:
            raise _explain(error, name) from error

    return frames.Stream(handle)


def _unserved(name: str) -> Callable[[Any], Answer]:
    def refuse(_request: Any) -> Answer:
        raise errors.UnsupportedError(f"This hub does not know the call {name}: it is newer than the hub.")

    return refuse


def routes(service: Service, store: Store) -> frames.Routes:
    """All calls of the protocol; those that `Service` does not have are refused in a sentence."""
    described = pb.DESCRIPTOR.services_by_name["TaskHubSidecarService"]
    out: frames.Routes = {}
    for method in described.methods:
        call: Any = getattr(service, method.name, None)
        decode = message_factory.GetMessageClass(method.input_type).FromString
        make: Any = _stream if call is not None and method.server_streaming else partial(_unary, store)
        call = call or _unserved(method.name)
        out[f"/{described.full_name}/{method.name}".encode()] = make(method.name, call, decode)
    return out

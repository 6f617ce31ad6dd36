"""Turns the calls of `TaskHubService` into handlers of bytes, found by name, with a gRPC status for each error."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Final, NamedTuple

import grpc
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf import message_factory
from google.protobuf.message import DecodeError, Message

from orchestration.hub import errors
from orchestration.hub.protocol.field_limits import excess
from orchestration.hub.service.calls import Answer, Completion, TaskHubService
from orchestration.hub.storage.group_commit import GroupCommitStore
from orchestration.hub.transport import rpc
from orchestration.hub.transport.skim import Skim

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

# Bytes. From a longer request the fields that this hub does not know are dropped.
_UNKNOWN: Final = 512
# Seconds for which a worker's answer waits while another program has the file locked. If the answer is refused, its
# work is done again.
_WORKERS_PATIENCE_S: Final = 60.0


def _as_rpc_error(error: Exception, name: str) -> rpc.RpcError:
    """The error as a gRPC status and a sentence for the caller."""
    for kind in type(error).__mro__:
        if kind in _STATUS:
            return rpc.RpcError(rpc.status_number(_STATUS[kind]), str(error))
    _log.error("%s failed.", name, exc_info=error)
    return rpc.internal_error()


def _unary(
    store: GroupCommitStore, name: str, call: Callable[[Any], Answer], decode: Callable[[bytes], Any]
) -> rpc.UnaryHandler:
    def handle(request: bytes, reply: rpc.Reply) -> asyncio.Task[Any] | None:
        def answer(outcome: Message | Exception | None) -> None:
            try:
                if isinstance(outcome, Exception):
                    reply(_as_rpc_error(outcome, name))
                else:
                    reply(b"" if outcome is None else outcome.SerializeToString())
            except Exception as error:  # noqa: BLE001  # as below; the caller must get an answer
                reply(_as_rpc_error(error, name))

        try:
            outcome = call(decode(request))
            if isinstance(outcome, Coroutine):
                return rpc.run_in_task(outcome, answer)
            if isinstance(outcome, Message):
                answer(outcome)
            elif isinstance(outcome, Completion):
                # `keep` while the disk is full: the work is done, and its worker does not send the answer twice.
                failed_or_done = partial(_completed, outcome, answer)
                store.submit(outcome.change, failed_or_done, _WORKERS_PATIENCE_S, keep=True)
            else:
                store.submit(outcome, answer)
        except Exception as error:  # noqa: BLE001  # here, in `answer` and in streams, errors become statuses
            answer(error)
        return None

    return rpc.UnaryHandler(handle)


def _too_large(
    unary: Callable[[Callable[[Any], Answer], Callable[[bytes], Any]], rpc.UnaryHandler],
    service: TaskHubService,
    decode: Callable[[bytes], Any],
    request: bytes,
    size: int,
    reply: rpc.Reply,
) -> asyncio.Task[Any] | None:
    """Answer a completion of which only the short fields are known."""
    return unary(lambda answer: service.too_large(answer, size), decode).call(request, reply)


def _completed(
    completion: Completion,
    answer: Callable[[Message | Exception | None], None],
    outcome: Message | Exception | None,
) -> None:
    if isinstance(outcome, Exception):
        completion.failed()
    answer(outcome)


def _stream(
    name: str, call: Callable[[Any, rpc.ResponseStream], Awaitable[None]], decode: Callable[[bytes], Any]
) -> rpc.StreamHandler:
    async def handle(request: bytes, stream: rpc.ResponseStream) -> None:
        try:
            await call(decode(request), stream)
        except Exception as error:
            raise _as_rpc_error(error, name) from error

    return rpc.StreamHandler(handle)


def _decoded(kind: type[Message], request: bytes) -> Message:
    """Decode a client's request. Raises InvalidError where it cannot be decoded, or a field is too long."""
    message = _parsed(kind, request)
    over = excess(message)
    if over is not None:
        raise errors.InvalidError(over)
    return message


def _parsed(kind: type[Message], request: bytes) -> Message:
    """Decode a request. Raises InvalidError.

    Unknown fields of a long request are dropped, because no limit applies to them.
    """
    try:
        message = kind.FromString(request)
    except DecodeError:
        raise errors.InvalidError(f"The request is not a {kind.DESCRIPTOR.name} of the protocol.") from None
    if len(request) > _UNKNOWN:
        message.DiscardUnknownFields()
    return message


class _Unreadable(NamedTuple):
    """An answer of a worker that cannot be decoded: a message that has only its completion token."""

    answer: Any


def _answered(kind: type[Message], request: bytes) -> Message | _Unreadable:
    """Decode a worker's answer. One that cannot be decoded fails its work later, and raises no error here.

    Raises InvalidError where the answer has no completion token, so that its work is not known.
    """
    try:
        return _parsed(kind, request)
    except errors.InvalidError:
        skim = Skim(only=kind.DESCRIPTOR.fields_by_name["completionToken"].number)
        skim.feed(request)
        if not skim.kept:
            raise
        return _Unreadable(_parsed(kind, bytes(skim.kept)))


def _or_unreadable(service: TaskHubService, call: Callable[[Any], Answer], decoded: Any) -> Answer:
    return service.unreadable(decoded.answer) if isinstance(decoded, _Unreadable) else call(decoded)


def _unserved(name: str) -> Callable[[Any], Answer]:
    def refuse(_request: Any) -> Answer:
        raise errors.UnsupportedError(f"This hub does not know the call {name}: it is newer than the hub.")

    return refuse


def routes(service: TaskHubService, store: GroupCommitStore) -> rpc.Routes:
    """All calls of the protocol. Those that `TaskHubService` does not have are refused with a reason."""
    described = pb.DESCRIPTOR.services_by_name["TaskHubSidecarService"]
    out: rpc.Routes = {}
    answers = {"CompleteOrchestratorTask", "CompleteActivityTask", "CompleteEntityTask"}
    for method in described.methods:
        call: Any = getattr(service, method.name, None)
        is_answer = method.name in answers
        decode = partial(
            _answered if is_answer else _decoded, message_factory.GetMessageClass(method.input_type)
        )
        make: Any = _stream if call is not None and method.server_streaming else partial(_unary, store)
        call = call or _unserved(method.name)
        route = make(method.name, partial(_or_unreadable, service, call) if is_answer else call, decode)
        if is_answer:
            too_large = partial(_too_large, partial(_unary, store, method.name), service, decode)
            route = route._replace(lost=service.answer_lost, too_large=too_large)
        out[f"/{described.full_name}/{method.name}".encode()] = route
    return out

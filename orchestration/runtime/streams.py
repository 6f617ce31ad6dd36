"""Adds to calls with a streamed answer what the SDK adds only to other calls: the token and the task hub."""

from __future__ import annotations

from typing import Any

import grpc
from durabletask.internal.grpc_interceptor import DefaultAsyncClientInterceptorImpl


class StreamMetadata(grpc.aio.UnaryStreamClientInterceptor):
    """Has the SDK's interceptor `of_calls` handle streams too.

    The SDK's interceptor implements streams, but gRPC registers an interceptor only for the first of its kinds
    (https://github.com/grpc/grpc/issues/40946).
    """

    def __init__(self, of_calls: DefaultAsyncClientInterceptorImpl) -> None:
        self._of_calls = of_calls

    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """The stream."""
        return await self._of_calls.intercept_unary_stream(continuation, client_call_details, request)

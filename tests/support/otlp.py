"""A receiver of traces, like a collector: OTLP over HTTP. It also keeps the raw bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Self

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.faults.passing import listen
from tests.support import PATIENCE_S


class Collector:
    """Takes every span that is sent to `url`. Use it as an async context manager."""

    def __init__(self) -> None:
        self.url = ""
        self.raw = b""
        self.spans: list[Span] = []
        self.resource: dict[str, str] = {}
        self.authorized: set[str] = set()

    async def __aenter__(self) -> Self:
        self._runner, self.url = await listen(self._take)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        assert request.path == "/v1/traces"
        self.authorized.add(request.headers.get("Authorization", ""))
        body = await request.read()
        self.raw += body
        for one in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resource |= {each.key: each.value.string_value for each in one.resource.attributes}
            self.spans += [span for scope in one.scope_spans for span in scope.spans]
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")

    async def until(self, true: Callable[[list[Span]], bool]) -> list[Span]:
        """The spans, once the condition holds for them."""
        async with asyncio.timeout(PATIENCE_S):
            while not true(self.spans):
                await asyncio.sleep(0.02)
        return self.spans

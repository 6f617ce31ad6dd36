"""A call that the hub refuses, as its client sees it."""

from __future__ import annotations

import grpc


class RefusedCall(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return str(self)

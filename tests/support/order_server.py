"""Another system, at a port of this machine, that outcomes are POSTed to."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class OrderServer(ThreadingHTTPServer):
    """Answers as a test set it to, and remembers the requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer: tuple[int, dict[str, str], bytes] = (200, {}, b"{}")
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.allows: str | None = (
            None  # the sender whose events it allows; None where it does not serve that question
        )
        self.requested: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/orders"


class Handler(BaseHTTPRequestHandler):
    server: OrderServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, dict(self.headers), body))
        status, headers, content = self.server.answer
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def do_OPTIONS(self) -> None:
        self.server.requested.append(self.headers["WebHook-Request-Origin"])
        self.send_response(405 if self.server.allows is None else 200)
        if self.server.allows is not None:
            self.send_header("WebHook-Allowed-Origin", self.server.allows)
            self.send_header("WebHook-Allowed-Rate", "*")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass

"""The client that activities use, against a real HTTP server that counts its connections."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from slack_sdk.errors import SlackApiError

from bot.slack.api.errors import as_delivery_errors
from bot.slack.api.notifier import web_client
from orchestration.domain.errors import ThrottledError, TryFailedError


@dataclass
class CountedCalls:
    """What came to the server, and what it says."""

    url: str = ""
    body: bytes = b'{"ok": true, "user_id": "U0BOT"}'
    status: int = 200
    closes: bool = False
    closed: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    connections: list[int] = field(default_factory=list)
    seen: list[tuple[str, dict[str, Any], str | None]] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[CountedCalls]:
    served = CountedCalls()

    class CountingHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            served.connections.append(1)
            super().setup()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_json = self.headers["Content-Type"].startswith("application/json")
            given = json.loads(body) if is_json else parse_qs(body.decode())
            served.seen.append((self.path, given, self.headers["Authorization"]))
            self.send_response(served.status)
            self.send_header("Content-Length", str(len(served.body)))
            self.send_header("Retry-After", "7")
            self.end_headers()
            self.wfile.write(served.body)
            self.close_connection = (
                served.closes
            )  # it says nothing of that: a server that has waited for long enough

        def log_message(self, *_: object) -> None:
            pass

    class ClosingServer(ThreadingHTTPServer):
        def shutdown_request(self, request: Any) -> None:
            super().shutdown_request(request)
            served.closed.release()

    server = ClosingServer(("127.0.0.1", 0), CountingHandler)
    server.daemon_threads = True
    served.url = f"http://127.0.0.1:{server.server_port}/api/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_calls_one_after_the_other_share_a_connection() -> None:
    with serving() as slack:
        client = web_client("xoxb-one", slack.url)
        client.auth_test()
        client.chat_postMessage(
            channel="C0", text="ä", metadata={"event_type": "e", "event_payload": {"a": 1}}
        )
        client.conversations_history(channel="C0", include_all_metadata=True, limit=5, cursor=None)
    assert len(slack.connections) == 1
    assert slack.seen == [
        ("/api/auth.test", {}, "Bearer xoxb-one"),
        (
            "/api/chat.postMessage",
            {"channel": "C0", "text": "ä", "metadata": {"event_type": "e", "event_payload": {"a": 1}}},
            "Bearer xoxb-one",
        ),
        (
            "/api/conversations.history",
            {"channel": ["C0"], "include_all_metadata": ["1"], "limit": ["5"]},
            "Bearer xoxb-one",
        ),
    ]


def test_a_connection_that_the_server_has_closed_is_replaced() -> None:
    with serving() as slack:
        client = web_client("xoxb-one", slack.url)
        slack.closes = True
        for _ in range(3):
            client.auth_test()
            assert slack.closed.acquire(timeout=10)  # else the next call may meet the close on its way
    assert len(slack.connections) == 3


@pytest.mark.parametrize(
    ("status", "body"), [(502, b"<html>"), (200, b"<html>"), (200, b"[]"), (200, b""), (200, b"\xff")]
)
def test_what_is_no_answer_of_slacks_is_tried_again(status: int, body: bytes) -> None:
    with serving() as slack:
        slack.status, slack.body = status, body
        with pytest.raises(TryFailedError, match=f"HTTP {status}") as failed, as_delivery_errors():
            web_client("xoxb-one", slack.url).auth_test()
    assert failed.value.maybe_done


def test_a_refusal_has_slacks_code_and_a_429_its_seconds() -> None:
    with serving() as slack:
        client = web_client("xoxb-one", slack.url)
        slack.body = b'{"ok": false, "error": "channel_not_found"}'
        with pytest.raises(SlackApiError) as refused:
            client.auth_test()
        assert refused.value.response["error"] == "channel_not_found"
        slack.status = 429
        with pytest.raises(ThrottledError) as wait, as_delivery_errors():
            client.auth_test()
    assert wait.value.retry_after == 7


def test_where_there_is_no_connection_nothing_was_done() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/api/"
        with pytest.raises(TryFailedError) as failed, as_delivery_errors():
            web_client("xoxb-one", url).chat_postMessage(channel="C0", text="hello")
    assert not failed.value.maybe_done


def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/api/"))
        monkeypatch.setenv("NO_PROXY", "exempt.example")
        web_client("xoxb-one", "http://slack.example/api/").auth_test()
        assert proxy.seen[0][0] == "http://slack.example/api/auth.test"
        with pytest.raises(TryFailedError), as_delivery_errors():
            web_client("xoxb-one", "http://exempt.example/api/").auth_test()
    assert len(proxy.seen) == 1


def test_nothing_is_sent_that_this_client_does_not_know() -> None:
    with serving() as slack, pytest.raises(ValueError, match="files"):
        web_client("xoxb-one", slack.url).api_call("files.upload", files={"file": "x"})
    assert not slack.seen

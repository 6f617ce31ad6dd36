"""The ways in which the product reaches its hub: in its process, over TCP, and through the scheduler's client.

A test that is built on the shared worlds runs in the form that is `current`. In the last two the hub is outside of the
product: it goes on where the product is stopped.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

from durabletask.payload import PayloadStore

from orchestration.domain.names import RUN_ONCE
from orchestration.hub import Hub, SkippableClock, token_file
from orchestration.runtime.connect import HUB_FILE, Connection, connect
from orchestration.sealing.keys import SealKeys


class HubForm(StrEnum):
    """How the product reaches its hub."""

    EMBEDDED = "embedded"
    TCP = "tcp"
    SCHEDULER = "scheduler"


# The token that every hub of this run requires over TCP. The identity endpoint hands it out as well.
TOKEN: Final = secrets.token_urlsafe(32)

_current = HubForm.EMBEDDED
_outside: WeakKeyDictionary[Connection, Hub] = WeakKeyDictionary()


def current() -> HubForm:
    """The form of the running test."""
    return _current


@contextmanager
def running_on(form: HubForm) -> Iterator[None]:
    """Makes everything that is started in this context reach its hub in this form."""
    global _current  # noqa: PLW0603 - worlds are built by tests that know of no form
    before, _current = _current, form
    if form is HubForm.SCHEDULER:
        _managed_identity()
    try:
        yield
    finally:
        _current = before


def outside(data: Path) -> Hub:
    """A started hub as of `countersign hub`, on the file of an embedded hub, with a clock that skips.

    It requires `TOKEN`. The caller has to stop it.
    """
    file = data / HUB_FILE
    tokens = token_file(file)
    if not tokens.exists():
        tokens.touch(mode=0o600)
        tokens.write_text(TOKEN)
    hub = Hub(file, listen="127.0.0.1:0", clock=SkippableClock(), run_once=list(RUN_ONCE))
    hub.start()
    return hub


def settings(hub: Hub) -> dict[str, str]:
    """The settings that point the product to this started hub."""
    if current() is HubForm.TCP:
        return {"COUNTERSIGN_HUB": f"grpc://{hub.address}", "COUNTERSIGN_HUB_TOKEN": TOKEN}
    return {"COUNTERSIGN_HUB": scheduler(hub, "ManagedIdentity")}


def scheduler(hub: Hub, authentication: str = "None") -> str:
    """The connection string of a Durable Task Scheduler at the hub's address. Its own client and worker use it."""
    return f"Endpoint=http://{hub.address};Authentication={authentication};TaskHub=tests"


def connected(data: Path, keys: SealKeys, payloads: PayloadStore | None = None) -> Connection:
    """A connection in the current form to a hub on a file in `data`, whose clock skips. End it by `disconnect`.

    `payloads` stores large payloads, where the hub is a scheduler.
    """
    if current() is HubForm.EMBEDDED:
        return connect("embedded", data, keys, skippable_clock=True)
    hub = outside(data)
    given = settings(hub)
    connection = connect(given["COUNTERSIGN_HUB"], data, keys, token=given.get("COUNTERSIGN_HUB_TOKEN"))
    if connection._credential:
        # Importing azure-identity can take seconds, but a call of the hub waits two at most: so it is imported now.
        connection._credential.get_token("https://durabletask.io/.default")
    connection.machine_time = hub.clock.now
    connection._payloads = payloads
    _outside[connection] = hub
    return connection


def is_outside(connection: Connection, hub: Hub) -> None:
    """Tells `hub_of` which hub serves this connection."""
    _outside[connection] = hub


def disconnect(connection: Connection) -> None:
    """Closes the connection and stops its hub."""
    connection.close()
    if connection in _outside:
        _outside.pop(connection).stop()


def hub_of(connection: Connection) -> Hub:
    """The hub of a connection. It is in this process."""
    found = connection.hub or _outside[connection]
    assert found is not None
    return found


def reach(hub: Hub) -> dict[str, Any]:
    """The arguments with which a client or worker of the plain SDK reaches that hub."""
    over_tcp = not hub.address.startswith("unix:")
    metadata = [("authorization", f"Bearer {TOKEN}")] if over_tcp else None
    return {"host_address": hub.address, "metadata": metadata}


def identity() -> dict[str, str]:
    """The environment that gives another process this one's managed identity; empty where there is none."""
    return {name: os.environ[name] for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER") if name in os.environ}


class ManagedIdentity:
    """The token endpoint of a managed identity, as on a machine of Azure's App Service.

    It gives `token`, which expires after `lasts` seconds, to requests with its header; nothing while it is `down`.
    """

    def __init__(self, token: str = TOKEN) -> None:
        self.token = token
        self.lasts = 24 * 60 * 60.0
        self.down = False
        self.asked = 0
        self._header = secrets.token_urlsafe(16)
        identity = self

        class IdentityEndpoint(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, found = identity._answer(self.headers.get("X-IDENTITY-HEADER"))
                body = json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), IdentityEndpoint)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def environment(self) -> dict[str, str]:
        """The environment that points a process to the endpoint."""
        url = f"http://127.0.0.1:{self._server.server_port}/msi/token"
        return {"IDENTITY_ENDPOINT": url, "IDENTITY_HEADER": self._header}

    def _answer(self, header: str | None) -> tuple[int, dict[str, str]]:
        self.asked += 1
        if self.down or header != self._header:
            return 400, {"statusCode": "400", "message": "No such identity."}
        ends = str(int(time.time() + self.lasts))
        return 200, {"access_token": self.token, "expires_on": ends, "token_type": "Bearer"}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@cache
def _managed_identity() -> None:
    """Gives this process, and those that it starts, the managed identity of the tests."""
    os.environ.update(ManagedIdentity().environment)

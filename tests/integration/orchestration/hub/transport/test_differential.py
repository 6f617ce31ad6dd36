"""The hub's HTTP/2 beside the `h2` package: they take the same, and what the hub sends is right for a client."""

from __future__ import annotations

import os
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.hub import Hub
from orchestration.hub.transport import frames
from tests.fuzz.http2 import FRAME, refused_by_h2, stricter
from tests.support.hubs import HubUnderTest
from tests.support.raw_http2 import RawClient
from tests.support.raw_http2 import settings as settings_frame

PROOF = bool(os.environ.get("COUNTERSIGN_PROOF"))
PING = frames.frame(frames.PING, 0, 0, b"12345678")


def hung_up(hub: Hub, sent: bytes) -> int | None:
    """The error code with which the hub hangs up on a client that sends this and then a PING; None where it answers."""
    with RawClient(hub.address, greeting=b"") as client:
        client.send(sent + PING)
        for frame in iter(client.receive, None):
            if frame.kind == frames.GOAWAY:
                return frame.code
            if frame.kind == frames.PING and frame.flags & frames.ACK and frame.payload == PING[-8:]:
                return None
    raise AssertionError("the hub has hung up without a word")


@pytest.mark.timeout(1200 if PROOF else 120)
def test_it_hangs_up_where_h2_does_and_nowhere_else(hub: Hub, ours: HubUnderTest) -> None:
    @settings(
        max_examples=10_000 if PROOF else 40,
        derandomize=not PROOF,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(FRAME, max_size=5))
    def compare(sent: list[bytes]) -> None:
        said = frames.PREFACE + settings_frame() + b"".join(sent)
        theirs = refused_by_h2(said + PING)
        if theirs is None:
            return
        code = hung_up(hub, said)
        same = (code is not None) == bool(theirs) or (code is not None and stricter(sent, code))
        assert same, ([one.hex() for one in sent], code, theirs)

    compare()
    ours.start("any", instance_id="one")
    assert ours.state("one").name == "any"


STEPS = st.one_of(
    st.tuples(
        st.just("call"),
        st.sampled_from(["Hello", "GetInstance", "Nobody"]),
        st.sampled_from([0, 1, 300, 20_000]),
    ),
    st.tuples(st.just("open"), st.sampled_from(["StartInstance", "GetWorkItems", "Hello"]), st.just(0)),
    st.tuples(st.just("data"), st.integers(0, 5), st.sampled_from([0, 5, 16_384])),
    st.tuples(st.just("reset"), st.integers(0, 5), st.just(0)),
    st.tuples(st.just("window"), st.integers(0, 5), st.sampled_from([1, 65_535])),
    st.tuples(st.just("ping"), st.just(0), st.just(0)),
    st.tuples(
        st.just("settings"), st.sampled_from([0, 100, 65_535, 1 << 20]), st.sampled_from([16_384, 1 << 20])
    ),
)


class H2Client:
    """What the package does as a client, over the hub's socket."""

    def __init__(self, raw: RawClient) -> None:
        self._raw = raw
        self._client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
        self._client.initiate_connection()
        self.open: list[int] = []
        self.ended: set[int] = set()
        self.statuses: dict[int, bytes] = {}
        self._ponged = False
        self._window = 65_535

    def step(self, what: str, one: Any, two: int) -> None:
        if what in {"call", "open"}:
            stream = self._client.get_next_available_stream_id()
            path = f"/TaskHubSidecarService/{one}"
            names = {
                ":method": "POST",
                ":scheme": "http",
                ":authority": "hub",
                ":path": path,
                "te": "trailers",
            }
            self._client.send_headers(stream, list(names.items()))
            if what == "call":
                self._finish(stream, frames.message(b"\x0a" * two), pad=two % 7 or None)
            else:
                self.open.append(stream)
        elif what == "ping":
            self._client.ping(bytes(8))
        elif what == "settings":
            sizes = h2.settings.SettingCodes
            # The package cannot handle a negative window, as arises when one shrinks while an answer is on its way.
            window = max(one, self._window) if self.open or self.ended else one
            self._window = window
            self._client.update_settings({sizes.INITIAL_WINDOW_SIZE: window, sizes.MAX_FRAME_SIZE: two})
        elif self.open:
            stream = self.open[one % len(self.open)]
            if what == "reset":
                self.open.remove(stream)
                self._client.reset_stream(stream)
            elif what == "window":
                self._client.increment_flow_control_window(two, stream)
            elif two <= min(self._client.local_flow_control_window(stream), frames.MAX_FRAME):
                self._client.send_data(stream, b"\x00" * two)
        self.exchange(wait=False)

    def _finish(self, stream: int, body: bytes, *, pad: int | None) -> None:
        for at in range(0, len(body), 16_000):
            while self._client.local_flow_control_window(stream) < frames.MAX_FRAME:
                self.exchange(wait=False)
                self._read()
            self._client.send_data(stream, body[at : at + 16_000], pad_length=pad)
        self._client.end_stream(stream)
        self.ended.add(stream)

    def exchange(self, *, wait: bool) -> None:
        """Sends what there is to send; with `wait` also takes all that the hub says until it answers a PING."""
        if wait:
            # With no window, as a step may have left it, the hub rightly keeps its answers back.
            self._client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20})
            self._client.ping(b"the last")
        self._raw.send(self._client.data_to_send())
        while wait and not (self._ponged and self.ended <= self.statuses.keys()):
            self._read()
            self._raw.send(self._client.data_to_send())

    def _read(self) -> None:
        data = self._raw.socket.recv(1 << 16)
        assert data, "the hub has hung up"
        for event in self._client.receive_data(data):
            self._take(event)

    def _take(self, event: h2.events.Event) -> None:
        assert not isinstance(event, h2.events.ConnectionTerminated), event
        if isinstance(event, h2.events.PingAckReceived):
            self._ponged |= event.ping_data == b"the last"
        elif isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
            self._client.increment_flow_control_window(event.flow_controlled_length)
        elif isinstance(event, h2.events.TrailersReceived | h2.events.ResponseReceived):
            assert event.stream_id is not None
            for name, value in event.headers or []:
                if name == b"grpc-status":
                    self.statuses[event.stream_id] = value


@pytest.mark.timeout(1200 if PROOF else 120)
def test_what_it_answers_h2_takes(hub: Hub) -> None:
    """Calls that end and calls that do not, beside resets, windows, pings and settings. Each whole call has its end."""

    @settings(
        max_examples=3000 if PROOF else 25, derandomize=not PROOF, suppress_health_check=list(HealthCheck)
    )
    @given(st.lists(STEPS, max_size=12))
    def talk(steps: list[tuple[str, Any, int]]) -> None:
        with RawClient(hub.address, greeting=b"") as raw:
            client = H2Client(raw)
            for step in steps:
                client.step(*step)
            client.exchange(wait=True)

    talk()

"""No client, with or without the token, can use up memory, connections or the processor: others are still served."""

import asyncio
import logging
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import grpc
import pytest
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub import Hub
from orchestration.hub.transport import bounds, frames, hpack
from orchestration.hub.transport.frames import frame
from orchestration.hub.transport.patience import Patience
from tests.support.hubs import HubUnderTest, bearer, refused
from tests.support.raw_http2 import ALL, RawClient, call, headers, opened, settings, window_update

MIB = 1 << 20
PING = frame(frames.PING, 0, 0, bytes(8))
HELLO = headers()
EMPTY = frame(frames.DATA, 0, 1, b"")
PIECE = bytes(frames.MAX_FRAME)


@pytest.fixture
def tcp(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path / "tcp.db", listen="127.0.0.1:0") as hub:
        yield hub


def token(tmp_path: Path) -> tuple[bytes, bytes]:
    ((name, value),) = bearer(tmp_path / "tcp.db")
    return name.encode(), value.encode()


# ---- of one connection -------------------------------------------------------------------------------------


def test_calls_beyond_the_bound_are_refused_and_the_rest_goes_on(hub: Hub) -> None:
    with RawClient(hub.address) as client:
        last = 2 * bounds.STREAMS + 1
        client.send(b"".join(opened(stream) for stream in range(1, last + 1, 2)))
        assert client.until(frames.RST_STREAM, last).code == frames.REFUSED_STREAM
        client.send(frame(frames.DATA, frames.END_STREAM, last, frames.message(b"")))  # was on the way
        client.send(frame(frames.RST_STREAM, 0, 1, struct.pack(">I", frames.CANCEL)) + call(last + 2))
        assert b"grpc-status\x010" in client.answered(last + 2)


def test_two_hundred_thousand_calls_cannot_be_opened(hub: Hub, ours: HubUnderTest) -> None:
    with RawClient(hub.address) as client:
        for first in range(1, 400_001, 2_000):
            if not client.send(b"".join(opened(stream) for stream in range(first, first + 2_000, 2))):
                break
        assert client.parting() == frames.ENHANCE_YOUR_CALM
    ours.start("any", instance_id="one")


FLOODS = {
    "PING": PING,
    "SETTINGS": settings((frames.INITIAL_WINDOW_SETTING, 100)),
    "acknowledgements": frame(frames.SETTINGS, frames.ACK, 0, b""),
    "PRIORITY": frame(frames.PRIORITY, 0, 1, bytes(5)),
    "WINDOW_UPDATE": window_update(0, 1),
    "empty DATA": EMPTY,
    "unknown frames": frame(0xEE, 0, 0, b""),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_frames_without_a_request_run_out(hub: Hub, flood: bytes) -> None:
    """Also if the client reads none of the hub's answers meanwhile."""
    with RawClient(hub.address) as client:
        client.send(opened(1))
        for _ in range(200):
            if not client.send(flood * 1000):
                break
        answers = client.rest()
        assert answers[-1].kind == frames.GOAWAY
        assert answers[-1].code == frames.ENHANCE_YOUR_CALM
        assert len(answers) < bounds.CREDIT + 5_000


def test_rapid_resets_run_out(hub: Hub) -> None:
    reset = struct.pack(">I", frames.CANCEL)
    with RawClient(hub.address) as client:
        for first in range(1, 200_001, 2_000):
            calls = (
                call(one, "GetWorkItems") + frame(frames.RST_STREAM, 0, one, reset)
                for one in range(first, first + 2_000, 2)
            )
            if not client.send(b"".join(calls)):
                break
        assert client.parting() == frames.ENHANCE_YOUR_CALM


@pytest.mark.parametrize("size", [0, 1, 512])
def test_headers_without_an_end_run_out(hub: Hub, size: int) -> None:
    more = frame(frames.CONTINUATION, 0, 1, b"\x82" * size)
    with RawClient(hub.address) as client:
        client.send(frame(frames.HEADERS, 0, 1, b"\x82"))
        for _ in range(1000):
            if not client.send(more * 100):
                break
        assert client.parting() == frames.ENHANCE_YOUR_CALM


def test_a_list_of_headers_that_grows_when_it_is_decoded_is_refused(hub: Hub) -> None:
    """A large entry of the table, named by one byte again and again."""
    large = b"\x40\x01x\x7f" + b"\xa1\x1e" + b"v" * 4000  # 127 + 3873
    with RawClient(hub.address) as client:
        client.send(frame(frames.HEADERS, ALL, 1, large + b"\xbe" * 10_000))
        assert client.parting() == frames.ENHANCE_YOUR_CALM


def test_one_client_cannot_hold_requests_back_without_a_bound(hub: Hub, ours: HubUnderTest) -> None:
    """Without a bound it could hold 960 MiB. What is beyond the bound is refused, and another client is served."""
    with RawClient(hub.address) as client:
        streams = range(1, 31, 2)
        for stream in streams:
            client.send(opened(stream) + frame(frames.DATA, 0, stream, PIECE) * (8 * MIB // len(PIECE)))
        first = client.receive()
        while first is not None and first.kind != frames.HEADERS:
            first = client.receive()
        assert first is not None
        assert b"grpc-status\x0214" in first.payload  # UNAVAILABLE
        assert first.stream == 1 + 2 * (bounds.UNFINISHED // (8 * MIB))
        ours.start("any", instance_id="one")
        # Its end frees what it held.
        client.send(frame(frames.RST_STREAM, 0, 1, struct.pack(">I", frames.CANCEL)))
        last = streams[-1] + 2
        client.send(opened(last) + frame(frames.DATA, 0, last, PIECE) * (7 * MIB // len(PIECE)))
        client.send(call(last + 2))
        assert b"grpc-status\x010" in client.answered(last + 2)


def test_all_clients_together_cannot_hold_requests_back_without_a_bound(hub: Hub) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(RawClient(hub.address)) for _ in range(4)]
        for client in clients:
            for stream in range(1, 11, 2):
                client.send(opened(stream) + frame(frames.DATA, 0, stream, PIECE) * (16 * MIB // len(PIECE)))
        client.socket.shutdown(socket.SHUT_WR)
        assert sum(one.kind == frames.HEADERS for one in client.rest()) >= 3
        # A client that holds little is still served.
        request = b"x" * 100_000
        with RawClient(hub.address) as small:
            small.send(opened(1) + frame(frames.DATA, 0, 1, request[:9000]) + call(3))
            assert b"grpc-status\x010" in small.answered(3)


def test_answers_that_are_not_taken_run_out(hub: Hub, ours: HubUnderTest) -> None:
    """A client that takes nothing, and asks for a megabyte again and again."""
    ours.start("any", "x" * 1_000_000, instance_id="one")
    request = pb.GetInstanceRequest(instanceId="one", getInputsAndOutputs=True).SerializeToString()
    with RawClient(hub.address) as client:
        client.send(settings((frames.INITIAL_WINDOW_SETTING, 0)))
        for stream in range(1, 201, 2):
            client.send(call(stream, "GetInstance", request))
        assert b"grpc-status\x0214" in client.answered(199)  # UNAVAILABLE
        assert ours.state("one").name == "any"
        client.send(settings((frames.INITIAL_WINDOW_SETTING, 2 * MIB)) + window_update(0, 200 * MIB))
        assert b"grpc-status\x010" in client.answered(1)
        client.answered(67)
        client.send(call(201, "GetInstance", request))
        assert b"grpc-status\x010" in client.answered(201)


def test_nothing_is_read_of_a_client_that_does_not_read(hub: Hub, ours: HubUnderTest) -> None:
    """It gives the hub all the room that HTTP/2 has, and does not read its socket."""
    ours.start("any", "x" * 1_000_000, instance_id="one")
    request = pb.GetInstanceRequest(instanceId="one", getInputsAndOutputs=True).SerializeToString()
    with RawClient(hub.address) as client:
        client.send(settings((frames.INITIAL_WINDOW_SETTING, frames.LARGEST_WINDOW)))
        client.send(window_update(0, frames.LARGEST_WINDOW - frames.DEFAULT_WINDOW))
        client.send(b"".join(call(stream, "GetInstance", request) for stream in range(1, 1001, 2)))
        assert ours.state("one").name == "any"
        client.socket.shutdown(socket.SHUT_WR)
        taken = sum(len(one.payload) for one in client.rest() if one.kind == frames.DATA)
        assert taken < bounds.UNREAD + bounds.UNSENT + 4 * MIB


# ---- of who sends no token ---------------------------------------------------------------------------------


def test_who_sends_no_token_may_send_little(tcp: Hub) -> None:
    for flood in (opened(1) + PIECE, frame(frames.DATA, 0, 1, PIECE), PING * 100):
        with RawClient(tcp.address) as client:
            client.send(opened(1))
            for _ in range(200):
                if not client.send(flood):
                    break
            assert client.parting() in {frames.ENHANCE_YOUR_CALM, frames.PROTOCOL_ERROR}


def test_who_sends_no_token_may_try_a_few_times(tcp: Hub) -> None:
    with RawClient(tcp.address) as client:
        client.send(b"".join(call(stream) for stream in range(1, 101, 2)))
        answers = client.rest()
        assert answers[-1].code == frames.ENHANCE_YOUR_CALM
        refusals = [one for one in answers if one.kind == frames.HEADERS]
        assert len(refusals) == bounds.UNPROVEN_CALLS
        assert all(b"grpc-status\x0216" in one.payload for one in refusals)  # UNAUTHENTICATED


def test_no_request_of_a_stranger_is_kept(tcp: Hub) -> None:
    """The answer comes before the request has arrived, and what is on the way is thrown away."""
    with RawClient(tcp.address) as client:
        client.send(opened(1))
        assert b"grpc-status\x0216" in client.answered(1)
        assert client.until(frames.RST_STREAM, 1).code == frames.NO_ERROR
        client.send(frame(frames.DATA, frames.END_STREAM, 1, frames.message(b"")) + PING)
        client.until(frames.PING, 0, frames.ACK)


def test_strangers_take_no_place_from_those_who_were_let_in(tcp: Hub, tmp_path: Path) -> None:
    with ExitStack() as stack:
        known = stack.enter_context(RawClient(tcp.address))
        known.send(call(1, "Hello", b"", token(tmp_path)))
        assert b"grpc-status\x010" in known.answered(1)
        strangers = [stack.enter_context(RawClient(tcp.address)) for _ in range(bounds.UNPROVEN + 1)]
        assert strangers[0].parting() == frames.ENHANCE_YOUR_CALM
        strangers[1].send(PING)
        strangers[1].until(frames.PING, 0, frames.ACK)
        known.send(call(3, "Hello", b"", token(tmp_path)))
        assert b"grpc-status\x010" in known.answered(3)
        newcomer = stack.enter_context(RawClient(tcp.address))
        newcomer.send(call(1, "Hello", b"", token(tmp_path)))
        assert b"grpc-status\x010" in newcomer.answered(1)


class _Socket(asyncio.Transport):
    read = True

    def pause_reading(self) -> None:
        self.read = False


def test_strangers_who_send_all_that_they_may_hold_up_nobody_who_has_the_token() -> None:
    """Whoever waited would be hung up on before they were read again, to make room for the strangers that come."""
    connections, transport = bounds.Connections(0.0), _Socket()
    for _ in range(100):
        stranger = Patience(connections, 0.0)
        stranger.read(bounds.UNPROVEN_BYTES, 0)
    newcomer = Patience(connections, 0.0)
    newcomer.connected(transport)
    newcomer.read(500, 0)
    newcomer.read(1000, 400)
    assert transport.read
    newcomer.read(bounds.UNPROVEN_FREE, 0)
    assert not transport.read
    connections.look(10.0)  # what was too much is made good in time, however much it was
    assert connections.unproven_bytes > 0


def test_each_call_needs_the_token(tcp: Hub, tmp_path: Path) -> None:
    with RawClient(tcp.address) as client:
        client.send(call(1, "Hello", b"", token(tmp_path)) + call(3))
        assert b"grpc-status\x010" in client.answered(1)
        assert b"grpc-status\x0216" in client.answered(3)


# ---- in time -----------------------------------------------------------------------------------------------


def test_who_does_not_greet_is_hung_up_on(hub: Hub) -> None:
    """In real time, once; the other bounds in time are tried below."""
    with ExitStack() as stack:
        silent = [
            stack.enter_context(RawClient(hub.address, greeting=greeting))
            for greeting in (b"", frames.PREFACE[:10], frames.PREFACE)
        ]
        assert {client.parting() for client in silent} == {frames.SETTINGS_TIMEOUT}


def greeted(connections: bounds.Connections, *, proven: bool = True) -> Patience:
    patience = Patience(connections, 0.0)
    patience.greeted, patience.proven = True, proven
    return patience


def test_patience_ends_in_time() -> None:
    connections = bounds.Connections(0.0)
    assert Patience(connections, 0.0).look(bounds.GREETING_S + 1) == frames.SETTINGS_TIMEOUT
    assert greeted(connections).look(1e9) is None
    stranger = greeted(connections, proven=False)
    assert stranger.look(bounds.UNPROVEN_S - 1) is None
    assert stranger.look(bounds.UNPROVEN_S + 1) == frames.NO_ERROR
    slow = greeted(connections)
    slow.block_since = 100.0
    assert slow.look(100 + bounds.GREETING_S - 1) is None
    assert slow.look(100 + bounds.GREETING_S + 1) == frames.ENHANCE_YOUR_CALM
    deaf = greeted(connections)
    deaf.pause_writing(100.0)
    assert deaf.look(100 + bounds.UNREAD_S - 1) is None
    assert deaf.look(100 + bounds.UNREAD_S + 1) == frames.CANCEL


def test_credit_comes_back_in_time() -> None:
    patience = greeted(bounds.Connections(0.0))
    patience.spend(bounds.CREDIT)
    with pytest.raises(frames.Http2Error):
        patience.spend(1)
    assert patience.look(2.0) is None
    patience.spend(bounds.CREDIT_A_SECOND)


def test_a_worker_that_waits_for_weeks_keeps_its_connection() -> None:
    """It pings every 30 s, and updates its windows."""
    patience = greeted(bounds.Connections(0.0))
    for half_minute in range(100_000):
        patience.spend(5)
        assert patience.look(half_minute * 30.0) is None


# ---- decoding ----------------------------------------------------------------------------------------------


def test_headers_of_ones_alone_are_refused_without_much_work() -> None:
    """The code has no such string. To look for its end must not take time that grows with the square of its length."""
    block = b"\x00\x01x\xff\x81\x7f" + b"\xff" * 16_384
    decoder = hpack.Decoder()
    for _ in range(200):
        with pytest.raises(hpack.HeaderError):
            decoder.decode(block)


def _read_all(call: Callable[[bytes], Iterable[bytes]], request: bytes) -> list[bytes]:
    return list(call(request))


def test_a_request_that_is_none_is_said_to_be_so(
    ours: HubUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    described = pb.DESCRIPTOR.services_by_name["TaskHubSidecarService"]
    wrong = {"Hello": b"\xff", "GetWorkItems": b"\x0a\x7f"}
    with caplog.at_level(logging.INFO):
        for method in described.methods:
            made: grpc.UnaryStreamMultiCallable[bytes, bytes] = ours.channel.unary_stream(
                f"/{described.full_name}/{method.name}"
            )
            status = refused(partial(_read_all, made, wrong.get(method.name, b"\x0a\xff")))
            assert status is grpc.StatusCode.INVALID_ARGUMENT, method.name
        clock: grpc.UnaryUnaryMultiCallable[bytes, bytes] = ours.channel.unary_unary(
            "/countersign.Clock/Advance"
        )
        for nonsense in (b"\xff", b"[", b"[" * 100_000, b'{"seconds": NaN}', b'{"seconds": 1e999}'):
            assert refused(partial(clock, nonsense)) is grpc.StatusCode.INVALID_ARGUMENT
    assert [record.getMessage() for record in caplog.records if record.name.startswith("orchestration")] == []

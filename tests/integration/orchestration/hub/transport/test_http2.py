"""The hub's own gRPC server: what the SDK's clients do not exercise by themselves."""

import socket
from pathlib import Path

import grpc
import pytest
from durabletask.internal import orchestrator_service_pb2 as pb
from hypothesis import given
from hypothesis import strategies as st

from orchestration.hub import Hub
from orchestration.hub.transport import hpack
from tests.support.hubs import HubUnderTest, RawWorker, refused

LARGE = "x" * 1_000_000


def test_header_blocks_are_read_as_the_standard_says() -> None:
    """RFC 7541, appendix C.4: Huffman codes, and a table that grows from block to block."""
    decoder = hpack.Decoder()
    first = decoder.decode(bytes.fromhex("828684418cf1e3c2e5f23a6ba0ab90f4ff"))
    assert first == {
        b":method": b"GET",
        b":scheme": b"http",
        b":path": b"/",
        b":authority": b"www.example.com",
    }
    second = decoder.decode(bytes.fromhex("828684be5886a8eb10649cbf"))
    assert second == {**first, b"cache-control": b"no-cache"}
    third = decoder.decode(bytes.fromhex("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"))
    assert third == {
        b":method": b"GET",
        b":scheme": b"https",
        b":path": b"/index.html",
        b":authority": b"www.example.com",
        b"custom-key": b"custom-value",
    }


def test_a_block_that_is_repeated_means_what_the_table_says_by_now() -> None:
    """`be` is the newest entry of the table: the same byte, after another entry came, is another header."""
    decoder = hpack.Decoder()
    decoder.decode(bytes.fromhex("4003") + b"one" + bytes.fromhex("01") + b"1")
    assert [decoder.decode(b"\xbe") for _ in range(2)] == [{b"one": b"1"}] * 2
    decoder.decode(bytes.fromhex("4003") + b"two" + bytes.fromhex("01") + b"2")
    assert [decoder.decode(b"\xbe") for _ in range(2)] == [{b"two": b"2"}] * 2


@given(st.binary(max_size=64))
def test_no_header_block_breaks_the_reader(block: bytes) -> None:
    try:
        hpack.Decoder().decode(block)
    except hpack.HeaderError:
        return


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n" + b" " * 24,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 64,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x01\x01\x05\x00\x00\x00\x01\x80",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x02\x08\x00\x00\x00\x00\x00\x00\x00",
    ],
)
def test_a_client_that_talks_nonsense_harms_nobody(hub: Hub, ours: HubUnderTest, garbage: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.settimeout(5)
        stranger.connect(hub.address.removeprefix("unix://"))
        stranger.sendall(garbage)
        while stranger.recv(4096):
            pass
    ours.start("any", instance_id="one")
    assert ours.state("one").name == "any"


def test_large_answers_pass_through_small_windows(ours: HubUnderTest) -> None:
    """A client's first window is 64 KiB; the rest waits for more window, in a unary answer and in a stream."""
    for number in range(3):
        ours.start("any", LARGE, instance_id=f"one-{number}")
    assert ours.state("one-0").serialized_input == f'"{LARGE}"'
    with RawWorker(ours.address) as worker:
        inputs = [
            worker.take().orchestratorRequest.newEvents[1].executionStarted.input.value for _ in range(3)
        ]
    assert inputs == [f'"{LARGE}"'] * 3


def test_a_call_that_nobody_knows_is_refused(ours: HubUnderTest) -> None:
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = ours.channel.unary_unary("/Nobody/Knows")
    assert refused(lambda: call(b"")) is grpc.StatusCode.UNIMPLEMENTED


def test_a_refusal_may_say_anything(ours: HubUnderTest) -> None:
    """The message is sent in a header: neither its characters nor its length may break the header."""
    for instance in ("ünder 100 %\n", "x" * 1000):
        request = pb.RaiseEventRequest(instanceId=instance, name="go")
        with pytest.raises(grpc.RpcError) as refusal:
            ours.stub.RaiseEvent(request)
        assert isinstance(refusal.value, grpc.Call)
        assert repr(instance)[:100] in (refusal.value.details() or "")


def test_a_hub_stops_although_somebody_still_waits(tmp_path: Path) -> None:
    with Hub(tmp_path / "hub.db") as hub:
        tested_hub = HubUnderTest(hub.address)
        instance = tested_hub.start("any")
        waiting = tested_hub.stub.WaitForInstanceCompletion.future(pb.GetInstanceRequest(instanceId=instance))
        tested_hub.state(instance)
    assert waiting.exception() is not None
    tested_hub.close()

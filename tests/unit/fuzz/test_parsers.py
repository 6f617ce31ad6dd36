"""For any bytes, a reader reads them correctly or reports the faults in its own words."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import hpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.parsers import PARSERS, header_blocks, in_pieces
from tests.support import ROOT

PROOF = bool(os.environ.get("COUNTERSIGN_PROOF"))
SECONDS = 60  # for each reader, in the long form


@st.composite
def changed(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """Valid input of a reader, with parts left out, repeated elsewhere, or replaced."""
    text = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 4))):
        begin, end = sorted(draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=2)))
        part = text[begin:end]
        put = draw(st.sampled_from([b"", part * 2, part[::-1]]) | st.binary(max_size=6) | _TOKENS)
        text = text[:begin] + put + text[end:]
    return text


_TOKENS = st.sampled_from([
    b"[" * 3000, b"a." * 200, b"9" * 5000, b"\n", b'"', b"'''", b"{", b"]]", b"= 1e400", b"nan", b"-inf",
    b"2026-02-30", b"9999-12-31T23:59:59-14:00", b"0x", b"\\uD800", b"\x00", b"\xff\xfe", b"\xe2\x80\xae", b"<@U0ADA|",
    b"true", b"policies", b"levels", b"timeout = ",
])  # fmt: skip


@pytest.mark.timeout(1200 if PROOF else 120)
@pytest.mark.parametrize("name", sorted(PARSERS))
def test_any_bytes_are_read_or_refused_in_words(name: str) -> None:
    parser = PARSERS[name]
    for seed in parser.seeds:
        parser.check(seed)

    @settings(
        max_examples=2000 if PROOF else 25, suppress_health_check=list(HealthCheck), derandomize=not PROOF
    )
    @given(changed(parser.seeds) | st.binary(max_size=80))
    def read(data: bytes) -> None:
        parser.check(data)

    read()


NAMES = st.sampled_from([b":path", b":method", b"te", b"x-a", b"authorization"]) | st.binary(max_size=12)
SIZES = st.sampled_from([None, 0, 64, 300, 4096])
VALUES = st.sampled_from([b"POST", b"/", b"trailers"]) | st.binary(max_size=40)


@settings(max_examples=5000 if PROOF else 40, derandomize=not PROOF)
@given(
    st.lists(
        st.tuples(st.lists(st.tuples(NAMES, VALUES), max_size=5), st.booleans(), SIZES),
        max_size=6,
    ),
    st.integers(0, 7),
    st.integers(0, 400),
)  # fmt: skip
def test_what_a_client_packs_is_what_is_read(
    calls: list[tuple[list[tuple[bytes, bytes]], bool, int | None]], bit: int, at: int
) -> None:
    """As packed, with tables that shrink and grow; and with one bit of it changed."""
    encoder = hpack.Encoder()
    blocks = []
    for headers, huffman, size in calls:
        if size is not None:
            encoder.header_table_size = size
        blocks.append(encoder.encode(headers, huffman=huffman)[:255])
    packed = bytearray(in_pieces(blocks))
    header_blocks(bytes(packed))
    if packed:
        packed[at % len(packed)] ^= 1 << bit
        header_blocks(bytes(packed))


@pytest.mark.skipif(not PROOF, reason="takes minutes")
@pytest.mark.skipif(find_spec("atheris") is None, reason="make atheris installs it")
@pytest.mark.parametrize("name", sorted(PARSERS))
@pytest.mark.timeout(SECONDS * 10)
def test_bytes_that_reach_further_into_it_find_nothing(name: str) -> None:
    command = [sys.executable, "-m", "tests.fuzz", name, f"--seconds={SECONDS}"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr[-4000:]}"

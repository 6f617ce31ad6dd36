"""The trace of who raised an event goes along beside its seal. It says nothing that counts, and cannot become JSON."""

from __future__ import annotations

import json

import pytest

from orchestration.sealing import envelope

TRACE = f"00-{'1' * 32}-{'2' * 16}-01"
SEAL = "0a1b2c3d.." + "m" * 43


@pytest.mark.parametrize("trace", ["", TRACE])
@pytest.mark.parametrize(
    "text",
    ['{"a":1}', "{}", "null", '"a"', "[1]", '{"$value":1}', f'{{"$trace":"{TRACE}","a":1}}'],
)
def test_it_comes_back_as_it_was_put(text: str, trace: str) -> None:
    carried = envelope.put(SEAL, text, trace)
    assert envelope.take(carried) == (SEAL, text)
    assert envelope.trace_of(carried) == trace
    assert json.loads(carried)["$seal"] == SEAL


def test_without_a_trace_it_is_as_it_ever_was() -> None:
    assert envelope.put(SEAL, '{"a":1}') == f'{{"$seal":"{SEAL}","a":1}}'


def test_another_trace_changes_nothing_that_is_sealed() -> None:
    """It is not sealed: whoever has the hub may change it, and only the spans are then in another trace."""
    other = TRACE.replace("1", "3")
    assert envelope.take(envelope.put(SEAL, '{"a":1}', TRACE).replace(TRACE, other)) == (SEAL, '{"a":1}')


@pytest.mark.parametrize("trace", ["", "x", TRACE.upper() + "A", "\\" * 55, "00-" + "g" * 52])
def test_what_is_no_trace_breaks_the_seal(trace: str) -> None:
    """So nobody with access to the hub can add anything else beside the sealed content."""
    carried = f'{{"$seal":"{SEAL}","$trace":"{trace}","a":1}}'
    assert envelope.take(carried) == ("", carried)
    assert envelope.trace_of(carried) == ""

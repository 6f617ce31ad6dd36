"""A seal is good for one text in one place, under a key that is held."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.sealing import envelope
from orchestration.sealing.keys import BrokenSealError, SealKeys, UnknownKeyError, generation_of

OLD, NEW = b"o" * 32, b"n" * 32
KEYS = SealKeys([NEW, OLD])


def test_every_key_checks_and_the_first_seals() -> None:
    before = SealKeys([OLD]).seal(("event", "x"), "{}")
    assert KEYS.check(("event", "x"), "{}", before) == ""
    now = KEYS.seal(("event", "x"), "{}", "generation")
    assert KEYS.check(("event", "x"), "{}", now) == "generation"
    with pytest.raises(UnknownKeyError) as caught:
        SealKeys([OLD]).check(("event", "x"), "{}", now)
    assert caught.value.key_id == KEYS.ids[0]


def test_a_short_key_is_refused() -> None:
    for keys in ([], [b"short"], [NEW, b"short"]):
        with pytest.raises(ValueError, match="32 bytes"):
            SealKeys(keys)


@given(
    place=st.lists(st.text(max_size=5), min_size=1, max_size=3),
    other=st.lists(st.text(max_size=5), min_size=1, max_size=3),
    text=st.text(max_size=20),
    changed=st.text(max_size=20),
)
def test_another_place_or_another_text_breaks_it(
    place: list[str], other: list[str], text: str, changed: str
) -> None:
    seal = KEYS.seal(place, text)
    assert KEYS.check(place, text, seal) == ""
    if (other, changed) != (place, text):
        with pytest.raises(BrokenSealError):
            KEYS.check(other, changed, seal)


@pytest.mark.parametrize(
    "change",
    [
        lambda seal: seal[:-1],
        lambda seal: seal + "A",
        lambda seal: seal.replace("..", ".A."),
        lambda seal: seal.replace("..", "."),
        lambda seal: seal.upper(),
        lambda seal: seal + "\n",
        lambda seal: "\u0660" + seal[1:],
    ],
)
def test_a_seal_that_was_touched_is_broken(change: Callable[[str], str]) -> None:
    seal = KEYS.seal(("event", "x"), "{}")
    with pytest.raises((BrokenSealError, UnknownKeyError)):
        KEYS.check(("event", "x"), "{}", change(seal))


@given(
    st.one_of(
        st.dictionaries(st.text(max_size=4), st.integers()), st.text(), st.none(), st.lists(st.integers())
    )
)
def test_a_text_comes_out_of_its_envelope_as_it_went_in(value: object) -> None:
    text = json.dumps(value)
    seal = KEYS.seal(("x",), text, "made-in")
    sealed = envelope.put(seal, text)
    assert envelope.take(sealed) == (seal, text)
    read = json.loads(sealed)
    assert read["$seal"] == seal
    assert (
        read["$value"] if not isinstance(value, dict) else {k: v for k, v in read.items() if k != "$seal"}
    ) == value


@pytest.mark.parametrize(
    "text",
    [
        '{"$value":5}',
        '{"$value":{"a":1}}',
        '{"$seal":"x","a":1}',
        '{"a":1,"a":2}',
        ' {"a":1}',
        '{"a":"\\ud800"}',
        "{}",
        '{ "a": 1 }',
        "null",
    ],
)
def test_no_text_comes_out_as_another(text: str) -> None:
    """Whatever people write, a seal never opens as another text."""
    seal = KEYS.seal(("x",), text)
    assert envelope.take(envelope.put(seal, text)) == (seal, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"$seal":"","a":1}',
        "{}",
        "null",
        '{"$seal":"',
        '{"$seal":"x',
        '{"$seal":"x"',
        "[1]",
        '{"a":1}',
        '"x"',
    ],
)
def test_what_has_no_envelope_has_no_seal(text: str) -> None:
    assert envelope.take(text) == ("", text)


def test_the_generation_is_the_seal_of_its_start() -> None:
    assert generation_of("0a1b2c3d.before.MAC") == "MAC"
    assert generation_of("") == ""

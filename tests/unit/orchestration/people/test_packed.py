"""A list of IDs as one text, with any IDs and values; a change of one entry leaves the others alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestration.people.packed import Packed, unpacked

# What could be taken for the form of the list, and what is escaped itself.
TEXTS = st.text("a :%2\n\u00e4", max_size=4)


@given(st.lists(st.tuples(TEXTS, TEXTS, st.booleans()), max_size=12))
def test_it_is_a_dict_whatever_its_ids_and_values_are(changes: list[tuple[str, str, bool]]) -> None:
    packed, kept = Packed(), dict[str, str]()
    for one, value, put in changes:
        kept.pop(one, None)
        if put:
            kept[one] = value
        packed = packed.put(one, value) if put else packed.without(one)
        assert (one in packed, len(packed)) == (put, len(kept))
        assert list(unpacked(str(packed)).items()) == list(kept.items())
    assert str(Packed.of(kept.items())) == str(packed)

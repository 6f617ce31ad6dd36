"""Typed fields: what people type and programs send is read by one rule, and read again gives the same."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.fields import FieldSpec, FieldType, read_values

FIELDS = [
    FieldSpec(name="ready", type=FieldType.YES_NO, required=True),
    FieldSpec(name="risk", type=FieldType.CHOICE, choices=["Low", "High"]),
    FieldSpec(name="days", type=FieldType.NUMBER),
    FieldSpec(name="from", label="From when", type=FieldType.DATE),
    FieldSpec(name="notes"),
]


@pytest.mark.parametrize(
    ("field", "given_value", "kept"),
    [
        ("ready", True, "yes"),
        ("ready", "NO", "no"),
        ("ready", "ｔｒｕｅ", "yes"),
        ("risk", " high ", "High"),
        ("days", 3, "3"),
        ("days", 1.5, "1.5"),
        ("days", "0010.50", "10.5"),
        ("days", "−2", "-2"),
        ("days", "-0.0", "0"),
        ("days", "٣", "3"),
        ("from", "2026-12-24", "2026-12-24"),
        ("notes", " a\u202e\nb ", "a\nb"),
    ],
)
def test_a_value_is_kept_in_one_form(field: str, given_value: object, kept: str) -> None:
    read = read_values(FIELDS, {"ready": "yes", field: given_value})
    assert read[field] == kept
    assert read_values(FIELDS, read) == read


@pytest.mark.parametrize(
    ("field", "given_value", "words"),
    [
        ("ready", "maybe", "must be yes or no"),
        ("ready", " \u200b", "is required"),
        ("risk", "medium", "must be one of: Low, High"),
        ("days", "1,5", "must be a number with a point"),
        ("days", "1e5", "must be a number"),
        ("days", 0.0000001, "at most 15 digits before it and 6 behind"),
        ("days", float("nan"), "must be a number"),
        ("days", [1], "must be a text, a number, or true or false"),
        ("from", "24.12.2026", "From when: must be a day such as"),
        ("from", "2026-02-30", "must be a day such as"),
        ("notes", "x" * 501, "has at most 500 characters, and this has 501"),
        ("other", "x", "there is no such field (there is: ready"),
    ],
)
def test_what_does_not_fit_names_the_field_and_the_remedy(
    field: str, given_value: object, words: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_values(FIELDS, {"ready": "yes", field: given_value})
    assert words in str(caught.value)
    assert caught.value.field == field


def test_what_is_left_empty_is_not_there() -> None:
    assert read_values(FIELDS, {"ready": False, "notes": "", "risk": None}) == {"ready": "no"}


@given(
    st.dictionaries(
        st.sampled_from([field.name for field in FIELDS]), st.text() | st.floats() | st.booleans()
    )
)
def test_anything_is_read_or_refused_in_words(values: dict[str, object]) -> None:
    read: dict[str, str] = {"ready": "yes"}
    with suppress(InvalidRequestError):
        read = read_values(FIELDS, values)
    assert read_values(FIELDS, read) == read


@pytest.mark.parametrize(
    "field",
    [
        {"type": "choice"},
        {"type": "choice", "choices": ["only"]},
        {"type": "choice", "choices": ["low", "LOW"]},
        {"type": "number", "choices": ["1", "2"]},
    ],
)
def test_choices_go_with_their_type(field: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="choice"):
        FieldSpec.model_validate({"name": "x", **field})

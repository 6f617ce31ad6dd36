"""Typed fields: input of people and programs is read by one rule, and reading the result again changes nothing."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.slack.ids import SlackIds
from orchestration.domain.errors import InvalidRequestError, PolicyError
from orchestration.domain.fields import FieldSpec, FieldType, date_in_words, host_of, read_values
from orchestration.domain.policy_file import parse
from orchestration.domain.request import ApprovalRequest
from orchestration.domain.rules import auto_approves, check_request

FIELDS = [
    FieldSpec(name="ready", type=FieldType.YES_NO, required=True),
    FieldSpec(name="risk", type=FieldType.CHOICE, choices=["Low", "High"]),
    FieldSpec(name="days", type=FieldType.NUMBER),
    FieldSpec(name="from", label="From when", type=FieldType.DATE),
    FieldSpec(name="notes"),
    FieldSpec(name="why", type=FieldType.LONG_TEXT),
    FieldSpec(name="who", type=FieldType.PERSON),
    FieldSpec(name="where", type=FieldType.LINK),
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
        ("notes", 42, "42"),
        ("why", "x" * 3000, "x" * 3000),
        ("who", " U0ADA ", "U0ADA"),
        ("where", "HTTPS://Example.COM:8443/Ä b".replace(" ", "%20"), "https://example.com:8443/%C3%84%20b"),
        ("where", "http://[::1]/a?b=<c>|d#e", "http://[::1]/a?b=%3Cc%3E%7Cd#e"),
        ("where", "https://xn--pypal-4ve.com", "https://xn--pypal-4ve.com"),
    ],
)
def test_a_value_is_kept_in_one_form(field: str, given_value: object, kept: str) -> None:
    read = read_values(FIELDS, {"ready": "yes", field: given_value}, SlackIds())
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
        ("days", 10**400, "must be a text, a number"),
        ("why", "x" * 3001, "has at most 3000 characters, and this has 3001"),
        ("who", "Ada", "Who: 'Ada' is not a person's ID in Slack"),
        ("who", "S0MANAGERS", "is not a person's ID"),
        ("where", "example.com", "Where: must be a link such as https://example.com/page"),
        ("where", "javascript:alert(1)", "must be a link"),
        ("where", "https://bank.example@evil.example/", "no name or password before it"),
        ("where", "https://bank.example\\@evil.example/", "must be a link"),
        ("where", "https://p\u0430ypal.com/", "xn--"),  # a Cyrillic letter
        ("where", "https://example.com/a b", "without spaces"),
        ("where", "https://example.com:port/", "must be a link"),
        ("where", "https://example.com/" + "x" * 2000, "has at most 2000 characters"),
        ("other", "x", "there is no such field (there is: ready"),
    ],
)
def test_what_does_not_fit_names_the_field_and_the_remedy(
    field: str, given_value: object, words: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_values(FIELDS, {"ready": "yes", field: given_value}, SlackIds())
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


def test_a_day_is_said_in_words_and_a_link_by_its_host() -> None:
    assert date_in_words("2026-12-24") == "Thursday, 24 December 2026"
    assert date_in_words("soon") == "soon"
    assert host_of("https://example.com:8443/x") == "example.com:8443"
    for not_kept in ("", "https://example.com/a|b", "https://a@b.example", "ftp://example.com"):
        assert host_of(not_kept) == ""


def test_a_request_has_its_fields_read_and_the_file_its_values_that_need_nobody() -> None:
    text = """
[policies.p]
title = "P"
channel = "C0P"
fields = [
  { name = "risk", type = "choice", choices = ["low", "high"] },
  { name = "who", type = "person" },
  { name = "days", type = "number" },
]
auto_approve_when = { risk = ["low"%s] }
[[policies.p.levels]]
name = "L"
approvers = ["U0A"]
timeout = "1d"
"""
    policy = parse(text % "", "p.toml", SlackIds()).policies["p"]
    given = {"risk": "LOW", "who": "U0ADA", "days": 2.50}
    request = ApprovalRequest.model_validate(
        {"policy": "p", "title": "T", "requester": "U0RITA", "fields": given}
    )
    request = check_request(request, policy, None, SlackIds())
    assert request.fields == {"risk": "low", "who": "U0ADA", "days": "2.5"}
    assert auto_approves(request, policy) == "Nobody needs to be asked, as risk is low."
    wrong = request.model_copy(update={"fields": {"who": "S0GROUP"}})
    with pytest.raises(InvalidRequestError, match="Who: 'S0GROUP' is not a person's ID in Slack"):
        check_request(wrong, policy, None, SlackIds())
    with pytest.raises(PolicyError) as refused:
        parse(text % ', "High", "none"', "p.toml", SlackIds())
    assert str(refused.value).splitlines() == [
        'p.toml:10: policies.p.auto_approve_when.risk.1: no request can have this value; write "high".',
        (
            "p.toml:10: policies.p.auto_approve_when.risk.2: no request can have this value: "
            "Risk: must be one of: low, high."
        ),
    ]

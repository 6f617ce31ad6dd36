"""The normaliser of typed text: invisible text becomes empty, and normalising twice changes nothing."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestration.challenge.codes import Codes
from orchestration.domain.commands import Cancellation, Comment
from orchestration.domain.request import ApprovalRequest, RemarkKind, Via
from orchestration.domain.text import hostile, is_blank, keyword, line, phone_number, prose

# Any text, mostly of troublesome characters: joiners, selectors, fillers, tags, controls, marks and odd spaces.
ODD = (
    "\u200b\u200c\u200d\u2060\u3164\uffa0\u115f\u2800\u00ad\ufe0f\ufe0e\u202e\u2066\u0301\u0336\u20e3\U000e0041\U000e0100"
    "\x00\x1b\x85\u2028\r\n\t \u00a0\u3000\u1fef\u212b\ud800👨❤1aक"
)
ANY = st.text(st.characters() | st.sampled_from(ODD), max_size=40)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("12400\u200b Steel", "12400 Steel"),
        ("a\x00b\x1b[31mc\x85d", "ab[31mc d"),
        ("Lunch \u202e001 DSU", "Lunch 001 DSU"),
        ("a\U000e0068\U000e0069b", "ab"),
        ("a\r\nb\u2028c\x0bd", "a b c d"),
        ("a\u00a0\u3000b", "a b"),
        ("cafe\u0301", "café"),
        ("e\u200b\u0301", "é"),
        ("\ud83dLunch", "Lunch"),
        ("x" + "\u0335" * 90, "x" + "\u0335" * 4),
        # Joiners between letters, and variation selectors, are content.
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👨\u200d👩\u200d👧 ❤\ufe0f 1\ufe0f\u20e3", "👨\u200d👩\u200d👧 ❤\ufe0f 1\ufe0f\u20e3"),
        ("pa\u200dy\ufe0f", "pay"),
    ],
)
def test_what_is_kept_of_a_line(typed: str, kept: str) -> None:
    assert line(typed) == kept


@pytest.mark.parametrize(
    "nothing",
    ["", " \n\t", "\u200b\u3164", "\u2800", "\u200d", "\ufe0f", "\U000e0041", "\u202e\x07", "\u115f\uffa0"],
)
def test_what_renders_as_nothing_is_nothing(nothing: str) -> None:
    assert is_blank(nothing)
    asked = {"policy": "p", "requester": "U0RITA"}
    with pytest.raises(ValidationError):
        ApprovalRequest.model_validate({**asked, "title": nothing})
    given = ApprovalRequest.model_validate(
        {**asked, "title": "x", "description": nothing, "fields": {"a": nothing}}
    )
    assert (given.description, given.fields) == ("", {"a": ""})
    stamp = {"command_id": "c", "actor": "U0ADA", "via": Via.CHAT}
    assert Cancellation.model_validate({**stamp, "reason": nothing}).reason == ""
    with pytest.raises(ValidationError):
        Comment.model_validate({**stamp, "kind": RemarkKind.COMMENT, "text": nothing})


def test_a_request_is_digested_as_it_is_kept() -> None:
    asked = {"policy": "p", "requester": "U0RITA"}
    first, second = (
        ApprovalRequest.model_validate({**asked, "title": title, "description": text})
        for title, text in [("Café\u200b \u202elunch", "a\r\nb "), ("Cafe\u0301 lunch", "a\nb")]
    )
    assert first.digest() == second.digest()
    again = ApprovalRequest.model_validate_json(first.model_dump_json())
    assert (again, again.digest()) == (first, first.digest())


@given(ANY)
def test_once_is_enough(text: str) -> None:
    for rule in (prose, line, keyword):
        assert rule(rule(text)) == rule(text)


@given(ANY)
def test_nothing_that_deceives_is_left(text: str) -> None:
    kept = prose(text)
    assert hostile(kept) is None
    assert not {unicodedata.category(c) for c in kept.replace("\n", "").replace("\t", "")} & {
        "Cc",
        "Cs",
        "Zl",
        "Zp",
    }
    assert "\n" not in line(text)
    assert kept == unicodedata.normalize("NFC", kept)
    kept.encode()  # as all text for a file or a socket is encoded


@pytest.mark.parametrize(
    ("typed", "word"),
    [("STOP", "stop"), (" Ｓtop\u200b ", "stop"), ("PUR\u00adCHASE", "purchase"), ("٣", "3")],
)
def test_a_word_with_a_fixed_meaning(typed: str, word: str) -> None:
    assert keyword(typed) == word


@pytest.mark.parametrize(
    "typed",
    ["123456", "١٢٣٤٥٦", "１２３ ４５６", "123-456", "१२३४५६.", "\u202a123\u200b456\u202c", "“123 456”"],
)
def test_a_code_in_whatever_digits(typed: str) -> None:
    assert Codes([b"x" * 32]).digits_of(typed) == "123456"


@pytest.mark.parametrize("typed", ["12345", "1234567", "12345a", "12345²", "12345Ⅵ", "code 123456", ""])
def test_what_is_no_code(typed: str) -> None:
    assert Codes([b"x" * 32]).digits_of(typed) is None


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+12025550142", "+12025550142"),
        ("rcs:+12025550142", "+12025550142"),
        ("whatsapp:+1 202 555-0142", "+12025550142"),
        ("\u202a+12025550142\u202c", "+12025550142"),
        ("messenger:12025550142", "messenger:12025550142"),
        ("12025550142", "12025550142"),
    ],
)
def test_whose_number_it_is(written: str, number: str) -> None:
    assert phone_number(written) == number

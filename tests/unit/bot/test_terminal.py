"""Foreign text is one line in the terminal and in the log, without control sequences."""

from __future__ import annotations

import logging

import pytest

from bot.terminal import OneLineFormatter, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\r\nc", "a b c"),
        ("\x1b[2J\x1b[31mred", "[2J[31mred"),
        ("p-1     pending  “x”", "p-1     pending  “x”"),
        ("\u202eback\u200b", "back"),
    ],
)
def test_one_line(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_an_entry_of_the_log_is_one_line_and_its_traceback_follows() -> None:
    formatter = OneLineFormatter("%(levelname)s %(message)s")
    error = ValueError("no")
    record = logging.LogRecord(
        "x", logging.WARNING, "f", 1, "%s", ("a\nERROR b\x1b",), (ValueError, error, None)
    )
    first, *rest = formatter.format(record).splitlines()
    assert first == "WARNING a ERROR b"
    assert rest == ["ValueError: no"]

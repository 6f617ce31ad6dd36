"""No value of `Retry-After` from another server breaks a retry."""

from __future__ import annotations

import pytest

from bot.outbound.http_client import _retry_after


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7), (" 7 ", 7), ("²", None), ("٣", None), ("soon", None), ("", None), (None, None)],
)
def test_seconds_are_plain_digits(text: str | None, seconds: float | None) -> None:
    assert _retry_after(text) == seconds

"""Telephone numbers: which are well formed, and which Twilio reserves for testing errors."""

import re

# In the North American plan neither the area code nor the exchange begins with 0 or 1.
_E164 = re.compile(r"\+(?:1[2-9]\d{2}[2-9]\d{6}|[2-9]\d{6,14})")

# Source: https://www.twilio.com/docs/iam/test-credentials
MAGIC = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}


def is_e164(number: str) -> bool:
    """Say whether this could be a telephone number, written as +15551234567."""
    return _E164.fullmatch(number) is not None

"""Checks when a certificate expires."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bot.doctor.finding import DoctorFinding, ok, warning

SOON: Final = timedelta(days=21)


def ends(peer: Mapping[str, Any] | None) -> datetime | None:
    """The expiry time in a connection's `getpeercert()`."""
    until = (peer or {}).get("notAfter")
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(until), UTC) if until else None


def lasting(check: str, whose: str, until: datetime | None) -> Iterator[DoctorFinding]:
    """The finding for that expiry time; none where it is not known."""
    if until is None:
        return
    left = until - datetime.now(UTC)
    text = f"The certificate of {whose} ends on {until:%Y-%m-%d}, in {left.days} days"
    yield warning(check, f"{text}; renew it.") if left < SOON else ok(check, f"{text}.")

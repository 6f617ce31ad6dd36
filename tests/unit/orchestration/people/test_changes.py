"""The newer of two changes of a delegate is the one made with knowledge of the other; clocks do not matter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestration.domain.effects import DelegateChange
from orchestration.people.person import Changed, PersonState, _came_before

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
OBEYED = PersonState(
    changes=[Changed(id="one", at=NOON - timedelta(days=1)), Changed(id="two", at=NOON)], changed=2
)


@pytest.mark.parametrize(
    ("change_id", "at", "follows", "old"),
    [
        pytest.param("three", timedelta(minutes=1), 2, False, id="the next"),
        pytest.param(
            "three", -timedelta(days=365), 2, False, id="the next, by a clock that was set back a year"
        ),
        pytest.param("two", timedelta(days=1), 2, True, id="a repeat"),
        pytest.param("one", -timedelta(days=1), 0, True, id="an old one again"),
        pytest.param("kept", -timedelta(hours=1), 1, True, id="an old one that was kept back"),
        pytest.param("three", timedelta(seconds=1), 1, False, id="made at once with the last"),
    ],
)
def test_a_clock_that_was_set_keeps_nobody_from_coming_back(
    change_id: str, at: timedelta, follows: int, old: bool
) -> None:
    change = DelegateChange(person="U0ADA", change_id=change_id, changed_at=NOON + at, follows=follows)
    assert _came_before(change, OBEYED) is old

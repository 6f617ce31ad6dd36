"""The people of the tests: their numbers, which the simulated workspace knows too, and being away at any time."""

from __future__ import annotations

from datetime import date
from typing import Final

from bot.simulator.workspace.seed import SEED
from orchestration.domain.people import Away

ALWAYS: Final = Away(since=date(2020, 1, 1), until=date(2099, 12, 31))
NUMBERS: Final = {
    **SEED.phones,
    "U0BOB": "+12025550152",
    "U0CY": "+12025550153",
    "U0MAX": "+12025550154",
    "U0MAL": "+12025550155",
}


def enrolled(*people: str, **delegates: str) -> str:
    """The tables of a policy file that enrol these people, some of them with a delegate: `U0FIN="U0DIRK"`."""
    lines = []
    for person in dict.fromkeys([*people, *delegates]):
        lines += [f"[people.{person}]", f'phone = "{NUMBERS[person]}"']
        lines += [f'delegate = "{delegates[person]}"'] if person in delegates else []
    return "\n".join([*lines, ""])

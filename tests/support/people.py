"""The people of the tests: their phone numbers, as in the simulated workspace, and an absence at all times."""

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
    """The tables of a policy file that enrol these people; `U0FIN="U0DIRK"` names a delegate."""
    lines = []
    for person in dict.fromkeys([*people, *delegates]):
        lines += [f"[people.{person}]", f'phone = "{NUMBERS[person]}"']
        lines += [f'delegate = "{delegates[person]}"'] if person in delegates else []
    return "\n".join([*lines, ""])

"""The workspace and the policies of a run: enough channels and people that Slack's pace holds nobody up for long."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Final

from bot.simulator.workspace.seed import SEED, Member, Seed, SeedChannel

OUTSIDER: Final = "U0SAM"
DIRECTOR: Final = "U0DIRK"
# What a request of each kind goes through.
KINDS: Final = ("plain", "pair", "coded", "levels", "silent", "auto", "withdrawn", "refused")
_APPROVALS_A_CHANNEL: Final = 4
_MOST: Final = 40


@dataclass(frozen=True)
class FaultScene:
    """`places` channels for each kind, with as many requesters and people with phones."""

    places: int

    @classmethod
    def of(cls, approvals: int) -> FaultScene:
        """One that is large enough for so many."""
        return cls(min(_MOST, max(1, approvals // (len(KINDS) * _APPROVALS_A_CHANNEL))))

    @property
    def requesters(self) -> list[str]:
        """They ask, and are told."""
        return [f"U0REQ{number}" for number in range(4 * self.places)]

    @property
    def phones(self) -> dict[str, str]:
        """Who confirms by code, one for each place, with their numbers."""
        return {f"U0TEL{number}": f"+120255501{number + 50}" for number in range(self.places)}

    def approvers(self, kind: str, place: int) -> tuple[tuple[str, ...], ...]:
        """Who decides, level by level: each of them has to approve."""
        match kind:
            case "pair":
                return (("U0ADA", "U0FIN"),)
            case "coded":
                return ((f"U0TEL{place}",),)
            case "levels":
                return (("U0ADA",), ("U0FAY",))
            case "silent":
                return ((DIRECTOR,),)
            case "auto":
                return ()
            case _:
                return (("U0ADA",),)

    def seed(self) -> Seed:
        """What the workspace holds."""
        people = [Member(one, one.lower(), one) for one in (*self.requesters, *self.phones)]
        channels = [
            SeedChannel(channel(kind, place), channel(kind, place).lower())
            for kind in KINDS
            for place in range(self.places)
        ]
        return replace(
            SEED,
            people=(*SEED.people, *people),
            channels=(*SEED.channels, *channels),
            phones=dict(self.phones),
        )

    def policies(self) -> str:
        """The policy file."""
        known = [f'[people.{person}]\nphone = "{number}"\n' for person, number in self.phones.items()]
        return "\n".join(
            [*known, *(self._policy(kind, place) for kind in KINDS for place in range(self.places))]
        )

    def _policy(self, kind: str, place: int) -> str:
        name, where = policy(kind, place), channel(kind, place)
        lines = [
            f"[policies.{name}]",
            f'title = "{kind.title()}"',
            f'channel = "{where}"',
            'currency = "USD"',
        ]
        if kind == "auto":
            lines += ["auto_approve_below = 1000"]
        levels = [("U0ADA",)] if kind in {"auto", "silent"} else self.approvers(kind, place)
        for number, who in enumerate(levels):
            lines += [f"[[policies.{name}.levels]]", f'name = "Level {number + 1}"']
            lines += [f"approvers = {json.dumps(who)}", 'timeout = "2d"']
            if len(who) > 1:
                lines += ['quorum = "all"']
            if kind == "coded":
                lines += ["sms_above = 100"]
            if kind == "silent":
                lines += ['on_timeout = "escalate"']
        if kind == "silent":
            lines += [
                f"[policies.{name}.escalation]",
                f'channel = "{where}"',
                f'approvers = ["{DIRECTOR}"]',
                'timeout = "1d"',
            ]
        return "\n".join([*lines, ""])


def channel(kind: str, place: int) -> str:
    """Where requests of a kind are posted."""
    return f"C0{kind.upper()}{place}"


def policy(kind: str, place: int) -> str:
    """The policy's name."""
    return f"{kind}-{place}"

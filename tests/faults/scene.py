"""The workspace and policies of a run, with enough channels and people that Slack's rate limits delay nobody long."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Final

from bot.simulator import SEED, Group, Member, Seed, SeedChannel

# What a request of each kind goes through, and how it ends where everybody does what they mean to.
KINDS: Final = {
    "plain": "approved",
    "pair": "approved",  # both of two people have to approve
    "coded": "approved",  # confirmed by a code
    "levels": "approved",  # two levels, one after the other
    "group": "approved",  # by a member of a user group
    "delegated": "approved",  # by the delegate of the approver
    "escalated": "approved",  # by the person it was escalated to after seconds
    "silent": "timed_out",
    "refused": "rejected",
    "withdrawn": "cancelled",
    "auto": "auto_approved",
    "ordered": "approved",  # and is fulfilled by two events
}
# The states that an order enters, each once, and the event that leads to the next state.
STEPS: Final = {"Created": "PaymentReceived", "Paid": "Shipped", "Done": None}
AMOUNTS: Final = {"coded": 500, "auto": 5}
_A_CHANNEL: Final = 4  # requests of one kind in a channel
_MOST: Final = 40  # places at most


@dataclass(frozen=True)
class FaultScene:
    """`places` channels for each kind; each place has people of its own."""

    places: int

    @classmethod
    def of(cls, approvals: int) -> FaultScene:
        """A scene that is large enough for so many approvals."""
        return cls(min(_MOST, max(1, approvals // (len(KINDS) * _A_CHANNEL))))

    @property
    def requesters(self) -> list[str]:
        """The people who ask for approvals and are told the outcome."""
        return [f"U0REQ{number}" for number in range(4 * self.places)]

    @property
    def phones(self) -> dict[str, str]:
        """The people who confirm by code, one for each place, with their phone numbers."""
        return {f"U0TEL{place}": f"+120255501{place + 50}" for place in range(self.places)}

    def seed(self) -> Seed:
        """The initial content of the workspace."""
        ids = [
            *self.requesters,
            *self.phones,
            *(f"U0{who}{place}" for who in ("ONE", "TWO", "DEL", "OUT") for place in range(self.places)),
        ]
        groups = [
            Group(f"S0GRP{place}", f"grp{place}", f"Group {place}", (f"U0ONE{place}", f"U0TWO{place}"))
            for place in range(self.places)
        ]
        channels = [
            SeedChannel(channel(kind, place), channel(kind, place).lower())
            for kind in KINDS
            for place in range(self.places)
        ]
        return replace(
            SEED,
            people=(*SEED.people, *(Member(one, one.lower(), one) for one in ids)),
            groups=(*SEED.groups, *groups),
            channels=(*SEED.channels, *channels),
            phones=dict(self.phones),
        )

    def policies(self) -> str:
        """The policy file."""
        known = [f'[people.{person}]\nphone = "{number}"\n' for person, number in self.phones.items()]
        return "\n".join([*known, *(_policy(kind, place) for kind in KINDS for place in range(self.places))])


def outsider(place: int) -> str:
    """Somebody who presses although they may not decide."""
    return f"U0OUT{place}"


def deciders(kind: str, place: int) -> tuple[tuple[str, ...], ...]:
    """Who has to decide, round by round. Empty for kinds that nobody decides."""
    one, two = f"U0ONE{place}", f"U0TWO{place}"
    nobody = ("silent", "withdrawn", "auto")
    special = {
        "pair": ((one, two),),
        "coded": ((f"U0TEL{place}",),),
        "levels": ((one,), (two,)),
        "escalated": ((), (two,)),
        "group": ((two,),),
        "delegated": ((f"U0DEL{place}",),),
    }
    return () if kind in nobody else special.get(kind, ((one,),))


def entitled(kind: str, place: int, round_: int) -> frozenset[str]:
    """The people whose vote may count in a round. The driver does not let all of them decide."""
    one, two = f"U0ONE{place}", f"U0TWO{place}"
    match kind, round_:
        case ("pair" | "group", 1):
            return frozenset({one, two})
        case ("coded", 1):
            return frozenset({f"U0TEL{place}"})
        case ("delegated", 1):
            return frozenset({one, f"U0DEL{place}"})
        case ("levels" | "escalated" | "silent", 2):
            return frozenset({two})
        case (_, 1):
            return frozenset({one})
        case _:
            return frozenset()


def channel(kind: str, place: int) -> str:
    """Where requests of a kind are posted."""
    return f"C0{kind.upper()}{place}"


def policy(kind: str, place: int) -> str:
    """The policy's name."""
    return f"{kind}-{place}"


def _policy(kind: str, place: int) -> str:
    name, where = policy(kind, place), channel(kind, place)
    one, two = f"U0ONE{place}", f"U0TWO{place}"
    levels = {
        "pair": [[one, two]],
        "coded": [[f"U0TEL{place}"]],
        "levels": [[one], [two]],
        "group": [[f"S0GRP{place}"]],
    }.get(kind, [[one]])
    lines = [f"[policies.{name}]", f'title = "{kind.title()}"', f'channel = "{where}"', 'currency = "USD"']
    if kind == "ordered":
        lines += [f'owner = "{one}"']
    if kind == "auto":
        lines += ["auto_approve_below = 1000"]
    if kind == "delegated":
        lines += [f'delegates = ["U0DEL{place}"]']
    for number, who in enumerate(levels, 1):
        lines += [f"[[policies.{name}.levels]]", f'name = "Level {number}"', f"approvers = {json.dumps(who)}"]
        lines += ['timeout = "2s"' if kind == "escalated" else 'timeout = "2d"']
        lines += ['quorum = "all"'] if kind == "pair" else []
        lines += ["sms_above = 100"] if kind == "coded" else []
        lines += ['on_timeout = "escalate"'] if kind in {"silent", "escalated"} else []
    if kind in {"silent", "escalated"}:
        lines += [f"[policies.{name}.escalation]", f'channel = "{where}"']
        lines += [f'approvers = ["{two}"]', 'timeout = "1d"']
    if kind == "ordered":
        lines += [f"[policies.{name}.fulfilment]"]
        for (state, event), to in zip(STEPS.items(), [*list(STEPS)[1:], None], strict=True):
            lines += [f"[[policies.{name}.fulfilment.states]]", f'name = "{state}"']
            lines += [f'events = [{{ name = "{event}", to = "{to}" }}]' if event else 'final = "completed"']
    return "\n".join([*lines, ""])

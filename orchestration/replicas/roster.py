"""The `roster` entity: the processes of Countersign that work on this hub, with the IDs of their keys. There is one.

A process whose keys do not fit the others' would seal what they cannot check. It finds that out here, before it works.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final

from durabletask.entities import EntityContext
from pydantic import Field

from orchestration.domain.request import Recorded

ONLY_KEY: Final = "all"
HEARTBEAT: Final = timedelta(minutes=1)
# A process that has not been heard for so long is gone.
GONE_AFTER: Final = timedelta(minutes=3)


class Replica(Recorded):
    """One process. Of each kind of key the first ID makes, and all of them check."""

    id: str
    sealing_keys: list[str] = Field(description="IDs of the keys that seal what the hub carries")
    signing_keys: list[str] = Field(description="IDs of the keys that sign receipts")
    policies: str = Field(description="Digest of the policy file")
    seen_at: datetime


class Roster(Recorded):
    """The state of the entity."""

    replicas: dict[str, Replica] = Field(default_factory=dict)


def roster(ctx: EntityContext, given: Any) -> None:
    """Operations: `announce` (a Replica: here it is, or still is), `leave` (its ID), `touch`, which changes nothing."""
    state = Roster.model_validate(ctx.get_state(dict, {}))
    match ctx.operation:
        case "announce":
            new = Replica.model_validate(given)
            others = {one.id: one for one in state.replicas.values() if _is_here(one, new.seen_at)}
            state = Roster(replicas={**others, new.id: new})
        case "leave":
            state = Roster(replicas={key: one for key, one in state.replicas.items() if key != given})
        case "touch":
            pass
        case other:
            raise ValueError(f"a roster has no operation {other!r}")
    # An empty one stays, with its seal: by that the next process sees whether it has the right secret.
    ctx.set_state(state.model_dump(mode="json"))


def misfit(me: Replica, state: Roster) -> str | None:
    """Why this process must not work beside the others, as a sentence with the remedy; None where it may."""
    for other in others(me, state):
        for setting, mine, theirs in (
            ("COUNTERSIGN_SECRET", me.sealing_keys, other.sealing_keys),
            ("COUNTERSIGN_SIGNING_KEY", me.signing_keys, other.signing_keys),
        ):
            if _unknown(theirs, mine):
                return (
                    f"{setting}: another process on this hub uses the key {theirs[0]}, which this one does not hold. "
                    "Give every process the same keys."
                )
            if _unknown(mine, theirs):
                return (
                    f"{setting}: this process uses the key {mine[0]}, which another one on this hub does not hold. "
                    "Let every process learn a new key first, as the last in the list, and only then put it first."
                )
    return None


def other_policies(me: Replica, state: Roster) -> bool:
    """Whether another process has another policy file. That is normal while a new one is rolled out."""
    return any(other.policies != me.policies for other in others(me, state))


def others(me: Replica, state: Roster) -> list[Replica]:
    """The other processes that are here."""
    return [one for one in state.replicas.values() if one.id != me.id and _is_here(one, me.seen_at)]


def _unknown(used: Collection[str], held: Collection[str]) -> bool:
    """Whether the key that is used, the first, is not among those that are held."""
    return next(iter(used), None) not in held


def _is_here(replica: Replica, now: datetime) -> bool:
    return now - replica.seen_at < GONE_AFTER

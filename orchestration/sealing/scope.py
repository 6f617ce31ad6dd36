"""Says what is sealed, and for which place: one function for each kind of data that the hub carries for us."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# A seal is bound to a text and its place. If a text is moved to another place, its seal is broken there.
Place = tuple[str, ...]
ENTITY_MARK: Final = "@"


@dataclass(frozen=True)
class Scope:
    """The orchestrations, activities, entities and events that are ours. All their data is sealed, and nothing else is.

    `open_starts` are orchestrations that another program may start without a seal, each with the one member that its
    input may then have. Names of entities and events are compared without regard to case, as every hub does; the keys
    of entities are not.
    """

    orchestrations: frozenset[str]
    activities: frozenset[str]
    entities: frozenset[str]
    events: frozenset[str]
    open_starts: tuple[tuple[str, str], ...] = ()

    def has_entity(self, entity_id: str) -> bool:
        """Whether the entity of this ID (`@name@key`) is ours."""
        return _entity(entity_id)[0] in self.entities

    def has_event(self, name: str) -> bool:
        """Whether our orchestrations wait for an event of this name."""
        return name.casefold() in self.events

    def open_member(self, orchestration: str) -> str | None:
        """The one member that an unsealed input of this orchestration may have; None if it needs a seal."""
        return dict(self.open_starts).get(orchestration)


def start(instance_id: str, orchestration: str) -> Place:
    """The input of a generation of an orchestration. Sealed with the call, if it is a child."""
    return ("start", instance_id, orchestration)


def event(instance_id: str, name: str) -> Place:
    """The payload of an event."""
    return ("event", instance_id, name.casefold())


def task(instance_id: str, activity: str, task_id: int) -> Place:
    """The input of an activity. Sealed with the call."""
    return ("task", instance_id, activity, str(task_id))


def result(instance_id: str, activity: str, task_id: int) -> Place:
    """The result of an activity. Sealed with the call."""
    return ("result", instance_id, activity, str(task_id))


def output(instance_id: str, orchestration: str) -> Place:
    """The output of an orchestration. Sealed with the call, if it is a child."""
    return ("output", instance_id, orchestration)


def status(instance_id: str, orchestration: str) -> Place:
    """The custom status of an orchestration."""
    return ("status", instance_id, orchestration)


def operation(entity_id: str, name: str) -> Place:
    """The input of an operation of an entity. Sealed with the call; a signal has none."""
    return ("operation", *_entity(entity_id), name)


def reply(entity_id: str, name: str, request_id: str) -> Place:
    """The result of an operation that was called. Sealed with the call."""
    return ("reply", *_entity(entity_id), name, request_id)


def state(entity_id: str) -> Place:
    """The state of an entity."""
    return ("state", *_entity(entity_id))


def _entity(entity_id: str) -> tuple[str, str]:
    """The lower-case name and the key of `@name@key`; an empty name if it is no such ID."""
    parts = entity_id.split(ENTITY_MARK, 2)
    return (parts[1].casefold(), parts[2]) if len(parts) == 3 and not parts[0] else ("", entity_id)

"""How a request goes on once it is approved: the states and events that a policy declares, and their rules. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, JsonValue

from orchestration.domain.actions import Actions
from orchestration.domain.guards import Guard
from orchestration.domain.ids import PersonId, RecipientId
from orchestration.domain.names import is_own_event
from orchestration.domain.request import ApprovalRequest, Duration, Recorded


def _free(name: str) -> str:
    if is_own_event(name):
        raise ValueError(f"{name} is one of Countersign's own events; choose another name")
    return name


StateName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*( [A-Za-z0-9_-]+)*$", max_length=40)]
FulfilmentEventName = Annotated[
    str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$", max_length=60), AfterValidator(_free)
]


class FulfilmentEnd(StrEnum):
    """What a final state means: the order is done, or it is called off."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"


class Transition(Recorded):
    """The state that an event leads to, if all guards in `when` hold."""

    name: FulfilmentEventName
    to: StateName
    when: list[Guard] = Field(default_factory=list, max_length=10)


class FulfilmentState(Recorded):
    """One state: its transitions, the actions on entering it, and how long it may last."""

    name: StateName
    final: FulfilmentEnd | None = Field(default=None, description="Whether it ends there, and how")
    on_enter: Actions = Field(default_factory=list)
    events: list[Transition] = Field(default_factory=list, max_length=20)
    timeout: Duration | None = Field(default=None, description="After so long its owner is reminded")
    escalate_after: Duration | None = Field(
        default=None, description="After so long again the people of `escalate_to` are told"
    )
    on_timeout: StateName | None = Field(
        default=None, description="Where it goes then by itself; without it, it stays"
    )
    cancel_to: StateName | None = Field(
        default=None, description="Where the owner may call it off to; without it, nobody may"
    )

    def exits(self) -> list[str]:
        """The states that may follow this one, each once."""
        named = [transition.to for transition in self.events]
        return list(dict.fromkeys([*named, *filter(None, [self.on_timeout, self.cancel_to])]))

    def awaited(self) -> list[str]:
        """The names of the events that move it, each once."""
        return list(dict.fromkeys(transition.name for transition in self.events))

    def answer_to(
        self, name: str, payload: JsonValue, request: ApprovalRequest, request_id: str
    ) -> Transition | None:
        """The first transition for that event whose guards all hold; None if there is none."""
        return next(
            (
                transition
                for transition in self.events
                if transition.name == name
                and all(guard.holds(payload, request, request_id) for guard in transition.when)
            ),
            None,
        )

    def needs(self, name: str) -> str:
        """The conditions for that event's transitions, as the end of a sentence."""
        ways = [
            " and ".join(guard.words() for guard in transition.when)
            for transition in self.events
            if transition.name == name
        ]
        return ", or ".join(ways)


class Fulfilment(Recorded):
    """The states that a request of this policy goes through once it is approved. It begins in the first."""

    owner: PersonId | None = Field(
        default=None, description="Who is reminded, and may call it off; else the policy's owner"
    )
    escalate_to: list[RecipientId] = Field(
        default_factory=list,
        max_length=10,
        description="People and channels that hear of a state that takes long",
    )
    states: list[FulfilmentState] = Field(min_length=2, max_length=30)

    @property
    def first(self) -> FulfilmentState:
        """The first state."""
        return self.states[0]

    def state(self, name: str) -> FulfilmentState:
        """The state of that name. Raises `KeyError`."""
        for state in self.states:
            if state.name == name:
                return state
        raise KeyError(name)

    def events(self) -> list[str]:
        """The names of all events that move any state, each once, in the order of the states."""
        return list(dict.fromkeys(name for state in self.states for name in state.awaited()))

    def ahead(self, name: str) -> list[str]:
        """The events that the state, or any state that may follow it, awaits."""
        reached = self.reached(name)
        return list(
            dict.fromkeys(
                event for state in self.states if state.name in reached for event in state.awaited()
            )
        )

    def reached(self, start: str) -> set[str]:
        """The names of `start` and all states that may follow it. Unknown names lead nowhere."""
        exits = {state.name: state.exits() for state in self.states}
        found: set[str] = set()
        left = [start]
        while left:
            name = left.pop()
            if name in exits and name not in found:
                found.add(name)
                left += exits[name]
        return found

    def guards(self) -> Iterator[tuple[tuple[str | int, ...], Guard]]:
        """Each guard, with its place."""
        for number, state in enumerate(self.states):
            for at, transition in enumerate(state.events):
                for which, guard in enumerate(transition.when):
                    yield ("states", number, "events", at, "when", which), guard

    def faults(self, owner: str | None) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """The faults of the whole: each place, with what to do. `owner` is the policy's owner."""
        names = [state.name for state in self.states]
        for number, name in enumerate(names):
            if name.casefold() in [other.casefold() for other in names[:number]]:
                yield ("states", number, "name"), f"the state {name!r} is there twice; give it another name"
        unknown = list(self._unknown(names))
        yield from unknown
        for number, state in enumerate(self.states):
            yield from ((("states", number, *place), words) for place, words in _state_faults(state))
            yield from ((("states", number, *place), words) for place, words in self._missing(state, owner))
        if self.escalate_to and not any(state.escalate_after for state in self.states):
            yield (
                ("escalate_to",),
                "no state has an escalate_after, so nobody would ever be told; set one, or remove it",
            )
        if self.first.final:
            yield (
                ("states", 0, "final"),
                "the first state is final, so nothing would follow; begin with another",
            )
        elif not unknown:
            yield from self._graph_faults()

    def _unknown(self, names: Sequence[str]) -> Iterator[tuple[tuple[str | int, ...], str]]:
        known = ", ".join(dict.fromkeys(names))
        for number, state in enumerate(self.states):
            named = [(("events", at, "to"), one.to) for at, one in enumerate(state.events)]
            others = [(("on_timeout",), state.on_timeout), (("cancel_to",), state.cancel_to)]
            for place, name in [*named, *others]:
                if name is not None and name not in names:
                    yield ("states", number, *place), f"there is no state {name!r}; there are {known}"

    def _missing(
        self, state: FulfilmentState, owner: str | None
    ) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Yields what the state needs from the rest of the policy and does not find there."""
        if (self.owner or owner) is None:
            for name in ("timeout", "cancel_to"):
                if getattr(state, name) is not None:
                    yield (name,), "needs an owner; set owner in the fulfilment, or in the policy"
        if state.escalate_after is not None and not self.escalate_to:
            yield ("escalate_after",), "nobody is there to be told; set escalate_to in the fulfilment"

    def _graph_faults(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        reached = self.reached(self.first.name)
        finals = {state.name for state in self.states if state.final}
        for number, state in enumerate(self.states):
            place = ("states", number, "name")
            if state.name not in reached:
                yield (
                    place,
                    (
                        f"the state {state.name!r} is never reached from {self.first.name!r}; "
                        "have an event lead to it, or remove it"
                    ),
                )
            elif not state.final and state.exits() and not self.reached(state.name) & finals:
                yield (
                    place,
                    (
                        f"no final state can be reached from {state.name!r}, so a request would never end; "
                        "have an event lead to a state with final"
                    ),
                )


def _state_faults(state: FulfilmentState) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The faults of one state by itself."""
    if state.final:
        for name in ("events", "timeout", "escalate_after", "on_timeout", "cancel_to"):
            if getattr(state, name):
                yield (
                    (name,),
                    f"the state {state.name!r} is final, so this has no effect; remove it, or final",
                )
        return
    if not state.events and state.on_timeout is None:
        yield (
            ("name",),
            f'the state {state.name!r} cannot be left; give it events, or say final = "completed" or "cancelled"',
        )
    for name in ("escalate_after", "on_timeout"):
        if getattr(state, name) is not None and state.timeout is None:
            yield (name,), "counts from the timeout, and there is none; set timeout"
    settled: set[str] = set()
    for at, transition in enumerate(state.events):
        if transition.name in settled:
            yield (
                ("events", at, "name"),
                (
                    f"an event {transition.name} before it has no condition, so this is never looked at; "
                    "put it first, or remove it"
                ),
            )
        if not transition.when:
            settled.add(transition.name)

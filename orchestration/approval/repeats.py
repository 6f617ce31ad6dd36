"""The commands that a request has answered, beyond its last verdicts: a late repeat must not undo a later command.

A hub may deliver an event twice, a chat system or a client may send a press again, and verdicts are forgotten after
100. So commands that decide are remembered for as long as the request is open. Of all others only the newest are kept:
a late repeat can put a comment into the thread twice, or have a refusal worked out anew.
"""

from __future__ import annotations

import hashlib
from typing import Final

from orchestration.approval.state import Handled, State
from orchestration.domain.commands import Command, Decision, Delegation, Reason

OTHERS_KEPT: Final = 500  # comments, refused commands and the like
# Commands that decide are never forgotten, so their number is limited: for one person, and in all.
DECISIONS_OF_ONE: Final = 100
DECISIONS_IN_ALL: Final = 2000

_DONE: Final = frozenset({Reason.RECORDED, Reason.RESTARTED})
_KEPT: Final = frozenset({*_DONE, Reason.UNCHANGED, Reason.CODE_SENT})


class Repeats:
    """The answered commands of one request. They are part of the state, so the next generation has them."""

    def __init__(self, state: State) -> None:
        self._state = state

    def refusal(self, command: Command) -> Reason | None:
        """Why the command must not be obeyed; None if it is new, and newer than its person's last one that counted."""
        handled, short = self._state.handled, _short(command.command_id)
        decides = isinstance(command, Decision | Delegation)
        at = next((at for at, one in enumerate(handled) if one.id == short), None)
        if at is not None:
            if handled[at].fingerprint != command.fingerprint():
                return Reason.ID_REUSED
            overtaken = decides and any(_counts(one, command.actor) for one in handled[at + 1 :])
            return Reason.SUPERSEDED if overtaken else handled[at].reason
        if not decides:
            return None
        last = next((one for one in reversed(handled) if _counts(one, command.actor)), None)
        if last is not None and command.answered < last.answered:
            return Reason.SUPERSEDED
        return Reason.TOO_OFTEN if self._full(command.actor) else None

    def remember(self, command: Command, reason: Reason) -> None:
        """Stores the answer to the command, in place of an earlier one.

        Called again when a code confirms the command.
        """
        state, short = self._state, _short(command.command_id)
        entry = Handled(
            id=short,
            fingerprint=command.fingerprint(),
            actor=command.actor,
            reason=reason,
            answered=command.answered,
            decides=isinstance(command, Decision | Delegation),
        )
        state.handled = [*(one for one in state.handled if one.id != short), entry]
        others = [one for one in state.handled if not _kept(one)]
        for one in others[: max(len(others) - OTHERS_KEPT, 0)]:
            state.handled.remove(one)

    def remember_refused(self, command: Command, reason: Reason) -> None:
        """Stores that the command was refused. Its ID is used up by that, unless it was used before."""
        if all(one.id != _short(command.command_id) for one in self._state.handled):
            self.remember(command, reason)

    def _full(self, person: str) -> bool:
        deciders = [one.actor for one in self._state.handled if _kept(one)]
        return len(deciders) >= DECISIONS_IN_ALL or deciders.count(person) >= DECISIONS_OF_ONE


def _counts(one: Handled, person: str) -> bool:
    return one.decides and one.actor == person and one.reason in _DONE


def _kept(one: Handled) -> bool:
    return one.decides and one.reason in _KEPT


def _short(command_id: str) -> str:
    return hashlib.sha256(command_id.encode()).hexdigest()[:24]

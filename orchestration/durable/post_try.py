"""One try of an activity to post something: whether an earlier one may have posted it, asked right before the post."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from orchestration.domain.errors import HubUnavailableError, TryFailedError
from orchestration.hub import MachineTime, TimeSource
from orchestration.ports import Intents

# What is known here is old after so long: another process may have been given the same meanwhile, and has looked and
# posted. Less than `COPIES_AFTER`, when the copies of such a post are looked for.
LONGEST: Final = timedelta(seconds=10)
# A call to a chat system ends after ten seconds on our side. On the other side it may end a little later.
COPIES_AFTER: Final = timedelta(seconds=20)
HELD_UP: Final = "This process was held up before it could post."


class PostTry:
    """`unsure` says whether another try may have posted it too. `maybe_done` is what is known of that beforehand.

    Another try is an earlier one of the same outbox, or the same activity that the hub gave out before.
    """

    def __init__(
        self,
        intents: Intents,
        instance_id: str,
        task_id: int,
        what: str,
        *,
        maybe_done: bool,
        clock: TimeSource | None = None,
    ) -> None:
        self._intents = intents
        self._activity = (instance_id, task_id, what)
        self._clock = clock or MachineTime()
        self._asked = False
        self.unsure = maybe_done

    def begin(self, is_there: Callable[[], bool]) -> bool:
        """Whether to post now. `is_there` looks for it, and is called only where another try may have posted it.

        Raises `TryFailedError` where that cannot be told, or was told too long ago.
        """
        since = self._clock.boot()
        self._ask()
        if self.unsure and is_there():
            return False
        if timedelta(microseconds=self._clock.boot() - since) > LONGEST:
            raise TryFailedError(HELD_UP, maybe_done=False)
        return True

    def put_off(self) -> None:
        """This try ends without an effect, and another activity tries again.

        The hub knows of this activity alone whether it was given out before. What an earlier holder of it may have
        posted would be forgotten with it, so `unsure` has to say it from here on.
        """
        with contextlib.suppress(TryFailedError):  # `unsure` is set
            self._ask()

    def _ask(self) -> None:
        if self._asked or self.unsure:
            return
        try:
            self.unsure = self._intents.begun_before(*self._activity)
        except HubUnavailableError as error:
            self.unsure = True
            raise TryFailedError(str(error), maybe_done=True) from error
        self._asked = True

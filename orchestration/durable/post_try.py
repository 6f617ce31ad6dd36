"""One try of an activity to post something. Checks right before the post whether an earlier try may have posted it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from orchestration.domain.errors import HubUnavailableError, TryFailedError
from orchestration.hub import MachineTime, TimeSource
from orchestration.ports import Intents

# What this process knows is too old after this time: another process may have been given the same post meanwhile,
# and may have looked and posted. Shorter than `COPIES_AFTER`, when copies of such a post are looked for.
LONGEST: Final = timedelta(seconds=10)
# A call to a chat system ends after ten seconds on our side. On the other side it may end a little later.
COPIES_AFTER: Final = timedelta(seconds=20)
HELD_UP: Final = "This process was held up before it could post."


class PostTry:
    """One try to post. `unsure` says whether another try may have posted too; `maybe_done` is its first value.

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
        """Whether to post now. Calls `is_there` to look for the post only where another try may have posted it.

        Raises `TryFailedError` where it is not known whether another try may have posted, or where finding out took
        too long.
        """
        since = self._clock.boot()
        self._ask()
        if self.unsure and is_there():
            return False
        if timedelta(microseconds=self._clock.boot() - since) > LONGEST:
            raise TryFailedError(HELD_UP, maybe_done=False)
        return True

    def put_off(self) -> None:
        """Ends this try without an effect. Another activity will try again.

        The hub knows only of this activity whether it was given out before, and the next try is another activity.
        So `unsure` has to record from here on that an earlier holder of this one may have posted.
        """
        with contextlib.suppress(TryFailedError):  # `unsure` is set in that case
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

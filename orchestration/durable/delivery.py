"""Turns the foreseen errors of an activity into data, for the outbox and for the history."""

from __future__ import annotations

from collections.abc import Callable

from orchestration.domain.effects import Delivery
from orchestration.domain.errors import CountersignError, DeliveryError, ThrottledError, TryFailedError


def deliver(act: Callable[[], Delivery]) -> Delivery:
    """Calls `act` and turns "wait", "never" and "not now" into data. An unforeseen error fails the activity."""
    try:
        return act()
    except ThrottledError as error:
        return Delivery(retry_after=error.retry_after)
    except DeliveryError as error:
        return Delivery(impossible=str(error))
    except TryFailedError as error:
        return Delivery(failed=str(error), unsure=error.maybe_done)
    except CountersignError as error:
        return Delivery(failed=str(error), unsure=True)

"""Measurements of a hub, through the SDK's own client."""

import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from durabletask.client import TaskHubGrpcClient

from tests.bench import program

_SENDERS = 8
_END_S = 180


class Driver:
    """A client process: starts, decides, waits."""

    def __init__(self, address: str) -> None:
        quiet = logging.getLogger("bench.client")
        quiet.setLevel(logging.ERROR)
        self.client = TaskHubGrpcClient(host_address=address, logger=quiet, emit_trace_spans=False)

    def close(self) -> None:
        """Close the connection."""
        self.client.close()

    def start(self, names: list[str]) -> float:
        """Start one instance for each name; acknowledged starts per second."""
        seconds = _timed(self.start_one, names)
        return len(names) / seconds

    def until_waiting(self, names: Iterable[str]) -> None:
        """Return once each of these waits for its decision."""
        until = time.monotonic() + _END_S
        for name in names:
            while self._custom_status(name) != program.WAITING:
                if time.monotonic() > until:
                    raise TimeoutError(f"{name} does not wait")
                time.sleep(0.02)

    def decide(self, names: list[str]) -> float:
        """Decide each of these; completions per second, from the first event sent to the last instance ended."""
        began = time.perf_counter()
        _timed(self._decide, names)
        for name in names:
            self.client.wait_for_orchestration_completion(name, timeout=_END_S)
        return len(names) / (time.perf_counter() - began)

    def finish(self, name: str) -> None:
        """Decide one, and wait for its end."""
        self._decide(name)
        self.client.wait_for_orchestration_completion(name, timeout=_END_S)

    def start_one(self, name: str) -> None:
        """Start one; returns once that is acknowledged."""
        self.client.schedule_new_orchestration("flow", input=1, instance_id=name)

    def _decide(self, name: str) -> None:
        self.client.raise_orchestration_event(name, program.EVENT, data={"approve": True})

    def _custom_status(self, name: str) -> str | None:
        state = self.client.get_orchestration_state(name, fetch_payloads=False)
        return state.serialized_custom_status if state is not None else None


def each(call: Callable[[str], Any], names: Iterable[str]) -> list[float]:
    """The milliseconds that each call took, one after the other."""
    times = []
    for name in names:
        began = time.perf_counter()
        call(name)
        times.append((time.perf_counter() - began) * 1000)
    return times


def _timed(call: Callable[[str], Any], names: list[str]) -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor(_SENDERS) as senders:
        for _ in senders.map(call, names):
            pass
    return time.perf_counter() - began

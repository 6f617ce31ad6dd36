"""A hub client that remembers its calls, for tests of how many calls one act makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class CountingClient:
    """A hub client that remembers the names of the calls that went through it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(name)
            return getattr(self._client, name)(*args, **kwargs)

        return call

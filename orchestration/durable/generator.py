"""The type of a durable function: what an orchestrator, and each helper of it, is."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

from durabletask.task import Task

T = TypeVar("T")
# A generator that yields the tasks to wait on and returns a T; called with `yield from`.
Durable = Generator[Task[Any], Any, T]

"""The type of orchestrators and of their helpers."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

from durabletask.task import Task

T = TypeVar("T")
# A generator that yields the tasks to wait on and returns a T; called with `yield from`.
Durable = Generator[Task[Any], Any, T]

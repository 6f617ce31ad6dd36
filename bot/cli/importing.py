"""How the commands that serve import what they need."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def to_the_end() -> Iterator[None]:
    """What is imported inside stays until the process ends, so it is never looked through for garbage.

    Otherwise that is a sixth of the work of a start, and much of each full pass afterwards.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()

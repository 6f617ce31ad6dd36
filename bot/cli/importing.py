"""How the commands that serve import what they need."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def to_the_end() -> Iterator[None]:
    """What is imported inside stays until the process ends, so it is never looked through for garbage.

    Otherwise each pass of the collector meanwhile goes through all of it, and so does each full one afterwards.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()

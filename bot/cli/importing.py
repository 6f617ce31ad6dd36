"""How the commands that serve import what they need."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def to_the_end() -> Iterator[None]:
    """A context for imports that stay until the process ends: the garbage collector never scans what they load.

    Otherwise each collection during the imports, and each full one afterwards, would scan all of it.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()

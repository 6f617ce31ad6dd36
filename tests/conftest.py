"""How `pytest -n` shares tests out between processes, and where the tests keep their files."""

from __future__ import annotations

import gc
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from tests.support.compiled import compile_ahead

# How long an example takes is up to the machine, and no test is about that.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# Starting a demo, a bot or a browser takes longer than most tests, so those who share one stay together. By their
# number they come first, and the short ones are left to fill up the end.
_TOGETHER: Final = re.compile(r"tests/e2e/(browser/|killed/|demo/\w+\.py)")


class _Sharing(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        together = _TOGETHER.match(nodeid)
        return together.group() if together else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """Instead of xdist's own, unless `--dist` asks for another way."""
    return _Sharing(config, log) if config.getoption("dist") == "load" else None


# A hub commits many times a second, and each commit waits for the disk. Nothing that a test does to a file differs in
# memory: who is killed leaves there what a disk would hold, and no test cuts the power.
_IN_MEMORY: Final = Path("/dev/shm")
_ROOM: Final = 4 * 1024**3  # bytes; a run leaves some megabytes, and what failed
_PLACE: Final = "PYTEST_DEBUG_TEMPROOT"


def pytest_configure(config: pytest.Config) -> None:
    """Keeps what `tmp_path` gives in memory, where the system has such a place, unless somebody said where."""
    given = config.getoption("basetemp") or os.environ.get(_PLACE)
    if not given and _IN_MEMORY.is_dir() and shutil.disk_usage(_IN_MEMORY).free >= _ROOM:
        os.environ[_PLACE] = str(_IN_MEMORY)
    shared_out = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if shared_out:
        compile_ahead(config)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is imported and collected stays to the end, so that looking through it for garbage is in vain.

    That took a quarter of the time of the collection, and much of that of each full pass afterwards.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_report_header() -> str:
    return f"files of the tests: {os.environ.get(_PLACE, 'in the temporary directory')}"

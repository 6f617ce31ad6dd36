"""How `pytest -n` shares tests out between processes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# Starting a demo, or a browser, takes longer than most tests, so those who share one stay together. By their
# number they come first, and the short ones are left to fill up the end.
_TOGETHER = re.compile(r"tests/e2e/(browser/|demo/\w+\.py)")


class _Sharing(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        together = _TOGETHER.match(nodeid)
        return together.group() if together else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """Instead of xdist's own, unless `--dist` asks for another way."""
    return _Sharing(config, log) if config.getoption("dist") == "load" else None

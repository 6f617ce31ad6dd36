"""How tests are shared out between processes: `pytest -n`."""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# Starting a demo takes longer than most tests, so those who share one stay together. By their number they come
# first, and the short ones are left to fill up the end.
_TOGETHER = "tests/demo/"


class _Sharing(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file.startswith(_TOGETHER) else nodeid


@pytest.hookimpl
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _Sharing(config, log)

"""How `pytest -n` shares tests out between processes, where they keep their files, and how they reach their hub."""

from __future__ import annotations

import gc
import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from tests.support import replicas
from tests.support.compiled import compile_ahead
from tests.support.hub_forms import HubForm, current, running_on
from tests.support.replicas import KillTally

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


_session: Final = ExitStack()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--hub",
        choices=[form.value for form in HubForm],
        help="how every test reaches its hub; by default it is in the product's process, and what is marked every_hub "
        "runs in each form",
    )
    parser.addoption(
        "--bots",
        type=int,
        default=1,
        help="how many processes on one hub each world of the bot is, of which one after the other is killed by "
        "chance; their hub is reached over TCP unless --hub says otherwise",
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    """The form in which what a whole session shares reaches its hub."""
    _session.enter_context(running_on(HubForm(_hub(session.config) or HubForm.EMBEDDED)))
    replicas.want(session.config.getoption("bots"))


def _hub(config: pytest.Config) -> str | None:
    """The form in which all tests are to run, where one was named."""
    named: str | None = config.getoption("hub")
    if config.getoption("bots") == 1:
        return named
    if named == HubForm.EMBEDDED:
        raise pytest.UsageError(
            "--bots: several bots share a hub that is in none of them; leave --hub=embedded out."
        )
    return named or HubForm.TCP


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("every_hub") and not _hub(metafunc.config):
        metafunc.parametrize("hub_form", list(HubForm), indirect=True)


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    """What a command that runs in this process makes of the log ends with its test."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)


@pytest.fixture(autouse=True)
def hub_form(request: pytest.FixtureRequest) -> Iterator[HubForm]:
    """The form in which what this test starts reaches its hub."""
    form: HubForm = getattr(request, "param", current())
    only = request.node.get_closest_marker("embedded_hub")
    if only and form is not HubForm.EMBEDDED:
        pytest.skip(f"of the embedded hub: {only.args[0]}")
    one = request.node.get_closest_marker("one_bot")
    if one and replicas.wanted() > 1:
        pytest.skip(f"of one bot: {one.args[0]}")
    with running_on(form):
        yield form


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


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hands what was done to the bots to the process that reports."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["bots"] = (KillTally.kills, KillTally.worlds)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    kills, worlds = getattr(node, "workeroutput", {}).get("bots", (0, 0))
    KillTally.kills += kills
    KillTally.worlds += worlds


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if KillTally.worlds:
        terminalreporter.write_line(
            f"{KillTally.kills} kills of bots, while {KillTally.worlds} times {replicas.wanted()} of them served a test"
        )


def pytest_report_header() -> str:
    return f"files of the tests: {os.environ.get(_PLACE, 'in the temporary directory')}"

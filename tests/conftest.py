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

# How long a Hypothesis example takes depends on the machine; no test measures it.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# Starting a demo, a bot or a browser takes longer than most tests, so the tests that share one run in one process.
# xdist starts the largest groups first; single short tests fill up the end of the run.
_TOGETHER: Final = re.compile(r"tests/e2e/(browser/|killed/|demo/\w+\.py)")


class _Sharing(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        together = _TOGETHER.match(nodeid)
        return together.group() if together else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """Replaces xdist's own scheduler, unless `--dist` asks for another one."""
    return _Sharing(config, log) if config.getoption("dist") == "load" else None


# A hub commits many times a second, and each commit waits for the disk. For the tests, files in memory behave as on a
# disk: a killed process leaves the same content, and no test cuts the power.
_IN_MEMORY: Final = Path("/dev/shm")
_ROOM: Final = 4 * 1024**3  # bytes; a run leaves some megabytes, and the files of failed tests
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
    """Sets the hub form of everything that the whole session shares, and the number of bots."""
    _session.enter_context(running_on(HubForm(_hub(session.config) or HubForm.EMBEDDED)))
    replicas.want(session.config.getoption("bots"))


def _hub(config: pytest.Config) -> str | None:
    """The hub form that the options set for all tests; None where they set none."""
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
    """Restores the log level that a command in this process may have changed during the test."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)


@pytest.fixture(autouse=True)
def hub_form(request: pytest.FixtureRequest) -> Iterator[HubForm]:
    """The form in which everything that this test starts reaches its hub."""
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
    """Puts the folders of `tmp_path` in memory, where the system offers that and no other place was named."""
    given = config.getoption("basetemp") or os.environ.get(_PLACE)
    if not given and _IN_MEMORY.is_dir() and shutil.disk_usage(_IN_MEMORY).free >= _ROOM:
        os.environ[_PLACE] = str(_IN_MEMORY)
    shared_out = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if shared_out:
        compile_ahead(config)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Turns the garbage collector off while tests are collected, and exempts the objects made until then.

    What is imported and collected lives until the end, so scanning it finds no garbage. Such scans took a quarter of
    the collection's time, and much of the time of each full garbage collection afterwards.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Sends the counts of killed bots to the process that reports them."""
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

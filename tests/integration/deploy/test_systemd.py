"""The systemd unit: systemd finds no fault in it, thinks it well confined, and it names settings that exist."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from bot import config
from tests.support import ROOT
from tests.support.named_settings import secret_names

UNIT = ROOT / "deploy/systemd/countersign.service"
ANALYZE = shutil.which("systemd-analyze") or ""
EXPOSED_AT_MOST = 15  # tenths, of 100; up to 20 is what systemd calls OK
needs_systemd = pytest.mark.skipif(not ANALYZE, reason="systemd-analyze is not installed")


def directives() -> dict[str, list[str]]:
    """What stands after each name, in order."""
    found = defaultdict(list)
    for name, value in re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), flags=re.MULTILINE):
        found[name].append(value)
    return found


def environment(state: Path, credentials: Path) -> dict[str, str]:
    """What the service gets, with systemd's specifiers replaced."""
    words = " ".join(directives()["Environment"]).split()
    given = dict(word.split("=", 1) for word in words)
    return {
        name: value.replace("%S", str(state)).replace("%d", str(credentials)) for name, value in given.items()
    }


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit with a program that is there."""
    unit = tmp_path / UNIT.name
    [command] = directives()["ExecStart"]
    unit.write_text(UNIT.read_text().replace(command.split()[0], str(Path(sys.executable).resolve())))
    return unit


@needs_systemd
def test_systemd_finds_no_fault_in_it(installed: Path) -> None:
    ended = subprocess.run(
        [ANALYZE, "verify", "--man=no", str(installed)], capture_output=True, text=True, check=False
    )
    about_it = [line for line in ended.stderr.splitlines() if installed.name in line]
    assert (about_it, ended.returncode) == ([], 0)


@needs_systemd
def test_systemd_thinks_it_well_confined(installed: Path) -> None:
    ended = subprocess.run(
        [
            ANALYZE,
            "security",
            "--offline=true",
            f"--threshold={EXPOSED_AT_MOST}",
            "--no-pager",
            str(installed),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Overall exposure level" in ended.stdout
    assert ended.returncode == 0, ended.stdout[-2000:]


def test_the_server_sees_by_which_boot_of_the_machine_a_code_lives() -> None:
    """`ProcSubset=pid` would hide the boot in /proc: after a reboot, a clock that is set back would revive codes."""
    assert set(directives()["ProcSubset"]) <= {"all"}


def test_it_names_settings_that_exist_and_gives_secrets_as_credentials(tmp_path: Path) -> None:
    given = environment(tmp_path, tmp_path)
    by_file = secret_names(given)
    credentials = dict(line.split(":", 1) for line in directives()["LoadCredential"])
    assert by_file == {"SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"}
    assert {Path(given[f"{name}_FILE"]).name for name in by_file} == credentials.keys()
    assert credentials == {name: f"/etc/countersign/secrets/{name}" for name in credentials}


def test_the_server_takes_what_it_sets(tmp_path: Path) -> None:
    state = tmp_path / "countersign"  # systemd makes it so
    state.mkdir(mode=int(directives()["StateDirectoryMode"][0], 8))
    (tmp_path / "slack_bot_token").write_text("xoxb-1")
    (tmp_path / "slack_app_token").write_text("xapp-1")
    settings = config.read(environment(tmp_path, tmp_path))
    assert settings.data_dir == tmp_path / directives()["StateDirectory"][0]
    assert settings.socket_mode


def test_its_user_is_the_one_that_is_made() -> None:
    [line] = [
        line
        for line in (UNIT.parent / "countersign.sysusers").read_text().splitlines()
        if not line.startswith("#")
    ]
    kind, name, *_ = line.split()
    assert (kind, [name]) == ("u", directives()["User"])

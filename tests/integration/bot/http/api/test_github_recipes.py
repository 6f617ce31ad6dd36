"""A job on GitHub that waits for a yes: the action of this repository, and the guide's steps with curl alone."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sysconfig
import venv
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import ROOT
from tests.support.api_world import ApiWorld
from tests.support.github import GitHubJob, end_of
from tests.support.recipes import recipe
from tests.support.world import read

pytestmark = pytest.mark.asyncio(loop_scope="session")

INSTALL, ASK = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]
INPUTS = yaml.safe_load((ROOT / "action.yml").read_text())["inputs"]
SHA = "4f2c1a0000"


def action(api: ApiWorld, place: Path) -> GitHubJob:
    """The guide's step, after an installation whose packages are those of the tests, without our own among them."""
    (step,) = yaml.safe_load(recipe("action"))
    values = GitHubJob(
        place / "caller",
        {
            "vars.COUNTERSIGN_URL": api.url,
            "secrets.COUNTERSIGN_TOKEN": api.token("ci", "U0RITA", "request"),
            "github.sha": SHA,
        },
    )
    assert step["with"].keys() <= INPUTS.keys()
    given = {name: values.evaluated(str(value)) for name, value in step["with"].items()}
    inputs = {f"inputs.{name}": given.get(name, about.get("default")) for name, about in INPUTS.items()}
    job = GitHubJob(place / "job", {**inputs, "github.action_path": str(ROOT)})
    venv.create(job.temp / "countersign-action", with_pip=False, symlinks=True)
    (installed,) = (job.temp / "countersign-action/lib").glob("python*/site-packages")
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        if "countersign" not in package.name:
            (installed / package.name).symlink_to(package)
    (installed / "countersign.pth").write_text(f"{ROOT}\n")
    # What is checked out there must not be run in the place of ours.
    (job.place / "work/bot").mkdir()
    (job.place / "work/bot/__main__.py").write_text("raise SystemExit(0)\n")
    return job


async def status(api: ApiWorld, request_id: str) -> str:
    found = await api.call(
        "GET", f"/api/approvals/{request_id}?wait=20s", api.token("look", "U0RITA", "read")
    )
    return str(found.body["status"])


async def test_a_cancelled_run_withdraws_its_request(own_api: ApiWorld, tmp_path: Path) -> None:
    """GitHub sends SIGINT to the first process of the step, and to none that it has started."""
    under_way = await action(own_api, tmp_path).start(ASK)
    request_id = await own_api.asked(f"Deploy {SHA} to production?")
    assert under_way.stdout is not None
    await asyncio.wait_for(under_way.stdout.readline(), 30)  # it is waiting
    under_way.send_signal(signal.SIGINT)
    ended, said = await end_of(under_way)
    assert (ended, await status(own_api, request_id)) == (3, "cancelled"), said


async def test_the_action_runs_nothing_of_the_job_s_own() -> None:
    for step in (INSTALL, ASK):
        isolated = re.findall(r"(?:python3|bin/python\") +(\S+)", step["run"])
        assert set(isolated) == {"-I"}
        assert "bin/pip" not in step["run"]


@pytest.mark.skipif(not os.environ.get("COUNTERSIGN_PROOF"), reason="installs 75 packages: `make proof`")
@pytest.mark.timeout(900)
async def test_the_action_installs_its_command(tmp_path: Path) -> None:
    job = GitHubJob(tmp_path / "job", {"github.action_path": str(ROOT)})
    # What is checked out there, and what it has Python look for, must not be run in the place of Python's own.
    job.variables["PYTHONPATH"] = str(job.place / "work")
    for module in ("venv", "ensurepip", "pip", "sysconfig", "shutil", "subprocess"):
        (job.place / f"work/{module}.py").write_text("raise SystemExit('not ours')\n")
    installing = await job.start(INSTALL)
    out, _ = await installing.communicate()
    assert installing.returncode == 0, out.decode()
    step = {"shell": "bash", "run": 'exec "$RUNNER_TEMP/countersign-action/bin/python" -I -m bot ask --help'}
    ended, said = await end_of(await job.start(step))
    assert (ended, "what is asked, in one line" in said) == (0, True), said


# ---- with curl alone -------------------------------------------------------------------------------------


def with_curl(api: ApiWorld, place: Path) -> tuple[GitHubJob, dict[str, Any], dict[str, Any]]:
    """The job of the guide, its step that asks, and the one that withdraws."""
    asks, withdraws = yaml.safe_load(recipe("actions-curl"))
    job = GitHubJob(
        place / "job",
        {"vars.COUNTERSIGN_URL": api.url, "secrets.COUNTERSIGN_TOKEN": api.token("ci", "U0RITA", "request")},
        {"GITHUB_SHA": SHA, "GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "1"},
    )
    assert withdraws["if"] == "(failure() || cancelled()) && env.REQUEST"
    return job, asks, withdraws


@pytest.mark.parametrize("with_action", [True, False], ids=["action", "curl"])
@pytest.mark.parametrize(("choice", "code"), [("approve", 0), ("reject", 1)])
async def test_the_step_passes_at_a_yes_alone(
    own_api: ApiWorld, tmp_path: Path, choice: str, code: int, *, with_action: bool
) -> None:
    if with_action:
        under_way = await action(own_api, tmp_path).start(ASK)
    else:
        job, asks, _ = with_curl(own_api, tmp_path)
        under_way = await job.start(asks)
    request_id = await own_api.asked(f"Deploy {SHA} to production?")
    assert "web" in read(own_api.cards()[-1])
    ada = own_api.token("ada", "U0ADA", "decide:deploy")
    assert (await own_api.decide(ada, request_id, choice, comment="So.")).status == 200
    ended, said = await end_of(under_way)
    assert ended == code, said


async def test_the_steps_with_curl_withdraw_what_nobody_waits_for(own_api: ApiWorld, tmp_path: Path) -> None:
    job, asks, withdraws = with_curl(own_api, tmp_path)
    under_way = await job.start(asks)
    request_id = await own_api.asked(f"Deploy {SHA} to production?")
    await own_api.eventually(lambda: request_id in (job.place / "env").read_text())
    # As GitHub kills what has not ended ten seconds after the signal.
    os.killpg(under_way.pid, signal.SIGKILL)
    await under_way.wait()
    ended, said = await end_of(await job.start(withdraws))
    assert (ended, await status(own_api, request_id)) == (0, "cancelled"), said


async def test_the_step_with_curl_says_why_it_could_not_ask(own_api: ApiWorld, tmp_path: Path) -> None:
    job, asks, _ = with_curl(own_api, tmp_path)
    asks["env"]["COUNTERSIGN_TOKEN"] = own_api.token("look", "U0RITA", "read")
    ended, said = await end_of(await job.start(asks))
    assert ended == 1
    assert "forbidden" in said
    assert not (job.place / "env").read_text()

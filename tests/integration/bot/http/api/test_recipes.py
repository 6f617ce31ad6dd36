"""The recipes of the guides, run as they stand there."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from durabletask.client import OrchestrationStatus

from tests.support import ROOT
from tests.support.api_world import ApiWorld

pytestmark = pytest.mark.asyncio(loop_scope="session")


def recipe(name: str) -> str:
    """The one snippet of that name on the pages."""
    pattern = re.compile(rf"<!-- recipe: {name} -->\n```\w+\n(.*?)```", re.DOTALL)
    (found,) = [
        text for page in (ROOT / "docs").rglob("*.md") for text in pattern.findall(page.read_text("utf-8"))
    ]
    return str(found)


async def run(api: ApiWorld, title: str, choice: str, *command: str, **more: str) -> tuple[int | None, str]:
    """Runs it with `countersign` at hand while Ada answers; its exit status and all that it said."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "COUNTERSIGN_URL": api.url,
        "COUNTERSIGN_TOKEN": api.token("ci", "U0RITA", "request"),
        **more,
    }
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=PIPE, stderr=STDOUT)
    request_id = await api.asked(title)
    answer = await api.decide(api.token("ada", "U0ADA", "decide:deploy"), request_id, choice, comment="So.")
    assert answer.status == 200
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, out.decode()


@pytest.mark.parametrize(("choice", "status"), [("approve", 0), ("reject", 1)])
async def test_the_step_of_a_github_actions_job(api: ApiWorld, choice: str, status: int) -> None:
    (step,) = yaml.safe_load(recipe("actions"))
    assert set(step["env"]) == {"COUNTERSIGN_URL", "COUNTERSIGN_TOKEN"}
    sha = f"{choice:a<7}"[:7]
    github = {"GITHUB_SHA": f"{sha}0000", "GITHUB_RUN_ID": choice, "GITHUB_RUN_ATTEMPT": "1"}
    # As GitHub runs a step of which no shell is named.
    code, out = await run(
        api, f"Deploy {sha} to production?", choice, "bash", "-e", "-c", step["run"], **github
    )
    assert code == status, out


async def test_the_shell_script(api: ApiWorld, tmp_path: Path) -> None:
    script = f"cd '{tmp_path}'\n" + recipe("shell")
    code, out = await run(api, "Drop the old tables?", "approve", "sh", "-c", script)
    assert (code, out.splitlines()[-1]) == (0, "dropping"), out
    assert (tmp_path / "receipt.jwt").read_text().count(".") == 2


async def test_the_shell_script_stops_at_a_no(own_api: ApiWorld, tmp_path: Path) -> None:
    script = f"cd '{tmp_path}'\n" + recipe("shell")
    code, out = await run(own_api, "Drop the old tables?", "reject", "sh", "-c", script)
    assert (code, "dropping" in out) == (1, False), out


async def test_the_agents_tool(api: ApiWorld) -> None:
    call = 'print(json.dumps(ask_a_person("Email all customers?", "deploy", "call-1", service="mail")))'
    code, out = await run(
        api, "Email all customers?", "approve", sys.executable, "-c", recipe("agent") + "\n" + call
    )
    assert code == 0, out
    assert json.loads(out)["outcome"]["processed_by"] == "U0ADA"


async def test_the_api_with_curl(own_api: ApiWorld, tmp_path: Path) -> None:
    script = f"cd '{tmp_path}'\n" + recipe("curl")
    code, out = await run(own_api, "Release 42?", "approve", "sh", "-c", script)
    assert (code, out.splitlines()[-1]) == (0, "approved"), out


async def test_another_orchestration(tmp_path: Path) -> None:
    names: dict[str, Any] = {}
    exec(compile(recipe("orchestration"), "orchestration.md", "exec"), names)  # noqa: S102 - the guide's own words
    async with ApiWorld(tmp_path, names["release"]) as api:
        instance = await api.client.schedule_new_orchestration("release", input="4f2c1a")
        request_id = await api.asked("Release 4f2c1a?")
        await api.decide(api.token("ada", "U0ADA", "decide:deploy"), request_id)
        state = await api.client.wait_for_orchestration_completion(instance, timeout=20)
        assert state is not None
        assert (state.runtime_status, state.get_output()) == (OrchestrationStatus.COMPLETED, "released")


async def test_a_receipt_in_ten_lines_of_another_jose_library(api: ApiWorld, tmp_path: Path) -> None:
    ci, ada = api.token("ci"), api.token("ada", "U0ADA", "decide:deploy")
    published = (await api.call("GET", "/.well-known/jwks.json")).body
    (tmp_path / "jwks.json").write_text(json.dumps(published))

    last: list[str] = []

    async def check(
        choice: str, given: Callable[[list[str]], str] = lambda made: made[-1]
    ) -> tuple[int | None, str]:
        request_id = await api.ask(ci)
        await api.decide(ada, request_id, choice, comment="So.")
        ended = await api.call("GET", f"/api/approvals/{request_id}?wait=20s", ci)
        last.append(ended.body["outcome"]["receipt"])
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", recipe("receipt")),
            *(given(last), request_id, ended.body["digest"]),
            cwd=tmp_path,
            stdout=PIPE,
            stderr=STDOUT,
        )
        out, _ = await asyncio.wait_for(process.communicate(), 30)
        return process.returncode, out.decode()

    code, out = await check("approve")
    assert (code, out.endswith("approved by U0ADA\n")) == (0, True), out
    code, out = await check("reject")
    assert (code, "AssertionError" in out) == (1, True), out
    # The receipt of an earlier request, of the same policy and in the same words.
    code, out = await check("approve", lambda made: made[0])
    assert (code, "AssertionError" in out) == (1, True), out

"""The recipes of the guides, run as they stand there."""

from __future__ import annotations

import asyncio
import html
import json
import os
import re
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from durabletask.client import OrchestrationState, OrchestrationStatus
from durabletask.worker import TaskHubGrpcWorker

import bot
from tests.support import PATIENCE_S
from tests.support.api_world import ApiWorld
from tests.support.hub_forms import reach
from tests.support.recipes import recipe

pytestmark = pytest.mark.asyncio(loop_scope="session")


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
    out, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    return process.returncode, out.decode()


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


async def test_the_first_example_of_the_documentation_asks_under_the_policies_that_come_with_us(
    tmp_path: Path,
) -> None:
    async with ApiWorld(
        tmp_path, settings={"COUNTERSIGN_POLICIES": str(Path(bot.__file__).parent / "policies.toml")}
    ) as api:
        page = (await api.call("GET", "/api/docs")).body
        (example,) = re.findall(r"<pre>(curl.*?)</pre>", page, re.DOTALL)
        code, out = await run(
            api, "Deploy 4f2c1a to production?", "approve", "sh", "-c", html.unescape(example)
        )
        assert (code, json.loads(out)["id"][:7]) == (0, "deploy-"), out


def names_in(snippet: str) -> dict[str, Any]:
    """What the snippet defines."""
    names: dict[str, Any] = {}
    exec(compile(snippet, "orchestration.md", "exec"), names)  # noqa: S102 - the guide's own words
    return names


async def ended(api: ApiWorld, instance: str) -> OrchestrationState:
    state = await api.client.wait_for_orchestration_completion(instance, timeout=PATIENCE_S)
    assert state is not None
    return state


async def test_another_orchestration(tmp_path: Path) -> None:
    """It is told, by an event that anybody on the hub may raise, of a yes that nobody has said."""
    async with ApiWorld(tmp_path, names_in(recipe("orchestration"))["release"]) as api:
        ada = api.token("ada", "U0ADA", "decide:deploy")
        for build, choice, says in (
            ("4f2c1a", "approve", "released"),
            ("000bad", "reject", "kept back: rejected"),
        ):
            instance = await api.client.schedule_new_orchestration("release", input=build)
            request_id = await api.asked(f"Release {build}?")
            for form in ("ApprovalOutcome", "approvaloutcome"):
                forged = (await api.service.status(request_id)).model_dump(mode="json")
                said = {"request_id": request_id, "status": "approved", "processed_at": forged["asked_at"]}
                said |= {"digest": forged["digest"], "nonce": forged["nonce"], "processed_by": "U0ADA"}
                await api.client.raise_orchestration_event(
                    instance, f"{form}:{request_id}", data={"request": {}, "outcome": said}
                )
            await api.decide(ada, request_id, choice, comment="So.")
            state = await ended(api, instance)
            assert (state.runtime_status, state.get_output()) == (OrchestrationStatus.COMPLETED, says)


async def test_another_orchestration_that_checks_the_receipt_where_it_acts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = names_in(recipe("checked"))
    monkeypatch.setenv("COUNTERSIGN_JWKS", str(tmp_path / "jwks.json"))
    async with ApiWorld(tmp_path) as api:
        published = (await api.call("GET", "/.well-known/jwks.json")).body
        (tmp_path / "jwks.json").write_text(json.dumps(published))
        # A program of its own, which knows nothing of ours.
        program = TaskHubGrpcWorker(**reach(api.hub))
        program.add_orchestrator(names["release_checked"])
        program.add_activity(names["ship"])
        program.use_work_item_filters()
        program.start()
        ada, root = api.token("ada", "U0ADA", "decide:deploy"), api.token("root")
        receipts = {}
        for build, choice, says in (("1", "approve", "released 1"), ("2", "reject", "kept back: rejected")):
            instance = await api.client.schedule_new_orchestration("release_checked", input=build)
            request_id = await api.asked(f"Release {build}?")
            await api.decide(ada, request_id, choice, comment="So.")
            assert (await ended(api, instance)).get_output() == says
            shown = await api.call("GET", f"/api/approvals/{request_id}?wait=20s", root)
            receipts[build] = shown.body["outcome"]["receipt"]
        # With anything else than a receipt for this very build, whoever calls it.
        head, body, signature = receipts["1"].split(".")
        for receipt in (
            receipts["1"],
            f"{head}.{receipts['2'].split('.')[1]}.{signature}",
            f"{head}.{body}.",
            "",
        ):
            with pytest.raises((PermissionError, jwt.PyJWTError)):
                names["ship"](None, {"build": "3", "receipt": receipt})
        await asyncio.to_thread(program.stop)


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
        out, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        return process.returncode, out.decode()

    code, out = await check("approve")
    assert (code, out.endswith("approved by U0ADA\n")) == (0, True), out
    code, out = await check("reject")
    assert (code, "AssertionError" in out) == (1, True), out
    # The receipt of an earlier request, of the same policy and in the same words.
    code, out = await check("approve", lambda made: made[0])
    assert (code, "AssertionError" in out) == (1, True), out

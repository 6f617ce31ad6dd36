"""The records of the running server: every outcome and every purge is in the log of its data directory."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from durabletask.task import OrchestrationContext

from bot.records.chain import ENTRIES
from bot.security.signatures import PublishedKeys
from orchestration.approval.subworkflow import request_approval
from orchestration.domain.request import ApprovalRequest
from tests.support import PATIENCE_S, ROOT
from tests.support.api_world import ApiWorld

pytestmark = pytest.mark.asyncio(loop_scope="session")
RUNTIME = "/runtime/webhooks/durabletask/instances"


def release(ctx: OrchestrationContext, given: dict[str, Any]) -> Any:
    """Somebody's own orchestration, which asks."""
    outcome = yield from request_approval(ctx, ApprovalRequest.model_validate(given))
    return outcome.status.value


@pytest_asyncio.fixture(loop_scope="session")
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    async with ApiWorld(tmp_path, release) as found:
        yield found


async def entries(world: ApiWorld) -> list[tuple[str, dict[str, Any]]]:
    """The kind of each entry of the one log, and what its signature says."""
    keys = PublishedKeys((await world.call("GET", "/.well-known/jwks.json")).body)
    [file] = (world.data / "records").glob(f"*/{ENTRIES}")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [(line["kind"], keys.read(line["jws"]).claims) for line in lines]


async def decided(world: ApiWorld, request_id: str, choice: str = "approve") -> dict[str, Any]:
    """Has Ada decide, and returns the approval with its receipt."""
    ada = world.token("ada", "U0ADA", "decide:deploy")
    assert (await world.decide(ada, request_id, choice, comment="So.")).status == 200
    answer = await world.call("GET", f"/api/approvals/{request_id}?wait=20s", world.token("ci"))
    await world.client.wait_for_orchestration_completion(request_id, timeout=PATIENCE_S)
    found: dict[str, Any] = answer.body
    return found


async def test_every_end_is_on_record_and_a_restart_goes_on(world: ApiWorld) -> None:
    ci = world.token("ci")
    first = await decided(world, await world.ask(ci))
    await world.stop()
    await world.start()
    second = await decided(world, await world.ask(ci), "reject")
    silent = await world.ask(ci)
    await world.skip(minutes=31)
    third = (await world.call("GET", f"/api/approvals/{silent}?wait=20s", ci)).body
    found = await entries(world)
    assert [kind for kind, _ in found] == ["opened", "receipt", "receipt", "receipt"]
    said = [(claims["sub"], claims["status"], claims["reported_by_hub"]) for _, claims in found[1:]]
    assert said == [
        (first["id"], "approved", False),
        (second["id"], "rejected", False),
        (third["id"], "timed_out", True),
    ]
    assert all(one["outcome"]["receipt"] for one in (first, second, third))
    assert {claims["iss"] for _, claims in found} == {world.url}
    assert found[1][1]["asked_with"].startswith("ci-")


async def test_a_purge_leaves_a_tombstone_for_every_approval_that_goes_with_it(world: ApiWorld) -> None:
    root = world.token("root", "U0OPS")
    mine = (await decided(world, await world.ask(root)))["id"]
    given = {"policy": "deploy", "title": "Release?", "requester": "U0RITA"}
    parent = await world.client.schedule_new_orchestration("release", input=given)
    child = await world.asked("Release?")
    await decided(world, child)
    await world.client.wait_for_orchestration_completion(parent, timeout=PATIENCE_S)
    running = await world.ask(root)
    for instance, status in ((mine, 200), (parent, 200), (running, 404), ("nobody", 404)):
        assert (await world.call("DELETE", f"{RUNTIME}/{instance}", root)).status == status
    found = await entries(world)
    nonces = {claims["sub"]: claims["jti"] for kind, claims in found if kind == "receipt"}
    tombstones = [claims for kind, claims in found if kind == "purged"]
    assert [(one["sub"], one["jti"]) for one in tombstones] == [(mine, nonces[mine]), (child, nonces[child])]
    assert all(one["by"].startswith("U0OPS with root-") for one in tombstones)


async def test_a_purge_that_cannot_be_put_on_record_is_not_done(world: ApiWorld) -> None:
    root = world.token("root")
    request_id = (await decided(world, await world.ask(root)))["id"]
    [file] = (world.data / "records").glob(f"*/{ENTRIES}")
    chain = world.app.records.chain
    with world.app.records.lock:
        chain._file, kept = -1, chain._file  # as when the disk is gone
    refused = await world.call("DELETE", f"{RUNTIME}/{request_id}", root)
    assert (refused.status, "nothing was done" in refused.body["detail"]) == (503, True)
    [warning] = (await world.call("GET", "/readyz")).body["warnings"]
    assert warning.startswith("Nothing can be put on record ([Errno 9] Bad file descriptor)")
    chain._file = kept
    assert (await world.call("GET", f"/api/approvals/{request_id}", root)).status == 200
    assert file.read_text().count('"purged"') == 0
    assert (await world.call("DELETE", f"{RUNTIME}/{request_id}", root)).status == 200


async def countersign(world: ApiWorld, *words: str, **more: str) -> tuple[int | None, str]:
    """Runs the command where the server runs."""
    environment = {"PATH": os.environ["PATH"], **world.settings(), "COUNTERSIGN_URL": world.url, **more}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", *words), cwd=ROOT, env=environment, stdout=PIPE, stderr=STDOUT
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out.decode()


async def test_an_auditor_gets_a_year_with_its_texts_and_checks_it(world: ApiWorld, tmp_path: Path) -> None:
    ci = world.token("ci")
    asked = [await world.ask(ci, title=f"Deploy {number}?") for number in range(3)]
    for request_id, choice in zip(asked, ("approve", "reject", "approve"), strict=True):
        await decided(world, request_id, choice)
    await world.client.purge_orchestration(asked[2])  # the hub forgets it by itself, as after its retention
    folder = tmp_path / "year"
    code, out = await countersign(
        world,
        "audit",
        "export",
        str(folder),
        "--from",
        "365d",
        COUNTERSIGN_TOKEN=world.token("auditor", "U0SAM", "read"),
    )
    assert (code, out) == (
        0,
        f"3 receipts of 1 logs are in {folder}.\n2 requests with their texts; 1 are forgotten by the task hub.\n",
    )
    requests = [json.loads(line) for line in (folder / "requests.jsonl").read_text().splitlines()]
    assert [(one["id"], one["outcome"]["comments"]) for one in requests] == [
        (asked[0], "So."),
        (asked[1], "So."),
    ]
    kept = tmp_path / "jwks.json"
    kept.write_text(json.dumps((await world.call("GET", "/.well-known/jwks.json")).body))
    code, out = await countersign(world, "audit", "verify", str(folder), "--jwks", str(kept))
    assert (code, "3 receipts of 3 outcomes, 0 purged. They are whole." in out) == (0, True), out
    requests[0]["outcome"]["comments"] = "Never."
    (folder / "requests.jsonl").write_text(json.dumps(requests[0]) + "\n")
    code, out = await countersign(world, "audit", "verify", str(folder), "--jwks", str(kept))
    assert (code, f"{asked[0]}: its comments is not what was signed" in out) == (1, True), out


async def test_the_running_server_copies_its_records_to_the_store(tmp_path: Path) -> None:
    """And keeps on deciding while the store is away."""
    store = tmp_path / "store"
    store.write_text("no folder yet")
    world = ApiWorld(tmp_path / "data", settings={"COUNTERSIGN_RECORDS_STORE": f"file://{store}"})
    async with world:
        decision = await decided(world, await world.ask(world.token("ci")))
        assert decision["outcome"]["receipt"]
        store.unlink()
        await world.eventually(
            lambda: any("receipt" in file.read_text() for file in store.glob("*/entries-*"))
        )
        await world.eventually(lambda: bool(list(store.glob("*/heads-*"))))
        code, out = await countersign(
            world, "audit", "verify", str(store), "--known", str(_kept(tmp_path, decision))
        )
        assert (code, "1 receipts of 1 outcomes" in out) == (0, True), out


def _kept(folder: Path, approval: dict[str, Any]) -> Path:
    """The receipt, as whoever asked has kept it."""
    path = folder / "kept"
    path.write_text(approval["outcome"]["receipt"])
    return path

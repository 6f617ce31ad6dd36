"""Another program asks on the same hub, as the guides have it: each of the two is restarted while the other works."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from durabletask.client import OrchestrationStatus

from orchestration.hub import Hub, SkippableClock
from tests.support import PATIENCE_S, ROOT
from tests.support.api_world import ApiWorld
from tests.support.node import NODE
from tests.support.recipes import recipe

NODE_MODULES = ROOT / ".node/node_modules"

# The commands of a program of the guides, in its directory: as it is written, and announcing nothing, as is the
# default of the SDKs' workers.
Commands = tuple[list[str], list[str]]


def written(place: Path, interpreter: str, text: str, address: str, announces: str) -> Commands:
    """Write the program for the hub at this address, as it stands and without what it announces."""
    assert text.count("127.0.0.1:4001") == text.count(announces) == 1
    text = text.replace("127.0.0.1:4001", address)
    (place / "as_written").write_text(text)
    (place / "announcing_nothing").write_text(text.replace(announces, ""))
    return [interpreter, "as_written"], [interpreter, "announcing_nothing"]


def in_python(place: Path, address: str) -> Commands:
    (place / "release.py").write_text(recipe("orchestration"))
    announces = "    worker.use_work_item_filters()\n"
    return written(place, sys.executable, recipe("program"), address, announces)


def in_javascript(place: Path, address: str) -> Commands:
    needs_javascript()
    return written(place, str(NODE), recipe("javascript"), address, ', workItemFilters: "auto"')


def needs_javascript() -> None:
    if not (NODE.exists() and (NODE_MODULES / "@microsoft/durabletask-js").exists()):
        pytest.skip("the SDK for JavaScript is not installed: `make lint` installs it")


@asynccontextmanager
async def program(place: Path, *command: str, **settings: str) -> AsyncIterator[Process]:
    """The program, which is killed at the end."""
    environment = {**os.environ, "NODE_PATH": str(NODE_MODULES), **settings}
    with (place / "said").open("ab") as said:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=place, env=environment, stdout=said, stderr=said
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()


async def ended(api: ApiWorld, instance_id: str) -> tuple[OrchestrationStatus, object]:
    """How that instance has ended. Where it waits for all that follows a decision, time is skipped up to that."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            state = await api.client.get_orchestration_state(instance_id)
            assert state is not None
            if state.runtime_status not in {OrchestrationStatus.RUNNING, OrchestrationStatus.PENDING}:
                return state.runtime_status, state.get_output()
            if api.is_due_within(minutes=2):
                await api.skip(minutes=1)
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("language", [in_python, in_javascript])
async def test_each_restarts_while_the_other_works(
    tmp_path: Path, language: Callable[[Path, str], Commands], caplog: pytest.LogCaptureFixture
) -> None:
    with Hub(tmp_path / "hub.db", listen="127.0.0.1:0", clock=SkippableClock()) as hub:
        as_written, announcing_nothing = language(tmp_path, hub.address)
        settings = {"COUNTERSIGN_HUB": f"grpc://{hub.address}"}
        async with ApiWorld(tmp_path, settings=settings, sms=False, hub=hub) as api:
            ada = api.token("ada", "U0ADA", "decide:deploy")
            async with program(tmp_path, *as_written, "1"):
                first = await api.asked("Release 1?")
            # It is away while Countersign decides and tells it, and comes back without saying what it runs.
            await api.decide(ada, first, "approve", comment="So.")
            async with program(tmp_path, *announcing_nothing, "2", "3"):
                assert await ended(api, "release-1") == (OrchestrationStatus.COMPLETED, "released")
                second, third = await api.asked("Release 2?"), await api.asked("Release 3?")
                # Countersign is away, and something happens to what it runs.
                await api.stop()
                client = api.connection.client()
                for request_id in (second, third):
                    await client.raise_orchestration_event(request_id, "anything")
                await client.schedule_new_orchestration("release", input="4", instance_id="release-4")
                await api.eventually(lambda: "'approval', which it has not registered" in caplog.text)
                await client.close()
                await api.start()
                fourth = await api.asked("Release 4?")
                for request_id, choice in ((second, "approve"), (third, "reject"), (fourth, "approve")):
                    await api.decide(ada, request_id, choice, comment="So.")
                assert [await ended(api, f"release-{build}") for build in "234"] == [
                    (OrchestrationStatus.COMPLETED, says)
                    for says in ("released", "kept back: rejected", "released")
                ]


# A worker with the waiting orchestration of the guide; with a title it starts one.
STARTS = """
(async () => {
  const worker = new TaskHubGrpcWorker({ ...hub, workItemFilters: "auto" });
  worker.addActivity(requestApproval);
  worker.addOrchestrator(humanInteraction);
  await worker.start();
  const [title] = process.argv.slice(2);
  const client = new TaskHubGrpcClient(hub);
  if (title) await client.scheduleNewOrchestration(humanInteraction, title, "flow-1");
})();
"""


async def test_a_waiting_orchestration_in_javascript_is_answered_over_kills_of_both(tmp_path: Path) -> None:
    """The other program is away while people decide, and ours is restarted before it is back."""
    needs_javascript()
    with Hub(tmp_path / "hub.db", listen="127.0.0.1:0", clock=SkippableClock()) as hub:
        connects, _, _ = recipe("javascript").partition("async function* release")
        text = connects.replace("127.0.0.1:4001", hub.address) + recipe("response-in-javascript") + STARTS
        (tmp_path / "flow").write_text(text)
        settings = {"COUNTERSIGN_HUB": f"grpc://{hub.address}"}
        async with ApiWorld(tmp_path, settings=settings, sms=False, hub=hub) as api:
            may_ask = api.token("flow", "U0RITA", "request", "respond:humanInteraction")
            theirs = {"COUNTERSIGN_URL": api.url, "COUNTERSIGN_TOKEN": may_ask}
            async with program(tmp_path, str(NODE), "flow", "Release 42?", **theirs):
                request_id = await api.asked("Release 42?")
                await api.until(request_id, lambda progress: bool(progress.cards))
            await api.decide(api.token("ada", "U0ADA", "decide:deploy"), request_id, comment="Go.")
            await api.stop()
            await api.start()
            async with program(tmp_path, str(NODE), "flow", **theirs | {"COUNTERSIGN_URL": api.url}):
                assert await ended(api, "flow-1") == (
                    OrchestrationStatus.COMPLETED,
                    {"is_approved": True, "approver": "U0ADA", "comments": "Go."},
                )

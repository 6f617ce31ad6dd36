"""Each path's recorded history replays to the same actions, as those of approvals do.

Run with COUNTERSIGN_RECORD=1 in the environment, this writes what is not there yet into `histories`. After a release a
file is never replaced.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf import json_format

from orchestration.domain.gathering import AnswerWay, Gathered, GatheringStatus
from orchestration.domain.request import Via
from orchestration.service.approvals import Actor
from tests.integration.bot.gathering.test_delegates import away
from tests.support import PATIENCE_S
from tests.support.gathering import GatheringWorld
from tests.support.replaying import history, keep, replay

HISTORIES = Path(__file__).parent / "histories"
RECORDING = bool(os.environ.get("COUNTERSIGN_RECORD"))
Path_ = Callable[[GatheringWorld], Awaitable[str]]


async def say(world: GatheringWorld, request_id: str, actor: str, source: str, ready: bool) -> None:
    service = world.gatherings
    nonce = (await service.status(request_id)).nonce
    person = Actor(actor, Via.CHAT)
    ticket = await service.answer(
        request_id, person, source, {"ready": ready}, way=AnswerWay.CHAT, nonce=nonce
    )
    await service.verdict(ticket)


async def started(world: GatheringWorld) -> dict[str, str]:
    begun = await world.gather(world.token("ci"))
    await world.gathering(begun["id"], lambda progress: len(progress.posts) == 3)
    return {"id": begun["id"], "scanner": await world.scanner_address()}


async def complete(world: GatheringWorld) -> str:
    begun = await started(world)
    await say(world, begun["id"], "U0ADA", "legal", ready=True)
    await say(world, begun["id"], "U0ADA", "legal", ready=False)
    await say(world, begun["id"], "U0SAM", "security", ready=True)
    await say(world, begun["id"], "U0FAY", "security", ready=True)
    assert (await world.scan(begun["scanner"], {"findings": 2})).status == 202
    return begun["id"]


async def incomplete(world: GatheringWorld) -> str:
    begun = await started(world)
    await say(world, begun["id"], "U0ADA", "legal", ready=True)
    await world.skip(hours=12, minutes=1)
    await world.gathering(begun["id"], lambda progress: len(progress.posts) == 4)
    await world.skip(days=2)
    return begun["id"]


async def cancelled(world: GatheringWorld) -> str:
    begun = await started(world)
    await say(world, begun["id"], "U0ADA", "legal", ready=True)
    token = world.token("rita", "U0RITA", "request")
    await world.call("POST", f"/api/gatherings/{begun['id']}/withdraw", token, json={"reason": "Later."})
    return begun["id"]


async def delegated(world: GatheringWorld) -> str:
    """One is away at the reminder. The other histories were recorded before there were delegates and worklists."""
    begun = await started(world)
    await away(world, "U0ADA", "U0FAY")
    await world.skip(hours=12, minutes=1)
    await world.gathering(begun["id"], lambda progress: len(progress.posts) == 5)
    await say(world, begun["id"], "U0FAY", "legal", ready=True)
    await say(world, begun["id"], "U0ADA", "legal", ready=False)
    assert (await world.scan(begun["scanner"], {"findings": 2})).status == 202
    await say(world, begun["id"], "U0FAY", "security", ready=True)
    return begun["id"]


PATHS: list[tuple[Path_, GatheringStatus]] = [
    (complete, GatheringStatus.COMPLETE),
    (incomplete, GatheringStatus.INCOMPLETE),
    (cancelled, GatheringStatus.CANCELLED),
    (delegated, GatheringStatus.COMPLETE),
]


@pytest.mark.parametrize(("path", "status"), PATHS, ids=[path.__name__ for path, _ in PATHS])
async def test_a_path_replays(world: GatheringWorld, path: Path_, status: GatheringStatus) -> None:
    request_id = await path(world)
    await world.client.wait_for_orchestration_completion(request_id, timeout=PATIENCE_S)
    events = await history(world.connection, request_id)
    assert Gathered.model_validate_json(replay(events)).status is status
    if RECORDING:
        keep(HISTORIES, path.__name__, events)


@pytest.mark.parametrize("file", sorted(HISTORIES.glob("*.json")), ids=lambda file: file.stem)
def test_an_older_history_replays(file: Path) -> None:
    """Recorded once and kept. One that no longer replays needs a new version of the orchestration, not a new file."""
    chunk = json_format.Parse(file.read_text(), pb.HistoryChunk())
    assert Gathered.model_validate_json(replay(list(chunk.events))).status.ended

"""Each path's recorded history replays to the same actions, and so does one recorded by an earlier state of the code.

A history that does not replay would fail every request that is open on the day of a deploy.

This file recorded the kept histories: run with COUNTERSIGN_RECORD=1 in the environment, it plays each path and writes
what is not there yet as `histories/<version>-<path>.json`. After a release a file is never replaced.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf import json_format

from orchestration.domain import arguments as args
from orchestration.domain.held_call import HeldCall
from orchestration.domain.request import Choice, Outcome, RemarkKind, Status
from tests.support.core_world import CoreWorld
from tests.support.replaying import history, keep, replay

HISTORIES = Path(__file__).parent / "histories"
RECORDING = bool(os.environ.get("COUNTERSIGN_RECORD"))


async def approved(world: CoreWorld) -> str:
    request_id = await world.ask("budget", amount=Decimal(500), fields={"team": "ops"})
    await world.skip(hours=12)
    await world.eventually(lambda: world.board.steps() == ["reminded"])
    await world.say(request_id, "U0ADA", RemarkKind.QUESTION, "Why?")
    await world.say(request_id, "U0RITA", RemarkKind.ANSWER, "Because.")
    await world.decide(request_id, "U0ADA")
    await world.until(request_id, lambda progress: len(progress.cards) == 2)
    await world.decide(request_id, "U0FIN", round=2)
    await world.decide(request_id, "U0FRANK", round=2)
    return request_id


async def rejected(world: CoreWorld) -> str:
    request_id = await world.ask()
    world.board.problems["edit_card"] = [RuntimeError("502 Bad Gateway")]
    await asyncio.gather(
        world.decide(request_id, "U0ADA", Choice.REJECT, comment="No."), world.decide(request_id, "U0FAY")
    )
    await world.due_within(seconds=2)
    await world.skip(seconds=2)
    return request_id


async def delegated(world: CoreWorld) -> str:
    request_id = await world.ask("all")
    await world.delegate(request_id, "U0FIN", "U0ZED")
    for actor in ("U0ADA", "U0FAY", "U0ZED"):
        await world.decide(request_id, actor)
    return request_id


async def escalated(world: CoreWorld) -> str:
    request_id = await world.ask("quick")
    await world.decide(request_id, "U0ADA")
    await world.skip(hours=1)
    await world.until(request_id, lambda progress: len(progress.cards) == 2)
    await world.decide(request_id, "U0DAN", round=2)
    return request_id


async def timed_out(world: CoreWorld) -> str:
    request_id = await world.ask("vote")
    await world.skip(days=2)
    return request_id


async def cancelled(world: CoreWorld) -> str:
    request_id = await world.ask("document")
    await world.cancel(request_id, "U0RITA")
    return request_id


async def edited(world: CoreWorld) -> str:
    """Of a call: its title, its text and its digest are made anew, in each release alike."""
    arguments = {"command": "make release", "file_path": "/srv", "limit": 3, "note": " a\u200b\nb"}
    call = HeldCall(
        agent="a" * 60,
        tool="mcp__" + "t" * 100,
        arguments=arguments,
        arguments_digest=args.digest(arguments),
        key="0" * 64,
        number=0,
        window=timedelta(minutes=5),
    )
    request_id = await world.ask("changed", amount=Decimal(4200), accepts_edits=True, call=call)
    await world.decide(request_id, "U0ADA")
    await world.until(request_id, lambda progress: len(progress.cards) == 2)
    await world.decide(
        request_id, "U0FIN", round=2, edits={"amount": "3000", "arguments.command": "make dry"}
    )
    await world.until(request_id, lambda progress: len(progress.cards) == 3)
    await world.decide(request_id, "U0ADA", round=3)
    await world.until(request_id, lambda progress: len(progress.cards) == 4)
    await world.decide(request_id, "U0FIN", round=4)
    return request_id


async def auto_approved(world: CoreWorld) -> str:
    return await world.ask("budget", amount=Decimal(5))


async def continued_as_new(world: CoreWorld) -> str:
    request_id = await world.ask("deploy")
    for some in range(0, 101, 20):  # each is to be answered within the hub's budget, on a busy machine too
        said = (
            world.say(request_id, "U0ADA", RemarkKind.COMMENT, str(n)) for n in range(101)[some : some + 20]
        )
        await asyncio.gather(*said)
    await world.eventually(lambda: len(world.board.replies) == 101)
    await world.decide(request_id, "U0ADA")
    return request_id


Path_ = Callable[[CoreWorld], Awaitable[str]]
PATHS: list[tuple[Path_, Status]] = [
    (approved, Status.APPROVED),
    (rejected, Status.REJECTED),
    (delegated, Status.APPROVED),
    (escalated, Status.APPROVED),
    (timed_out, Status.TIMED_OUT),
    (cancelled, Status.CANCELLED),
    (edited, Status.APPROVED),
    (auto_approved, Status.AUTO_APPROVED),
    (continued_as_new, Status.APPROVED),
]


@pytest.mark.parametrize(("path", "status"), PATHS, ids=[path.__name__ for path, _ in PATHS])
async def test_a_path_replays(world: CoreWorld, path: Path_, status: Status) -> None:
    request_id = await path(world)
    await world.completed(request_id)
    events = await history(world.connection, request_id)
    outcome = Outcome.model_validate_json(replay(events))
    if path is not rejected:  # two opposite clicks at once: either may win
        assert outcome.status is status
    if RECORDING:
        keep(HISTORIES, path.__name__, events)


@pytest.mark.parametrize("file", sorted(HISTORIES.glob("*.json")), ids=lambda file: file.stem)
def test_an_older_history_replays(file: Path) -> None:
    """Recorded once and kept. One that no longer replays needs a new version of the orchestration, not a new file."""
    chunk = json_format.Parse(file.read_text(), pb.HistoryChunk())
    assert Outcome.model_validate_json(replay(list(chunk.events))).status.ended

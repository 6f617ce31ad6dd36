"""What one approval costs the task hub and the worker, as counts: a turn more is a slower click."""

from __future__ import annotations

from collections import Counter
from functools import wraps
from pathlib import Path
from typing import Any

from durabletask.internal import orchestrator_service_pb2 as pb

from tests.support.slack import PURCHASES, ask, decided, id_on
from tests.support.world import World, policies


def begun(world: World) -> list[str]:
    """The ID of each request, once more each time that the worker begins to run it from the start of its history."""
    found: list[str] = []
    registered = world.app.worker._registry.orchestrators
    workflow = registered["approval"]

    @wraps(workflow)
    def counted(ctx: Any, given: Any) -> Any:
        found.append(ctx.instance_id)
        return workflow(ctx, given)

    registered["approval"] = counted
    return found


async def whole_history(world: World, request_id: str) -> list[pb.HistoryEvent]:
    """Once the orchestration has ended."""
    client = world.connection.client()
    await client.wait_for_orchestration_completion(request_id, timeout=15)
    stream = client._get_stub().StreamInstanceHistory(pb.StreamInstanceHistoryRequest(instanceId=request_id))
    events = [event async for chunk in stream for event in chunk.events]
    await client.close()
    return events


async def test_an_approval_takes_seven_activities_nine_turns_at_most_and_is_run_once(tmp_path: Path) -> None:
    """Asked, its card posted, approved. Results that come together share a turn; no turn replays another."""
    async with World(tmp_path, policies("slack")) as world:
        runs = begun(world)
        rita, ada = world.person("U0RITA"), world.person("U0ADA")
        card = await ask(rita, "purchase 4200 Laptops")
        await ada.click(PURCHASES, card["ts"], "approve")
        await ada.wait_for_message(PURCHASES, lambda one: one["ts"] == card["ts"] and decided(one))
        request_id = id_on(card)
        events = await whole_history(world, request_id)
    kinds = Counter(event.WhichOneof("eventType") for event in events)
    called = Counter(event.taskScheduled.name for event in events if event.HasField("taskScheduled"))
    assert called == {
        "members": 2,  # whom the card asks, and who may decide when somebody does
        "post_card": 1,
        "edit_card": 1,
        "sign_receipt": 1,
        "send_message": 1,
        "post_reply": 1,
    }
    assert kinds["entityOperationSignaled"] == 6
    assert kinds["entityOperationCalled"] == 0
    assert kinds["orchestratorStarted"] <= 9  # the start, the vote, and each of the seven results
    assert runs.count(request_id) == 1

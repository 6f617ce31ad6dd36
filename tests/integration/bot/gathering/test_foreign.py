"""Another orchestration gathers: by our helper, and by the name of the workflow and JSON alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from durabletask.task import OrchestrationContext

from orchestration.domain.gathering import GatheringRequest
from orchestration.gathering.subworkflow import request_gathering
from tests.support.gathering import GENERAL, answer, asked
from tests.support.messages import says
from tests.support.world import World, policies


def lunch(ctx: OrchestrationContext, title: str) -> Any:
    """Asks, and says what came in."""
    question = GatheringRequest(policy="poll", title=title, requester="U0RITA")
    gathered = yield from request_gathering(ctx, question)
    given = {name: one.values["answer"] for name, one in gathered.sources.items()}
    return [gathered.status, given, gathered.missing, gathered.reason]


def by_name(ctx: OrchestrationContext, request: Any) -> Any:
    """Knows nothing of ours but the name."""
    return (yield ctx.call_sub_orchestrator("gathering", input={"request": request}))


async def test_another_orchestration_gathers_over_a_restart(tmp_path: Path) -> None:
    async with World(tmp_path, policies("gathering"), orchestrators=(lunch, by_name)) as world:
        started = await world.client.schedule_new_orchestration(lunch, input="Lunch?")
        refused = await world.client.schedule_new_orchestration(
            by_name, input={"policy": "nothing", "title": "x", "requester": "U0RITA"}
        )
        done = await world.client.wait_for_orchestration_completion(refused, timeout=15)
        assert done is not None
        assert "there is no gathering 'nothing'" in str(done.serialized_output)
        async with world.person("U0ADA") as ada:
            message = await asked(ada, "Lunch?")
            await ada.wait_for_message(GENERAL, says("nobody checked who asks"))
            await world.stop()
            await world.start()
            await answer(ada, message, answer="Pasta")
            await ada.wait_for_message(GENERAL, says("1 of 2 answered"))
            await world.skip(days=1)
            ended = await world.client.wait_for_orchestration_completion(started, timeout=15)
            assert ended is not None
            result = ended.get_output(list)
            assert result == ["incomplete", {"ada": "Pasta"}, ["fay"], "The time was over."]

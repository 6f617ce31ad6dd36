"""A gathering that was stopped: each of its messages says so, however late one is found and however many there are."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from durabletask.client import OrchestrationStatus

from orchestration.domain.gathering import AnswerWay, GatheringStatus, SourceAnswer
from orchestration.domain.request import RECONCILE_GATHERING, VERSION
from orchestration.gathering.state import GatheringInput
from orchestration.gathering.status import gathering_progress_of
from orchestration.reconcile.gathering import EDITION, ReconcileGatheringInput
from tests.integration.bot.gathering.test_trust import LONG
from tests.support import PATIENCE_S
from tests.support.gathering import GENERAL, GatheringWorld, asked
from tests.support.messages import actions_of, says
from tests.support.receiver import Receiver
from tests.support.simulated import calls, fault


async def stopped(world: GatheringWorld, request_id: str, **seen: Any) -> ReconcileGatheringInput:
    """What the sweep hands over about the gathering, with `seen` in place of parts of its progress."""
    state = await world.client.get_orchestration_state(request_id)
    assert state is not None
    given = state.get_input(GatheringInput)
    assert given is not None
    progress = gathering_progress_of(state).model_copy(update=seen)
    return ReconcileGatheringInput(
        given=given, progress=progress, status=GatheringStatus.TERMINATED, edition=EDITION
    )


async def looked_in_vain(world: GatheringWorld) -> set[str]:
    found = await calls(world.simulator, "conversations.history")
    return {call["args"]["channel"] for call in found if not call["ok"]}


async def test_what_is_found_later_is_edited(world: GatheringWorld) -> None:
    """Two messages were on their way when it was stopped. The first look found neither, the second both."""
    async with world.person("U0ADA") as ada, world.person("U0FAY") as fay:
        request_id = (await world.gather(world.token("ci"), policy="readiness"))["id"]
        await world.gathering(request_id, lambda progress: len(progress.posts) == 3)
        await world.skip(hours=12, minutes=1)
        await ada.wait_for_message("D0ADA", says("Still waiting for your answer"))
        await asked(fay, "Security team")
        progress = await world.gathering(request_id, lambda progress: len(progress.posts) == 5)
        seen = [post for post in progress.posts if post.message_id not in {"ask:security", "remind:legal:1"}]
        assert len(seen) == 3
        given = await stopped(world, request_id, posts=seen)
        await world.stop()  # another process knows of none of its posts
        await world.start()
        for channel in ("D0ADA", "D0FAY"):
            await fault(world.simulator, "conversations.history", "missing_scope", channel=channel)
        await world.client.schedule_new_orchestration(
            RECONCILE_GATHERING, input=given, instance_id="rc-late", version=VERSION
        )
        await world.eventually(
            lambda: "Stopped by an operator" in str(world.workspace.messages.in_channel("D0RITA"))
        )
        async with asyncio.timeout(PATIENCE_S):  # the two looks and that message are of one turn
            while await looked_in_vain(world) != {"D0ADA", "D0FAY"}:
                await asyncio.sleep(0.02)
        while not (await _nothing_to_press(ada, "D0ADA") and await _nothing_to_press(fay, "D0FAY")):
            await world.skip(seconds=10)
            await asyncio.sleep(0.1)
        for person in (ada, fay):
            await person.wait_for_message(f"D{person.user_id[1:]}", says("has ended: stopped by an operator"))


async def _nothing_to_press(person: Any, channel: str) -> bool:
    return not any(actions_of(one) for one in await person.messages(channel))


async def test_a_long_one_is_corrected_in_several_generations(tmp_path: Path, scanner: Receiver) -> None:
    """Its answers fill more than one history. Everybody is told all the same, and the result is on record."""
    fields = ", ".join(f'{{ name = "f{number}" }}' for number in range(10))
    names = [f"s{number}" for number in range(20)]
    people = "".join(f'[policies.long.sources.{name}]\nperson = "U0ADA"\n' for name in names)
    world = GatheringWorld(tmp_path / "data", scanner)
    world.write(LONG.format(fields=fields) + people)
    async with world:
        request_id = (await world.gather(world.token("ci"), policy="long"))["id"]
        before = await world.gathering(request_id, lambda progress: len(progress.posts) == 21)
        answer = SourceAnswer(
            actor="U0ADA",
            holder="U0ADA",
            at=world.now(),
            way=AnswerWay.CHAT,
            values={f"f{number}": "\N{GRINNING FACE}" * 500 for number in range(10)},
        )
        sources = [one.model_copy(update={"answer": answer}) for one in before.sources[:-1]]
        given = await stopped(world, request_id, sources=[*sources, before.sources[-1]])
        await world.client.schedule_new_orchestration(
            RECONCILE_GATHERING, input=given, instance_id="rc-long", version=VERSION
        )
        state = await world.client.wait_for_orchestration_completion("rc-long", timeout=PATIENCE_S)
        assert state is not None
        assert state.runtime_status is OrchestrationStatus.COMPLETED, state.failure_details
        later = state.get_input(ReconcileGatheringInput)
        assert later is not None
        assert later.state is not None
        async with world.person("U0ADA") as ada:
            assert await _nothing_to_press(ada, "D0ADA")
            await ada.wait_for_message(GENERAL, says("Stopped by an operator"))
            ended = [one for one in await ada.messages("D0ADA") if "has ended" in str(one)]
            assert len(ended) == 20

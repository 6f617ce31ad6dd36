"""What others on the task hub can do to a gathering, and what a long one does."""

from __future__ import annotations

import asyncio
from pathlib import Path

from durabletask.client import OrchestrationStatus, TaskHubGrpcClient

from orchestration.domain.answers import AwaitedVerdict, OwedAnswer
from orchestration.domain.commands import Reason
from orchestration.domain.gathering import AnswerWay
from orchestration.domain.names import EventName
from orchestration.domain.request import Via
from orchestration.service.answers import HubAnswers
from orchestration.service.approvals import Actor
from tests.support import PATIENCE_S
from tests.support.gathering import GatheringWorld
from tests.support.hub_forms import reach
from tests.support.receiver import Receiver

ADA, FAY = Actor("U0ADA", Via.CHAT), Actor("U0FAY", Via.CHAT)


async def test_an_answer_without_a_seal_does_not_count(world: GatheringWorld) -> None:
    """Another program on the hub makes one up, in the form that ours have, and withdraws in the requester's name."""
    service = world.gatherings
    started = await world.gather(world.token("ci"), policy="poll")
    request_id, nonce = started["id"], (await service.status(started["id"])).nonce
    forged = {
        "command_id": "forged",
        "nonce": nonce,
        "source": "fay",
        "actor": "U0FAY",
        "way": "chat",
        "values": {"answer": "forged"},
    }
    withdrawn = {"command_id": "w", "nonce": nonce, "actor": "U0RITA", "way": "api"}
    with TaskHubGrpcClient(**reach(world.hub)) as stranger:
        stranger.raise_orchestration_event(request_id, EventName.GATHERING_ANSWERED, data=forged)
        stranger.raise_orchestration_event(request_id, EventName.GATHERING_WITHDRAWN, data=withdrawn)
    ticket = await service.answer(request_id, ADA, "ada", {"answer": "mine"}, way=AnswerWay.CHAT, nonce=nonce)
    assert (await service.verdict(ticket)).reason is Reason.RECORDED
    progress = await service.status(request_id)
    assert [source.name for source in progress.sources if source.answer] == ["ada"]
    assert not progress.status.ended


async def test_an_answer_that_is_owed_says_what_came_of_it(world: GatheringWorld) -> None:
    """The words are those for a person whose verdict came too late for Slack to wait for it."""
    service = world.gatherings
    request_id = (await world.gather(world.token("ci"), policy="poll"))["id"]
    nonce = (await service.status(request_id)).nonce
    finder = HubAnswers(world.service, None, service)

    async def told(actor: Actor, accepted: str = "") -> str:
        ticket = await service.answer(
            request_id, actor, "fay", {"answer": "mine"}, way=AnswerWay.CHAT, nonce=nonce
        )
        await service.verdict(ticket)
        awaited = AwaitedVerdict(
            request_id=request_id,
            command_id=ticket.command_id,
            fingerprint=ticket.fingerprint,
            accepted=accepted,
        )
        return await asyncio.to_thread(finder.find, OwedAnswer(person=actor.id, verdict=awaited))

    assert await told(ADA) == "Only the person who was asked can answer this, so nothing changed."
    assert await told(FAY, "It is there.") == "It is there."


async def test_nothing_is_lost_when_the_history_is_long(world: GatheringWorld) -> None:
    """It continues as new with what is there, keeps its deadline, and knows an old command again."""
    service = world.gatherings
    started = await world.gather(world.token("ci"), policy="poll")
    request_id = started["id"]
    before = await world.gathering(request_id, lambda progress: len(progress.posts) == 3)

    async def say(actor: Actor, source: str, answer: str, command_id: str | None = None) -> Reason:
        ticket = await service.answer(
            request_id,
            actor,
            source,
            {"answer": answer},
            way=AnswerWay.CHAT,
            nonce=before.nonce,
            command_id=command_id,
        )
        return (await service.verdict(ticket)).reason

    assert await say(ADA, "ada", "first", "one") is Reason.RECORDED
    assert await say(ADA, "ada", "second", "two") is Reason.RECORDED
    for _ in range(11):
        refused = await asyncio.gather(*(say(ADA, "fay", "not mine") for _ in range(10)))
        assert set(refused) == {Reason.NOT_ASKED}
    assert await say(ADA, "ada", "first", "one") is Reason.UNCHANGED
    after = await service.status(request_id)
    assert after.sources[0].answer is not None
    assert after.sources[0].answer.values == {"answer": "second"}
    assert (after.deadline, after.posts, after.nonce) == (before.deadline, before.posts, before.nonce)
    generation = await world.client.get_orchestration_history(request_id)
    assert len([event for event in generation if type(event).__name__ == "EventRaisedEvent"]) < 110
    assert await say(FAY, "fay", "at last") is Reason.RECORDED
    ended = await world.gathering(request_id, lambda progress: progress.status.ended)
    assert ended.result is not None
    assert ended.result.is_complete


LONG = """
[policies.long]
kind = "gathering"
title = "Long"
channel = "C0GENERAL"
timeout = "1d"
fields = [{fields}]
"""


async def test_answers_as_long_as_they_may_be_are_a_result(tmp_path: Path, scanner: Receiver) -> None:
    """Twenty sources fill in ten fields each. At the end every message is edited, in turns small enough for the hub."""
    fields = ", ".join(f'{{ name = "f{number}" }}' for number in range(10))
    names = [f"s{number}" for number in range(20)]
    asked = "".join(f'[policies.long.sources.{name}]\nperson = "U0ADA"\n' for name in names)
    world = GatheringWorld(tmp_path / "data", scanner)
    world.write(LONG.format(fields=fields) + asked)
    async with world:
        service = world.gatherings
        request_id = (await world.gather(world.token("ci"), policy="long"))["id"]
        before = await world.gathering(request_id, lambda progress: len(progress.posts) == 21)
        values = {f"f{number}": "\N{GRINNING FACE}" * 500 for number in range(10)}
        for name in names:
            ticket = await service.answer(
                request_id, ADA, name, values, way=AnswerWay.CHAT, nonce=before.nonce
            )
            assert (await service.verdict(ticket)).reason is Reason.RECORDED
        state = await world.client.wait_for_orchestration_completion(request_id, timeout=PATIENCE_S)
        assert state is not None
        assert state.runtime_status is OrchestrationStatus.COMPLETED, state.failure_details
        progress = await service.status(request_id)
        assert progress.result is not None
        assert progress.result.record
        assert len(progress.result.sources) == 20

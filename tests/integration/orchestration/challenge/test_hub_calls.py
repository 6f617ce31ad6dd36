"""How often the hub is asked for one reply from a phone: the provider waits, and every call is a round trip."""

from __future__ import annotations

from typing import cast

from durabletask.client import AsyncTaskHubGrpcClient

from orchestration.service.challenges import ChallengeService
from tests.support.challenges import SOMEBODY, begun, code_in, other
from tests.support.core_world import CoreWorld
from tests.support.counting import CountingClient


async def calls_for(world: CoreWorld, text: str) -> list[str]:
    """The calls for one reply, without the looks that came too early to see the answer."""
    client = world.connection.client()
    counting = CountingClient(client)
    heard = await ChallengeService(cast(AsyncTaskHubGrpcClient, counting), world.challenges.codes).hear(
        SOMEBODY, text, "SM1"
    )
    await client.close()
    assert heard.answered is not None
    return counting.calls


async def test_one_reply_reads_each_thing_once(world: CoreWorld) -> None:
    challenge = await begun(world)
    calls = await calls_for(world, code_in(world, challenge))
    # The number's budget for decisions, and that of programs.
    assert calls[:4] == ["get_entity"] * 2 + ["get_orchestration_state", "raise_orchestration_event"]
    # Then it is looked at until the answer is there, and not once more.
    assert set(calls[4:]) == {"get_orchestration_state"}


async def test_a_wrong_code_reads_each_open_challenge_once(world: CoreWorld) -> None:
    first, second = await begun(world), await begun(world)
    wrong = other(code_in(world, first))
    assert wrong != code_in(world, second)
    calls = await calls_for(world, wrong)
    assert calls[:4] == ["get_entity"] * 2 + ["get_orchestration_state"] * 2
    assert calls[4] == "raise_orchestration_event"
    assert calls.count("raise_orchestration_event") == 2

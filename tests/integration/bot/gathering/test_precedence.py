"""What people and systems do to a gathering goes before this process's own work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.slack.ids import SlackIds
from orchestration.domain.gathering import AnswerWay
from orchestration.domain.request import Via
from orchestration.runtime.precedence import Precedence
from orchestration.service.approvals import Actor
from orchestration.service.gatherings import GatheringService
from tests.support.gathering import GatheringWorld


class WatchedClient:
    """A hub client that remembers of each call whether the worker gave way to it."""

    def __init__(self, client: Any, precedence: Precedence) -> None:
        self._client = client
        self._precedence = precedence
        self.calls: list[tuple[str, bool]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, not self._precedence._free.is_set()))
            return getattr(self._client, name)(*args, **kwargs)

        return call


async def test_the_worker_gives_way_to_answers(world: GatheringWorld) -> None:
    """To a person, a system and the requester alike. Each looks at the gathering once."""
    known = world.gatherings
    assert known._precedence is world.app.connection.precedence
    request_id = (await world.gather(world.token("ci", "U0RITA", "request")))["id"]
    nonce = (await known.status(request_id)).nonce
    precedence = Precedence()
    client: Any = WatchedClient(known._client, precedence)
    service = GatheringService(
        client, known.book, SlackIds(), known._starter, known._turns, precedence=precedence
    )
    ada, rita = Actor("U0ADA", Via.CHAT), Actor("U0RITA", Via.CHAT)
    acts = [
        service.answer(request_id, ada, "legal", {"ready": True}, way=AnswerWay.CHAT, nonce=nonce),
        service.answer_of_system(request_id, "ScanFinished", {"findings": 0}, nonce=nonce),
        service.withdraw(request_id, rita, way=AnswerWay.CHAT),
    ]
    for act in acts:
        client.calls.clear()
        ticket = await act
        assert client.calls == [("get_orchestration_state", True), ("raise_orchestration_event", True)]
        assert (await service.verdict(ticket)).accepted
    assert precedence._free.is_set()

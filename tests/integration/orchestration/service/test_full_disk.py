"""On a full disk every command is refused in words, nothing of it counts, and what was asked before goes on."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from orchestration.domain.errors import HubUnavailableError
from orchestration.domain.people import PersonEntry
from orchestration.domain.request import ApprovalRequest, Choice, RemarkKind
from orchestration.hub.storage.file import log_of
from orchestration.runtime.connect import HUB_FILE
from tests.support import PATIENCE_S
from tests.support.core_world import CoreWorld, by
from tests.support.room import room_for


async def test_every_command_is_refused_in_words_and_none_counts(world: CoreWorld, tmp_path: Path) -> None:
    service, hub = world.service, world.hub
    request_id = await world.ask()
    shown = await service.identity(request_id)
    rita, ada = by("U0RITA"), by("U0ADA")
    asked = ApprovalRequest(policy="purchase", title="More", amount=Decimal(1), requester="U0RITA")
    with room_for(log_of(tmp_path / HUB_FILE), 0):
        for command in (
            service.start(asked),
            service.start(asked.model_copy(update={"idempotency_key": "one"})),
            service.decide(request_id, ada, Choice.APPROVE, shown=shown, round=1),
            service.delegate(request_id, ada, "U0FAY", shown=shown, round=1),
            service.comment(request_id, ada, RemarkKind.COMMENT, "a word"),
            service.cancel(request_id, rita),
            service.set_away("U0ADA", PersonEntry(delegate="U0FAY")),
        ):
            with pytest.raises(HubUnavailableError, match=r"disk is full, so nothing was recorded"):
                await command
        assert (await service.status(request_id)).answered == 0
    async with asyncio.timeout(PATIENCE_S):
        while hub.problem() is not None:
            await asyncio.sleep(0.05)
    assert not (await service.status(request_id)).verdicts
    assert (await world.decide(request_id, "U0ADA")).accepted
    assert (await world.outcome(request_id)).status == "approved"
    assert len(world.board.cards) == 1

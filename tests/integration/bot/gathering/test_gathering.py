"""Gathering from many, end to end: people by forms, a system by its webhook, the card, the thread, the records."""

from __future__ import annotations

from tests.support.gathering import DEPLOYS, GatheringWorld, answer, asked, open_card
from tests.support.messages import actions_of, says, text_of


async def test_all_answer_and_the_card_fills_in(world: GatheringWorld) -> None:
    async with world.person("U0RITA") as rita, world.person("U0ADA") as ada, world.person("U0FAY") as fay:
        await rita.command(DEPLOYS, "/request-approval readiness Is 4.2 ready?")
        card = await rita.wait_for_message(DEPLOYS, open_card)
        assert "0 of 3 answered" in text_of(card)
        message = await asked(ada, "Is 4.2 ready?")
        await answer(ada, message, ready="yes", risk="low", days="1.50", notes="All *good* <!channel>")
        await rita.wait_for_message(DEPLOYS, says("1 of 3 answered"))
        await answer(fay, await asked(fay, "Security team"), ready="no")
        await world.eventually(lambda: bool(world.asked_scanner()))
        [task] = world.asked_scanner()
        assert task["data"]["fields"][0]["name"] == "findings"
        said = await world.scan(task["answer_uri"], {"findings": 0})
        assert said.status == 202
        ended = await rita.wait_for_message(DEPLOYS, says("3 of 3 answered"))
        assert "Complete" in text_of(ended)
        assert not actions_of(ended)
        print(text_of(ended))
        print([text_of(m) for m in await rita.thread(DEPLOYS, card["ts"])])
        print([text_of(m) for m in await rita.messages("D0RITA")])
        print([text_of(m) for m in await ada.messages("D0ADA")])

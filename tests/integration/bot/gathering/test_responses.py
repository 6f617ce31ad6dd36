"""Somebody else's orchestration waits for the result of a gathering, and gets it in the form that it expects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support import PATIENCE_S
from tests.support.foreign import listener
from tests.support.gathering import GatheringWorld
from tests.support.messages import says
from tests.support.receiver import Receiver


async def test_an_instance_gets_what_came_in_whatever_the_end_is(tmp_path: Path, scanner: Receiver) -> None:
    """At the deadline, and after a stop. If the instance that waits has ended by then, the requester is told."""
    async with GatheringWorld(tmp_path / "data", scanner, listener) as world:
        token = world.token("flow", "U0RITA", "request", "respond:listener")
        payload = {"done": "{is_complete}", "how": "{status}", "lacks": "{missing}", "given": "{answers}"}

        async def asking() -> tuple[str, str]:
            waiting = await world.client.schedule_new_orchestration(listener, input="Gathered")
            respond = {"instance_id": waiting, "event_name": "Gathered", "payload": payload}
            return waiting, (await world.gather(token, respond=respond))["id"]

        async def told(waiting: str) -> Any:
            state = await world.client.wait_for_orchestration_completion(waiting, timeout=PATIENCE_S)
            assert state is not None
            return state.get_output(dict)

        in_time, late = await asking(), await asking()
        assert (await world.scan(await world.scanner_address(), {"findings": 0})).status == 202
        root, instances = world.token("root"), "/runtime/webhooks/durabletask/instances"
        await world.gathering(late[1], lambda progress: len(progress.posts) == 3)
        await world.call("POST", f"{instances}/{late[1]}/terminate", root)
        assert (await told(late[0]))["how"] == "terminated"

        gone = await asking()
        await world.client.terminate_orchestration(gone[0])
        await world.skip(days=2)
        assert await told(in_time[0]) in [
            {"done": False, "how": "incomplete", "lacks": lacks, "given": given}
            for lacks, given in (
                (["legal", "security"], {"scanner": {"findings": "0"}}),
                (["legal", "security", "scanner"], {}),
            )
        ]
        async with world.person("U0RITA") as rita:
            words = f"Who waits for the result was not sent it: The instance {gone[0]} has ended"
            await rita.wait_for_message("D0RITA", says(words))


async def test_what_may_be_named_and_by_whom(tmp_path: Path, scanner: Receiver) -> None:
    """The rules are those of an approval request; and a long part is named once."""
    async with GatheringWorld(tmp_path / "data", scanner, listener) as world:
        waiting = await world.client.schedule_new_orchestration(listener, input="Gathered")
        place = {"instance_id": waiting, "event_name": "Gathered"}
        token = world.token("flow", "U0RITA", "request", "respond:listener")

        async def refused(respond: dict[str, Any], token: str = token) -> tuple[int, str]:
            body = {"policy": "readiness", "title": "x", "respond": respond}
            answer = await world.call("POST", "/api/gatherings", token, json=body)
            return answer.status, str(answer.body)

        assert (await refused(place, world.token("root")))[0] == 403
        for payload, why in (
            ({"ready": True}, "must say how it ended"),
            ("{approved}", "there is no {approved}; there are {is_complete}"),
            (["{answers}", "{sources}"], "must name one of {answers} and {sources} once"),
        ):
            status, said = await refused({**place, "payload": payload})
            assert (status, why in said) == (422, True), said
        own = await world.gather(world.token("ci"), policy="poll")
        status, said = await refused({"instance_id": own["id"], "event_name": "Gathered"})
        assert status == 403
        asking = await world.client.schedule_new_orchestration(
            "gathering",
            input={"request": {"policy": "poll", "title": "x", "requester": "U0RITA", "respond": place}},
        )
        state = await world.client.wait_for_orchestration_completion(asking, timeout=PATIENCE_S)
        assert state is not None
        assert "is for programs that ask by the HTTP API" in str(state.serialized_output)

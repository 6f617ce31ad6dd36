"""The contract of every durable task hub: the SDK's client for asyncio, which uses another gRPC stack."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from durabletask import entities, task
from durabletask.client import AsyncTaskHubGrpcClient, EntityQuery, OrchestrationQuery
from durabletask.entities import EntityInstanceId

from tests.support import PATIENCE_S
from tests.support.hubs import HubUnderTest, eventually


def patient(ctx: task.OrchestrationContext, _given: Any) -> Any:
    return (yield ctx.wait_for_external_event("go"))


class Sum(entities.DurableEntity):
    def add(self, number: int) -> None:
        self.set_state(self.get_state(int, 0) + number)


ONE = EntityInstanceId("Sum", "one")


@pytest.fixture
async def client(tested_hub: HubUnderTest) -> AsyncIterator[AsyncTaskHubGrpcClient]:
    client = AsyncTaskHubGrpcClient(host_address=tested_hub.address)
    yield client
    await client.close()


async def test_an_instance_lives_and_is_forgotten(
    tested_hub: HubUnderTest, client: AsyncTaskHubGrpcClient
) -> None:
    tested_hub.work(patient)
    instance = await client.schedule_new_orchestration(patient)
    await client.wait_for_orchestration_start(instance, timeout=PATIENCE_S)
    await client.suspend_orchestration(instance)
    await client.resume_orchestration(instance)
    await client.raise_orchestration_event(instance, "go", data=1)
    state = await client.wait_for_orchestration_completion(instance, timeout=PATIENCE_S)
    assert state is not None
    assert state.serialized_output == "1"
    assert (await client.list_instance_ids()).items == [instance]
    assert len(await client.get_all_orchestration_states(OrchestrationQuery())) == 1
    assert await client.get_orchestration_history(instance)
    assert await client.restart_orchestration(instance) == instance
    await client.terminate_orchestration(instance)
    await client.wait_for_orchestration_completion(instance, timeout=PATIENCE_S)
    assert (await client.purge_orchestration(instance)).deleted_instance_count == 1
    purged = await client.purge_orchestrations_by(timeout=timedelta(seconds=10))
    assert (purged.deleted_instance_count, purged.is_complete) == (0, True)
    assert await client.get_orchestration_state(instance) is None


async def test_what_failed_is_rewound(tested_hub: HubUnderTest, client: AsyncTaskHubGrpcClient) -> None:
    broken = [True]

    def act(_ctx: task.ActivityContext, _given: Any) -> str:
        if broken:
            raise OSError(broken.pop())
        return "repaired"

    def calls(ctx: task.OrchestrationContext, _given: Any) -> Any:
        return (yield ctx.call_activity(act))

    tested_hub.work(calls, activities=(act,))
    instance = await client.schedule_new_orchestration(calls)
    await client.wait_for_orchestration_completion(instance, timeout=PATIENCE_S)
    await client.rewind_orchestration(instance)
    state = await client.wait_for_orchestration_completion(instance, timeout=PATIENCE_S)
    assert state is not None
    assert state.serialized_output == '"repaired"'


async def test_an_entity_is_signaled_listed_and_cleaned_up(
    tested_hub: HubUnderTest, client: AsyncTaskHubGrpcClient
) -> None:
    tested_hub.work(entities=(Sum,))
    await client.signal_entity(ONE, "add", 1)
    eventually(
        lambda: (found := tested_hub.client.get_entity(ONE)) and found.get_state() == "1", "the signal"
    )
    assert await client.get_entity(ONE) is not None
    assert [one.id for one in await client.get_all_entities(EntityQuery())] == [ONE]
    assert (await client.clean_entity_storage()).empty_entities_removed == 0

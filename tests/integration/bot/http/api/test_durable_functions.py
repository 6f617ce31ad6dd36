"""The HTTP API of Durable Functions as its JavaScript and Python clients call it, and by which scope.

Addresses and answers are those of `durable-functions` 3.5.0 (npm) and `azure-functions-durable` 1.7.0 (PyPI).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from durabletask.client import OrchestrationStatus
from durabletask.entities import DurableEntity, EntityInstanceId

from bot.cli.main import main
from orchestration.domain.names import EntityName, OrchestrationName, code_id, is_own_entity, is_own_id
from tests.support import PATIENCE_S
from tests.support.api_world import ApiWorld
from tests.support.foreign import listener, stumbles
from tests.support.other_program import strange_worker

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOT = "/runtime/webhooks/durabletask"
TOKEN = "x-ms-continuation-token"


class Stock(DurableEntity):
    """An entity of another program."""

    def add(self, amount: Any) -> None:
        self.set_state(self.get_state(int, 0) + (amount or 1))


async def ended(api: ApiWorld, instance_id: str) -> None:
    await api.client.wait_for_orchestration_completion(instance_id, timeout=PATIENCE_S)


# ---- start -----------------------------------------------------------------------------------------------


async def test_another_programs_orchestration_is_started_by_its_name(api: ApiWorld) -> None:
    root = api.token("root", "U0RITA", "admin")
    started = await api.call("POST", f"{ROOT}/orchestrators/listener", root, json="Paid")
    assert started.status == 202, started.body
    assert started.headers["Location"] == started.body["statusQueryGetUri"]
    names = {"sendEventPostUri", "terminatePostUri", "suspendPostUri", "resumePostUri", "rewindPostUri"}
    assert names | {"restartPostUri", "purgeHistoryDeleteUri", "id"} <= set(started.body)
    shown = await api.call("GET", started.headers["Location"])
    assert (shown.body["name"], shown.body["input"]) == ("listener", "Paid")
    event = started.body["sendEventPostUri"].replace("{eventName}", "Paid")
    assert (await api.call("POST", event, json={"yes": 1})).status == 202
    await ended(api, started.body["id"])
    shown = await api.call("GET", started.headers["Location"])
    assert (shown.status, shown.body["runtimeStatus"], shown.body["output"]) == (200, "Completed", {"yes": 1})


async def test_an_id_is_taken_once_while_it_runs_and_again_once_it_has_ended(api: ApiWorld) -> None:
    root = api.token("root", "U0RITA", "admin")
    place = f"{ROOT}/orchestrators/listener/order%2F7"
    assert (await api.call("POST", place, root, json="Paid")).body["id"] == "order/7"
    again = await api.call("POST", place, root, json="Paid")
    assert (again.status, "under way" in again.body["detail"]) == (409, True)
    await api.client.terminate_orchestration("order/7")
    await ended(api, "order/7")
    assert (await api.call("POST", place, root, json="Shipped")).status == 202
    shown = await api.call("GET", f"{ROOT}/instances/order%2F7", root)
    assert shown.body["input"] == "Shipped"


@pytest.mark.parametrize("name", [*OrchestrationName, "APPROVAL", "ａｐｐｒｏｖａｌ", "reconcile%20"])
async def test_none_of_ours_is_started_by_its_name(api: ApiWorld, name: str) -> None:
    root = api.token("root")
    body = {"request": {"policy": "deploy", "title": "x", "requester": "U0ADA"}}
    for place in (name, f"{name}/x"):
        answer = await api.call("POST", f"{ROOT}/orchestrators/{place}", root, json=body)
        assert answer.status == 403, answer.body


async def test_nothing_takes_the_id_of_one_of_ours(api: ApiWorld) -> None:
    """Neither that of a request, open or ended, nor one under which an ended request's cards are corrected."""
    root = api.token("root")
    request_id, stopped = await api.ask(root), await api.ask(root)
    await api.call("POST", f"{ROOT}/instances/{stopped}/terminate", root)
    await ended(api, stopped)
    code = code_id(request_id, (await api.service.status(request_id)).nonce, 1)
    for taken in (
        request_id,
        stopped,
        code,
        "reconcile-deploy-x",
        "Challenge-1",
        "settle-x",
        "@person@U0ADA",
    ):
        answer = await api.call("POST", f"{ROOT}/orchestrators/listener/{taken}", root, json="Paid")
        assert answer.status == 403, (taken, answer.body)
    for one, name in ((request_id, "running"), (stopped, "terminated")):
        state = await api.client.get_orchestration_state(one)
        assert state is not None
        assert (state.name, state.runtime_status) == ("approval", OrchestrationStatus[name.upper()])
    assert is_own_id("reconcile-x")
    assert not is_own_id("reconciled-x")


# ---- many at once ----------------------------------------------------------------------------------------


@pytest_asyncio.fixture(loop_scope="session")
async def three(tmp_path: Path) -> AsyncIterator[tuple[ApiWorld, str, dict[str, str]]]:
    """One instance that waits, one that ended well and one that failed; a request that is open, one that is decided."""
    async with ApiWorld(tmp_path, listener, stumbles) as api:
        root = api.token("root")
        waits = await api.client.schedule_new_orchestration("listener", input="Paid", instance_id="order-1")
        done = await api.client.schedule_new_orchestration("listener", input="Paid", instance_id="order-2")
        await api.client.raise_orchestration_event(done, "Paid", data={"n": 2})
        failed = await api.client.schedule_new_orchestration("stumbles", instance_id="other-3")
        await ended(api, done)
        await ended(api, failed)
        opened, decided = await api.ask(root), await api.ask(root, title="Decided")
        await api.decide(api.token("ada", "U0ADA", "decide:deploy"), decided)
        await api.until(decided, lambda progress: progress.outcome is not None)
        running, completed = {waits: "Running", opened: "Running"}, {done: "Completed", decided: "Completed"}
        yield api, root, {**running, **completed, failed: "Failed"}


async def test_every_instance_is_listed_by_whatever_filter(three: Any) -> None:
    api, root, instances = three
    now = datetime.now(UTC)

    async def listed(query: str = "", slash: str = "") -> dict[str, str]:
        answer = await api.call("GET", f"{ROOT}/instances{slash}{query}", root)
        assert answer.status == 200, answer.body
        return {
            one["instanceId"]: one["runtimeStatus"]
            for one in answer.body
            if one["name"] not in {"reconcile", "delegate_change"}
        }

    def those(*statuses: str) -> dict[str, str]:
        return {one: status for one, status in instances.items() if status in statuses}

    def at(**later: float) -> str:
        return (now + timedelta(**later)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # as the Python client writes it

    assert await listed() == await listed(slash="/") == instances
    assert await listed("?taskHub=x&connectionName=y&code=z") == instances
    assert await listed("?runtimeStatus=Completed") == those("Completed")
    assert await listed("?runtimeStatus=completed,FAILED") == those("Completed", "Failed")
    assert await listed("?runtimeStatus=Running&runtimeStatus=Failed") == those("Running", "Failed")
    assert await listed("?runtimeStatus=Canceled") == {}
    assert set(await listed("?instanceIdPrefix=order-")) == {"order-1", "order-2"}
    assert await listed(f"?createdTimeFrom={at(hours=-1)}&createdTimeTo={at(hours=1)}") == instances
    assert (
        await listed(f"?createdTimeFrom={at(hours=1)}")
        == await listed(f"?createdTimeTo={at(hours=-1)}")
        == {}
    )

    shown = (await api.call("GET", f"{ROOT}/instances?instanceIdPrefix=order-2", root)).body
    assert [(one["input"], one["output"]) for one in shown] == [("Paid", {"n": 2})]
    without = (await api.call("GET", f"{ROOT}/instances?instanceIdPrefix=order-2&showInput=False", root)).body
    assert without[0]["input"] is None

    found: list[str] = []
    headers: dict[str, str] = {}
    while True:  # as the JavaScript client pages
        page = await api.call(
            "GET", f"{ROOT}/instances/?top=1&instanceIdPrefix=order-", root, headers=headers
        )
        found += [one["instanceId"] for one in page.body]
        if TOKEN not in page.headers:
            break
        headers = {TOKEN: page.headers[TOKEN]}
    assert found == ["order-1", "order-2"]


async def test_those_that_have_ended_are_purged_by_whatever_filter(three: Any) -> None:
    api, root, _ = three
    since = "createdTimeFrom=2020-01-01T00:00:00Z"

    async def purged(query: str) -> tuple[int, int]:
        answer = await api.call("DELETE", f"{ROOT}/instances/?{query}", root)
        return answer.status, answer.body.get("instancesDeleted", 0)

    assert await purged(f"{since}&createdTimeTo=2020-01-02T00:00:00Z") == (404, 0)
    assert await purged(f"{since}&runtimeStatus=Running,Pending") == (404, 0)
    assert await purged(f"{since}&runtimeStatus=Canceled") == (404, 0)
    assert await purged(f"{since}&instanceIdPrefix=order-") == (200, 1)
    assert await purged(f"{since}&runtimeStatus=Failed") == (200, 1)
    left = {one["instanceId"] for one in (await api.call("GET", f"{ROOT}/instances", root)).body}
    assert left & {"order-1", "order-2", "other-3"} == {"order-1"}


async def test_a_request_that_is_purged_by_a_filter_leaves_its_tombstone(
    own_api: ApiWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps((await own_api.call("GET", "/.well-known/jwks.json")).body))
    api, root = own_api, own_api.token("root")
    request_id = await api.ask(root)
    await api.call("POST", f"{ROOT}/instances/{request_id}/terminate", root)
    await ended(api, request_id)
    shown = await api.call("GET", f"/api/approvals/{request_id}", root)
    async with asyncio.timeout(PATIENCE_S):
        while not (shown.body["outcome"] or {}).get("receipt"):
            shown = await api.call("GET", f"/api/approvals/{request_id}", root)
    query = f"createdTimeFrom=2020-01-01&instanceIdPrefix={request_id}"
    assert (await api.call("DELETE", f"{ROOT}/instances?{query}", root)).body == {"instancesDeleted": 1}
    assert main(["audit", "verify", str(api.data / "records"), "--jwks", str(jwks), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["purged"] == 1


# ---- entities --------------------------------------------------------------------------------------------


async def test_other_programs_entities_are_shown_and_signalled(tmp_path: Path) -> None:
    async with ApiWorld(tmp_path) as api:
        with strange_worker(api.connection, Stock):
            root, reader = api.token("root"), api.token("reader", "U0RITA", "read")
            place = f"{ROOT}/entities/Stock"
            assert (await api.call("GET", f"{place}/a%20b", reader)).status == 404
            assert (await api.call("POST", f"{place}/a%20b?op=add&taskHub=x", root, json=5)).status == 202
            assert (await api.call("POST", f"{place}/two?op=add", root)).status == 202
            async with asyncio.timeout(PATIENCE_S):
                while len((await api.call("GET", f"{ROOT}/entities/", root)).body) < 2:
                    await asyncio.sleep(0.02)
            shown = await api.call("GET", f"{place}/a%20b?connection=y", reader)
            assert (shown.status, shown.body) == (200, 5)
            for listing in (
                f"{ROOT}/entities?entityName=stock&fetchState=true",
                f"{place}?fetchState=True",
            ):
                listed = (await api.call("GET", listing, reader)).body
                assert [(one["entityId"], one["state"]) for one in listed] == [
                    ({"name": "stock", "key": "a b"}, 5),
                    ({"name": "stock", "key": "two"}, 1),
                ]
            page = await api.call("GET", f"{ROOT}/entities?top=1", reader)
            assert ("state" in page.body[0], TOKEN in page.headers) == (False, True)
            rest = await api.call("GET", f"{ROOT}/entities", reader, headers={TOKEN: page.headers[TOKEN]})
            assert [one["entityId"]["key"] for one in rest.body] == ["two"]
            past = await api.call("GET", f"{ROOT}/entities?lastOperationTimeTo=2020-01-01", reader)
            assert (past.status, past.body) == (200, [])


async def test_our_entities_are_neither_shown_nor_signalled(api: ApiWorld) -> None:
    root = api.token("root")
    await api.ask(root)
    await api.eventually(lambda: True)
    assert (await api.call("GET", f"{ROOT}/entities?fetchState=true", root)).body == []
    for name in (*EntityName, "PERSON", "Ｐｅｒｓｏｎ", "worklist%20"):
        for method, place in (
            ("GET", f"{name}/U0ADA"),
            ("GET", name),
            ("POST", f"{name}/U0ADA?op=set_entry"),
        ):
            answer = await api.call(method, f"{ROOT}/entities/{place}", root, json={})
            assert answer.status == 403, (method, place)
        assert (await api.call("GET", f"{ROOT}/entities?entityName={name}", root)).status == 403
    assert is_own_entity("")
    assert not is_own_entity("persona")
    for key in ("a%40b", "%40"):
        assert (await api.call("GET", f"{ROOT}/entities/stock/{key}", root)).status == 404
    assert str(EntityInstanceId("Person", "U0ADA")) == "@person@U0ADA"


# ---- run again -------------------------------------------------------------------------------------------


async def test_the_addresses_to_run_again_work_for_others_and_never_for_ours(api: ApiWorld) -> None:
    root = api.token("root")
    failed = (await api.call("POST", f"{ROOT}/orchestrators/stumbles", root)).body
    await ended(api, failed["id"])
    assert (await api.call("POST", failed["rewindPostUri"].replace("{text}", "mended"))).status == 202
    await ended(api, failed["id"])
    again = await api.call("POST", failed["restartPostUri"])
    assert (again.status, again.body["id"] != failed["id"]) == (202, True)
    asked = (await api.call("POST", "/api/approvals", root, json={"policy": "deploy", "title": "x"})).body
    for name in ("rewindPostUri", "restartPostUri"):
        assert (await api.call("POST", asked[name].replace("{text}", "x"))).status == 403
    done = await api.client.schedule_new_orchestration("listener", input="Paid")
    await api.client.raise_orchestration_event(done, "Paid")
    await ended(api, done)
    assert (await api.call("POST", f"{ROOT}/instances/{done}/rewind?reason=x", root)).status == 410


# ---- who may, and what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "place", "reads"),
    [
        ("GET", "instances", True),
        ("GET", "instances/", True),
        ("DELETE", "instances?createdTimeFrom=2100-01-01", False),
        ("POST", "orchestrators/listener", False),
        ("POST", "orchestrators/listener/x", False),
        ("GET", "entities", True),
        ("GET", "entities/stock", True),
        ("GET", "entities/stock/x", True),
        ("POST", "entities/stock/x?op=add", False),
    ],
)
async def test_each_by_its_scope_and_never_by_a_key(
    api: ApiWorld, method: str, place: str, reads: bool
) -> None:
    root = api.token("root")
    asked = (await api.call("POST", "/api/approvals", root, json={"policy": "deploy", "title": "x"})).body
    key = asked["terminatePostUri"].partition("&")[2]
    joined = f"{ROOT}/{place}{'&' if '?' in place else '?'}{key}"
    assert (await api.call(method, joined)).status == 401
    for scope, may in (("read", reads), ("request", False), ("decide:deploy", False)):
        token = api.token("one", "U0RITA", scope)
        status = (await api.call(method, f"{ROOT}/{place}", token)).status
        assert (status != 403) == may, (scope, status)


@pytest.mark.parametrize(
    ("method", "place", "words"),
    [
        ("GET", "instances?createdTimeFrom=yesterday", "createdTimeFrom"),
        ("GET", "instances?createdTimeTo=0.5", "createdTimeTo"),
        ("GET", "instances?runtimeStatus=Done", "runtimeStatus"),
        ("GET", "instances?top=0", "top"),
        ("GET", "instances?top=1.5", "top"),
        ("GET", "instances?showInput=maybe", "showInput"),
        ("GET", f"instances?instanceIdPrefix={'x' * 101}", "instanceIdPrefix"),
        ("DELETE", "instances", "createdTimeFrom"),
        ("DELETE", "instances?runtimeStatus=Completed", "createdTimeFrom"),
        ("GET", "entities?lastOperationTimeFrom=x", "lastOperationTimeFrom"),
        ("GET", "entities?fetchState=2", "fetchState"),
        ("POST", "entities/stock/x?op=%00", "op"),
        ("POST", "orchestrators/%00", "name"),
        ("POST", "orchestrators/listener?version=%0a", "version"),
    ],
)
async def test_what_does_not_fit_is_named(api: ApiWorld, method: str, place: str, words: str) -> None:
    answer = await api.call(method, f"{ROOT}/{place}", api.token("root"))
    assert (answer.status, words in answer.body["detail"]) == (400, True), answer.body
    if method == "GET":
        kind = place.partition("?")[0]
        wrong = await api.call("GET", f"{ROOT}/{kind}", api.token("root"), headers={TOKEN: "nonsense"})
        assert (wrong.status, TOKEN in wrong.body["detail"]) == (400, True)

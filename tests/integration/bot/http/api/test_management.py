"""The HTTP API of Durable Functions, and the timeline."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from durabletask.task import OrchestrationContext

from tests.support import PATIENCE_S
from tests.support.api_world import ApiWorld
from tests.support.other_program import strange_worker
from tests.support.simulated import fault

pytestmark = pytest.mark.asyncio(loop_scope="session")

RUNTIME = "/runtime/webhooks/durabletask/instances"


async def test_the_addresses_in_the_202_work_without_a_header_and_for_what_the_token_may(
    api: ApiWorld,
) -> None:
    """As in Durable Functions a key is in the address; one who may only ask gets a key to look, and none to act."""
    body = {"policy": "deploy", "title": "Deploy?"}
    ci = api.token("ci", "U0RITA", "request")
    asked = (await api.call("POST", "/api/approvals", ci, json=body)).body
    assert set(asked) == {
        "id",
        "statusQueryGetUri",
        "sendEventPostUri",
        "terminatePostUri",
        "suspendPostUri",
        "resumePostUri",
        "rewindPostUri",
        "restartPostUri",
        "purgeHistoryDeleteUri",
    }
    looked = await api.call("GET", asked["statusQueryGetUri"])
    assert (looked.status, looked.body["runtimeStatus"] in {"Pending", "Running"}) == (202, True)
    assert looked.body["instanceId"] == asked["id"]
    assert "code=" in looked.headers["Location"]
    assert (await api.call("POST", asked["terminatePostUri"].replace("{text}", "x"))).status == 401
    stolen = asked["statusQueryGetUri"].partition("?")[2]
    assert (await api.call("POST", f"{RUNTIME}/{asked['id']}/terminate?{stolen}")).status == 401
    assert (await api.call("GET", f"{RUNTIME}/deploy-00000000?{stolen}")).status == 401
    with_both = await api.call("GET", asked["statusQueryGetUri"], ci)
    assert with_both.status == 202

    root = api.token("root", "U0RITA", "request", "admin")
    asked = (await api.call("POST", "/api/approvals", root, json=body)).body
    assert (await api.call("POST", asked["suspendPostUri"].replace("{text}", "lunch"))).status == 202
    suspended = await api.call("GET", asked["statusQueryGetUri"])
    assert (suspended.status, suspended.body["runtimeStatus"]) == (202, "Suspended")
    assert (await api.call("POST", asked["resumePostUri"].replace("{text}", "back"))).status == 202
    await api.until(asked["id"], lambda progress: len(progress.cards) == 1)
    assert (await api.call("GET", asked["statusQueryGetUri"])).body["runtimeStatus"] == "Running"


async def test_a_status_address_shows_an_approval_and_nothing_that_took_its_place(api: ApiWorld) -> None:
    """Whoever holds the hub purges the request, and runs something of their own under its ID that says yes."""

    def theirs(_: OrchestrationContext, outcome: Any) -> Any:
        return outcome

    ci = api.token("ci", "U0RITA", "request")
    asked = (await api.call("POST", "/api/approvals", ci, json={"policy": "deploy", "title": "Deploy?"})).body
    await api.client.terminate_orchestration(asked["id"])
    assert (await api.client.purge_orchestration(asked["id"])).deleted_instance_count >= 1
    with strange_worker(api.connection, theirs=theirs):
        await api.client.schedule_new_orchestration(
            "theirs", input={"status": "approved"}, instance_id=asked["id"]
        )
        await api.client.wait_for_orchestration_completion(asked["id"], timeout=PATIENCE_S)
    looked = await api.call("GET", asked["statusQueryGetUri"])
    assert looked.status == 404


async def test_the_key_of_a_status_address_shows_nothing_from_inside(api: ApiWorld) -> None:
    """The input holds the policy, with addresses whose paths are secrets; the history holds everything else."""
    ci = api.token("ci", "U0RITA", "request")
    asked = (await api.call("POST", "/api/approvals", ci, json={"policy": "deploy", "title": "Deploy?"})).body
    looked = (await api.call("GET", asked["statusQueryGetUri"] + "&showHistory=true&showInput=true")).body
    assert looked["input"] is None
    assert "historyEvents" not in looked
    # Nor where the card is: the key may be with somebody who is not of the workspace.
    assert {*looked["customStatus"], "card_url"} == set(
        (await api.call("GET", f"/api/approvals/{asked['id']}", ci)).body
    )
    assert "card_url" not in looked["customStatus"]
    root = api.token("root")
    inside = (await api.call("GET", f"{RUNTIME}/{asked['id']}?showHistory=true", root)).body
    assert inside["input"]["request"]["title"] == "Deploy?"
    assert inside["historyEvents"]


async def test_an_address_with_a_key_ends_with_its_token(api: ApiWorld) -> None:
    root = api.token("root", "U0RITA", "request", "admin")
    asked = (
        await api.call("POST", "/api/approvals", root, json={"policy": "deploy", "title": "Deploy?"})
    ).body
    waiting = await api.client.schedule_new_orchestration("listener", input="Paid")
    hook = {"instance_id": waiting, "event_name": "Paid"}
    url = (await api.call("POST", "/api/hooks", root, json=hook)).body["url"]
    addresses = [
        ("GET", asked["statusQueryGetUri"]),
        ("POST", asked["suspendPostUri"].replace("{text}", "x")),
        ("POST", url),
    ]
    forged = [(method, address.replace("by=", "by=x")) for method, address in addresses]
    for method, address in forged:
        assert (await api.call(method, address, json={})).status == 401
    made_with = api.tokens.find(root)
    assert made_with is not None
    api.tokens.revoke(made_with.name)
    for method, address in addresses:
        assert (await api.call(method, address, json={})).status == 401, address


async def test_an_address_with_a_key_counts_against_the_limit_of_its_token(api: ApiWorld) -> None:
    slow = api.token("slow", "U0RITA", "request", rate=3)
    asked = (
        await api.call("POST", "/api/approvals", slow, json={"policy": "deploy", "title": "Deploy?"})
    ).body
    statuses = [(await api.call("GET", asked["statusQueryGetUri"])).status for _ in range(4)]
    assert statuses == [202, 202, 429, 429]


async def test_terminating_an_approval_ends_it_on_its_cards_and_then_it_is_gone(api: ApiWorld) -> None:
    root = api.token("root")
    request_id = await api.ask(root)
    place = f"{RUNTIME}/{request_id}"
    assert (await api.call("DELETE", place, root)).status == 404  # it runs
    assert (await api.call("POST", f"{place}/terminate?reason=enough", root)).status == 202
    await api.eventually(lambda: "Stopped by an operator" in api.shown(request_id))
    ended = await api.call("GET", place, root)
    assert (ended.status, ended.body["runtimeStatus"], ended.body["output"]) == (200, "Terminated", "enough")
    for action in ("terminate", "suspend", "resume"):
        assert (await api.call("POST", f"{place}/{action}", root, json={})).status == 410, action
    shown = await api.call("GET", f"/api/approvals/{request_id}?wait=10s", root)
    assert (shown.status, shown.body["status"]) == (200, "terminated")
    async with asyncio.timeout(PATIENCE_S):  # `reconcile` has it signed
        while not shown.body["outcome"]["receipt"]:
            shown = await api.call("GET", f"/api/approvals/{request_id}", root)
    purged = await api.call("DELETE", place, root)
    assert (purged.status, purged.body) == (200, {"instancesDeleted": 1})
    assert (await api.call("GET", place, root)).status == 404


@pytest.mark.parametrize(
    ("method", "path", "how", "status"),
    [
        ("GET", "/nobody", {}, 404),
        ("POST", "/nobody/terminate", {}, 404),
        ("POST", "/nobody/raiseEvent/Hello", {"json": 1}, 404),
        ("DELETE", "/nobody", {}, 404),
        ("GET", "/@person@U0ADA", {}, 404),
        ("POST", "/nobody/raiseEvent/Hello", {"data": "x=1"}, 400),
        ("POST", "/nobody/raiseEvent/%00", {"json": 1}, 400),
        (
            "POST",
            "/nobody/raiseEvent/Hello",
            {"data": b"{", "headers": {"Content-Type": "application/json"}},
            400,
        ),
        (
            "POST",
            "/nobody/raiseEvent/Hello",
            {"data": b"NaN", "headers": {"Content-Type": "application/json"}},
            400,
        ),
        ("POST", "/nobody/terminate?reason=%00", {}, 400),
    ],
)
async def test_what_does_not_fit(
    api: ApiWorld, method: str, path: str, how: dict[str, object], status: int
) -> None:
    assert (await api.call(method, RUNTIME + path, api.token("root"), **how)).status == status


async def test_an_approval_is_completed_from_the_moment_its_outcome_stands(api: ApiWorld) -> None:
    """Cards and callbacks may take days more; whoever polls the status waits for the outcome, not for them."""
    root, ada = api.token("root"), api.token("ada", "U0ADA", "decide:deploy")
    await fault(api.simulator, "chat.update", "internal_error", count=3)
    request_id = await api.ask(root)
    assert (await api.decide(ada, request_id)).status == 200
    await api.until(request_id, lambda progress: progress.outcome is not None)
    shown = await api.call("GET", f"{RUNTIME}/{request_id}?showHistory=true&showInput=false", root)
    assert (shown.status, shown.body["runtimeStatus"], shown.body["input"]) == (200, "Completed", None)
    assert shown.body["output"]["status"] == "approved"
    assert shown.body["historyEvents"][1]["EventType"] == "ExecutionStarted"
    assert not any("input" in event for event in shown.body["historyEvents"])


async def test_the_timeline_tells_every_step_of_the_real_history(own_api: ApiWorld) -> None:
    api = own_api
    root, ada = api.token("root"), api.token("ada", "U0ADA", "decide:deploy")
    request_id = await api.ask(root, title="Deploy?")
    await api.decide(ada, request_id, comment="Go.")
    await api.until(request_id, lambda progress: progress.outcome is not None)
    await api.eventually(lambda: "✓ *Approved*" in api.shown(request_id))
    path = f"/api/approvals/{request_id}/timeline"
    kinds: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        # Slack shows an edit a moment before the hub has heard that it was made.
        while "edit_card" not in kinds:
            items = (await api.call("GET", path, root)).body["items"]
            kinds = [item["kind"] for item in items]
    for before, after in (("asked", "post_card"), ("post_card", "event"), ("event", "edit_card")):
        assert kinds.index(before) < kinds.index(after), kinds
    waiting = next(item for item in items if item["kind"] == "waiting")
    assert waiting["until"] is not None
    event = next(item for item in items if item["kind"] == "event")
    assert (event["actor"], event["text"]) == ("U0ADA", "ApprovalDecision: approve")
    assert items[0]["text"] == "Asked: “Deploy?”"
    assert next(item for item in items if item["kind"] == "post_card")["channel"] == "C0DEPLOYS"
    assert [item["at"] for item in items] == sorted(item["at"] for item in items)
    await who_is_in_a_group_is_for_who_sees_all(api, root)


async def who_is_in_a_group_is_for_who_sees_all(api: ApiWorld, root: str) -> None:
    """Not for a token that may ask or decide under a policy: it could see who is in any group named there."""
    request_id = await api.ask(
        root, policy="purchase", title="Steel", amount="5000", fields={"vendor": "Acme"}
    )
    people = {"S0MANAGERS": ["U0ADA", "U0FAY"]}
    for scope, seen in (("read", people), ("admin", people), ("request", None), ("decide:purchase", None)):
        token = api.token(scope.replace(":", "-"), "U0RITA", scope)
        answer = await api.call("GET", f"/api/approvals/{request_id}/timeline", token)
        found = [item for item in answer.body["items"] if item["kind"] == "members"]
        assert {str(item["members"]) for item in found} == {str(seen)}, scope
        counts = {"S0MANAGERS": 2} if seen else None
        assert {str(item["member_counts"]) for item in found} == {str(counts)}, scope


async def test_an_event_that_an_instance_has_no_room_for_is_refused_in_words(api: ApiWorld) -> None:
    instance_id = await api.client.schedule_new_orchestration("nobodys", instance_id="full")

    async def fill(size: int) -> None:
        while True:
            await api.client.raise_orchestration_event(instance_id, "go", data="x" * size)

    for size in (1_000_000, 100_000, 10_000, 1_000):
        with pytest.raises(grpc.RpcError, match="cannot take this event"):
            await fill(size)
    answer = await api.call(
        "POST", f"{RUNTIME}/{instance_id}/raiseEvent/go", api.token("root"), json="x" * 2000
    )
    assert answer.status == 409
    assert "continue_as_new" in answer.body["detail"]
    await api.client.terminate_orchestration(instance_id)

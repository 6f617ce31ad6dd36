"""Every address that we hand out is under COUNTERSIGN_PUBLIC_URL, and reaches what it names, whatever its ID."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import pytest
from yarl import URL

from tests.support import PATIENCE_S
from tests.support.api_world import ApiWorld
from tests.support.foreign import listener

pytestmark = pytest.mark.asyncio(loop_scope="session")

RUNTIME = "/runtime/webhooks/durabletask/instances"
PUBLIC = "https://approvals.example/countersign"


async def handed_out(api: ApiWorld) -> dict[str, str]:
    """Every address in the answers to a caller who lies about the host."""
    root = api.token("root")
    lies: dict[str, Any] = {
        "headers": {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
    }
    asked = await api.call(
        "POST", "/api/approvals", root, json={"policy": "deploy", "title": "Deploy?"}, **lies
    )
    found: dict[str, str] = {name: value for name, value in asked.body.items() if name != "id"}
    found["asked"] = asked.headers["Location"]
    shown = await api.call("GET", f"/api/approvals/{asked.body['id']}", root, **lies)
    found["shown"] = shown.headers["Location"]
    status = urlsplit(found["statusQueryGetUri"])
    place = f"{status.path.removeprefix('/countersign')}?{status.query}"
    looked = await api.call("GET", place, **lies)
    found["looked"] = looked.headers["Location"]
    waiting = await api.client.schedule_new_orchestration("listener", input="Paid")
    hook = {"instance_id": waiting, "event_name": "Paid"}
    found["problem"] = (await api.call("GET", f"{RUNTIME}/nobody", root, **lies)).body["type"]
    found["hook"] = (await api.call("POST", "/api/hooks", root, json=hook, **lies)).body["url"]
    await api.client.terminate_orchestration(waiting)
    await api.client.wait_for_orchestration_completion(waiting, timeout=PATIENCE_S)
    again = await api.call("POST", f"{RUNTIME}/{waiting}/restart", root, **lies)
    assert again.status == 202, again.body
    found |= {f"again {name}": value for name, value in again.body.items() if name != "id"}
    return found


async def test_behind_a_proxy_every_address_is_the_public_one(tmp_path: Path) -> None:
    async with ApiWorld(tmp_path, listener, settings={"COUNTERSIGN_PUBLIC_URL": PUBLIC}) as api:
        for name, address in (await handed_out(api)).items():
            assert address.startswith(f"{PUBLIC}/"), (name, address)


async def test_without_a_public_address_each_is_relative_and_works(tmp_path: Path) -> None:
    """A key then goes only to the host that the caller already uses, in the way that they reached it."""
    async with ApiWorld(tmp_path, listener, sms=False) as api:
        found = await handed_out(api)
        for name, address in found.items():
            assert urlsplit(address)[:2] == ("", ""), (name, address)
            assert address.startswith("/"), (name, address)
            assert not address.startswith("//"), (name, address)
        assert (await api.call("GET", found["looked"])).status == 202


IDS = [
    "a b",
    " ",
    "a/b/c",
    "/",
    "100%",
    "a%2Fb",
    "%",
    "a?b=c&d#e",
    "{id}",
    "a+b;c",
    '"quotes"\'',
    "back\\slash",
    "a:b@c",
    "z" * 100,
]


@pytest.mark.parametrize("instance_id", IDS)
async def test_an_instance_of_whatever_id_is_reached_by_each_address(api: ApiWorld, instance_id: str) -> None:
    root = api.token("root")
    await api.client.schedule_new_orchestration("listener", input="Paid", instance_id=instance_id)
    hooks = {"instance_id": instance_id, "event_name": "Paid/in full %"}
    made = await api.call("POST", "/api/hooks", root, json=hooks)
    assert made.status == 201, made.body

    async def call(method: str, address: str, **how: Any) -> aiohttp.ClientResponse:
        """Call an address as it is, like a client that does not encode it again."""
        url = URL(address if address.startswith("http") else api.url + address, encoded=True)
        headers = {"Authorization": f"Bearer {root}"}
        async with api.http.request(method, url, headers=headers, **how) as answer:
            await answer.read()
            return answer

    place = f"{RUNTIME}/{quote(instance_id, safe='')}"
    looked = await call("GET", place)
    assert (looked.status, (await looked.json())["instanceId"]) == (202, instance_id)
    assert (await call("GET", looked.headers["Location"])).status == 202
    assert (await call("POST", f"{place}/suspend?reason=x")).status == 202
    assert (await call("POST", f"{place}/resume?reason=x")).status == 202
    assert (await call("POST", made.body["url"], json=1)).status == 202
    assert (await call("POST", f"{place}/raiseEvent/Paid", json="yes")).status == 202
    ended = await api.client.wait_for_orchestration_completion(instance_id, timeout=PATIENCE_S)
    assert ended is not None
    again = await call("POST", f"{place}/restart?restartWithNewInstanceId=false")
    addresses = await again.json()
    assert (again.status, addresses["id"]) == (202, instance_id)
    assert (await call("GET", addresses["statusQueryGetUri"])).status == 202
    assert (await call("POST", addresses["terminatePostUri"].replace("{text}", "x"))).status == 202
    await api.client.wait_for_orchestration_completion(instance_id, timeout=PATIENCE_S)
    assert (await call("DELETE", addresses["purgeHistoryDeleteUri"])).status == 200
    assert (await call("GET", place)).status == 404


@pytest.mark.parametrize(
    "part", ["%C3%BC", "%E2%98%83", "%ED%A0%80", "%FF", "%00", "%40person%40U0ADA", "a%0Ab"]
)
async def test_an_id_that_nobody_has_is_not_found(api: ApiWorld, part: str) -> None:
    root = api.token("root")
    for address in (
        f"{RUNTIME}/{part}",
        f"/api/approvals/{part}",
        f"/api/approvals/{part}/timeline",
        f"/api/challenges/{part}",
    ):
        url = URL(api.url + address, encoded=True)
        async with api.http.get(url, headers={"Authorization": f"Bearer {root}"}) as answer:
            assert answer.status == 404, address

"""What a scrape says after people, programs and strangers did what they do; and what it never says."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import aiohttp
import pytest
from durabletask.client import TaskHubGrpcClient
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics

from bot.metrics.catalog import CATALOG, MetricKind
from bot.metrics.meters import OTHER
from bot.security.tokens import FILE as TOKENS
from bot.security.tokens import TokenFile
from bot.simulator import Person
from bot.slack.api.codes import REFUSALS, Meaning
from orchestration.challenge.models import Trouble
from orchestration.domain.commands import Reason
from orchestration.domain.names import OrchestrationName
from orchestration.domain.request import Status
from orchestration.hub import Hub, SkippableClock
from tests.support.hub_forms import reach
from tests.support.metrics import TOKEN, named, samples_of, scrape, value_of
from tests.support.simulated import fault
from tests.support.slack import PURCHASES, ask, decided, deliver, ephemeral, id_on, pressed
from tests.support.world import World, policies

LARGE = "purchase 12400 Steel for hall 3"
EVIL = "evil_name_of_u0mallory"
RESULTS = [
    "accepted",
    "code",
    "refused",
    "ok",
    "unknown",
    "no_answer",
    "sent",
    "failed",
    "right",
    "wrong",
    "over",
]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    settings = {"COUNTERSIGN_METRICS_TOKEN": TOKEN}
    async with World(tmp_path, policies("sms"), sms=True, settings=settings) as found:
        yield found


async def code_on_phone(person: Person) -> str:
    """The code of the newest text."""

    async def newest(someone: Person) -> str | None:
        found = [re.search(r"reply (\d{6})", text["body"]) for text in await someone.texts()]
        return next((one.group(1) for one in reversed(found) if one), None)

    return await person.wait_for(newest)


async def confirm(ada: Person, card: dict[str, object]) -> None:
    """Approves with a wrong code first, then with the right one."""
    await ada.click(PURCHASES, str(card["ts"]), "approve")
    code = await code_on_phone(ada)
    await ada.reply_sms(f"{(int(code) + 1) % 1_000_000:06}")
    await ada.reply_sms(code)


async def time_out(world: World, request_id: str) -> None:
    """Skips what its policy waits."""
    await world.until(request_id, lambda progress: bool(progress.cards))
    await world.skip(days=2, minutes=1)
    await world.until(request_id, lambda progress: progress.status is Status.ESCALATED)
    await world.skip(days=1, minutes=1)
    await world.until(request_id, lambda progress: progress.status is Status.TIMED_OUT)


async def walk(world: World) -> None:
    """One request that a stranger may not decide, one with a code, one that times out, and one that waits."""
    async with world.person("U0RITA") as rita, world.person("U0ADA") as ada:
        card = await ask(rita)
        await rita.click(PURCHASES, card["ts"], "approve")
        await ephemeral(rita, PURCHASES, "your own")
        await ada.click(PURCHASES, card["ts"], "approve")
        await world.until(id_on(card), lambda progress: bool(progress.outcome and progress.outcome.receipt))
        card = await ask(rita, LARGE)
        await confirm(ada, card)
        await world.until(id_on(card), lambda progress: bool(progress.outcome and progress.outcome.receipt))
        await time_out(world, id_on(await ask(rita, "purchase 50 Pencils")))
        waits = id_on(await ask(rita, "purchase 60 Paper"))
        await world.until(waits, lambda progress: bool(progress.cards))
        await world.skip(hours=3)


async def test_a_scrape_says_what_happened_and_has_every_name_that_the_dashboard_and_the_rules_use(
    world: World,
) -> None:
    await walk(world)
    text = await scrape(world)

    def value(name: str, **labels: str) -> float:
        return value_of(text, f"countersign_{name}", **labels)

    of = {"policy": "purchase"}
    assert value("requests_total", **of, outcome="approved") == 2
    assert value("requests_total", **of, outcome="timed_out") == 1
    assert value("requests_escalated_total", **of, cause="silence") == 1
    assert value("decision_seconds_count", **of, outcome="approved") == 2
    assert value("decision_seconds_bucket", **of, outcome="approved", le="60.0") == 2
    assert value("commands_total", via="chat", result="refused", reason="self_approval") == 1
    assert value("commands_total", via="chat", result="code", reason="code_sent") == 1
    assert value("commands_total", via="chat", result="accepted", reason="recorded") == 1
    assert value("codes_sent_total", channel="sms", result="sent") == 1
    assert value("codes_checked_total", channel="sms", result="wrong") == 1
    assert value("codes_checked_total", channel="sms", result="right") == 1
    assert value("twilio_calls_total", method="messages.create", result="ok") >= 1
    assert value("slack_calls_total", method="chat.postMessage", result="ok") >= 4
    assert value("requests_waiting", **of) == 1
    assert 3 * 3600 <= value("requests_waiting_oldest_seconds", **of) < 3 * 3600 + 60
    assert value("requests_overdue_seconds", **of) == 0
    for name in ("hub_up", "hub_recording", "hub_workers", "slack_connected", "keys_fit"):
        assert value(name) == 1, name
    assert value("records_unavailable") == value("slack_token_dead") == 0
    assert value("hub_commit_seconds_count") > 0
    assert value("hub_file_bytes", part="file") > 0
    there = {sample.name for sample in samples_of(text)}
    # Nothing of these has happened here.
    seldom = {
        "countersign_gatherings_total",
        "countersign_codes_undelivered_total",
        "countersign_slack_failures_total",
    }
    assert named() - there <= seldom
    known = {one.name for one in CATALOG}
    histograms = [one.name for one in CATALOG if one.kind is MetricKind.HISTOGRAM]
    known |= {name + end for name in histograms for end in ("_bucket", "_sum", "_count")}
    assert {name for name in there if name.startswith("countersign_")} <= known
    assert {one.name for one in CATALOG if one.kind is MetricKind.GAUGE} <= there
    await world.stop()
    await world.start()
    text = await scrape(world)
    assert value("requests_total", **of, outcome="approved") == 0
    assert value("requests_waiting", **of) == 1


async def test_its_own_token_opens_it_and_nothing_else_and_no_other_token_does(world: World) -> None:
    api_token = TokenFile(world.data / TOKENS).create("ci", "U0RITA", ["admin", "read", "request"])
    url = f"{world.url}/metrics"
    async with aiohttp.ClientSession() as http:
        for header in (
            {},
            *({"Authorization": one} for one in (f"Bearer {api_token}", "Bearer", f"Basic {TOKEN}")),
        ):
            async with http.get(url, headers=header) as answer:
                assert answer.status == 401, header
                assert "countersign_" not in await answer.text()
        mine = {"Authorization": f"Bearer {TOKEN}"}
        for path in ("/api/approvals/purchase-k7m2x9qd", "/runtime/webhooks/durabletask/instances"):
            async with http.get(world.url + path, headers=mine) as answer:
                assert answer.status == 401, path
        for version in ("1.0.0", "evil"):
            wanted = {**mine, "Accept": f"application/openmetrics-text; version={version}"}
            async with http.get(url, headers=wanted) as answer:
                assert answer.status == 200
                text = await answer.text()
        wanted["Accept"] = "application/openmetrics-text; version=1.0.0,text/plain;q=0.5"
        async with http.get(url, headers=wanted) as answer:
            assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
            text = await answer.text()
    assert {family.name for family in openmetrics(text)} >= {"countersign_hub_up", "countersign_build_info"}


async def test_nothing_that_anybody_sends_becomes_a_label(world: World) -> None:
    """Every value of a label is in a list of ours, whatever comes in by Slack, the API, Twilio and the hub."""
    async with world.person("U0RITA") as rita, world.person("U0ADA") as ada:
        await fault(world.simulator, "chat.postMessage", EVIL)
        card = await ask(rita, f"purchase 4200 {EVIL}")
        await deliver(world, **pressed(EVIL, card))
        await rita.command(PURCHASES, f"/request-approval {EVIL} 4200 {EVIL}")
        await ada.reply_sms(EVIL)
        await ada.click(PURCHASES, card["ts"], "approve")
        await ada.wait_for_message(PURCHASES, decided)
        body = {"service": "sms", "count": 1, "kind": "undeliverable", "code": 30007}
        async with aiohttp.ClientSession() as http:
            await http.post(f"{world.simulator.url}/sim/faults", json=body)
        large = await ask(rita, LARGE)
        await ada.click(PURCHASES, large["ts"], "approve")
        await ada.wait_for_message("D0ADA", lambda message: "as unwanted" in message["text"])
        await world.until(id_on(card), lambda progress: bool(progress.outcome and progress.outcome.receipt))
        waits = id_on(await ask(rita, "purchase 60 Paper"))
        await world.until(waits, lambda progress: bool(progress.cards))
    await by_api(world)
    # Somebody on the hub, without the secret.
    status = json.dumps({"policy": EVIL, "status": EVIL, "deadline": EVIL, "outcome": {"processed_at": EVIL}})
    with TaskHubGrpcClient(**reach(world.hub)) as stranger:
        for name in ("approval", EVIL):
            stranger.schedule_new_orchestration(name, input=status, instance_id=f"{EVIL}-{name}")
        refused = f"{EVIL}-approval"
        await asyncio.to_thread(stranger.wait_for_orchestration_completion, refused, timeout=60)
    # The policy that a request waits by is taken out of the file.
    world.write(policies("sms").replace("policies.purchase", "policies.another"))
    text = await scrape(world)
    assert EVIL not in text
    assert "U0" not in text
    assert "+1202" not in text
    lists: dict[str, Collection[str]] = {
        "policy": {"another", "purchase", OTHER},
        "outcome": set(Status),
        "via": {"chat", "api", "hook", "sms"},
        "result": {*RESULTS, *Meaning},
        "reason": set(Reason),
        "code": {*REFUSALS, "unknown", "no_answer"},
        "orchestration": {*OrchestrationName, OTHER},
        "kind": {"turn", "activity", "entity"},
        "part": {"file", "log"},
        "channel": {"sms", "email"},
        "cause": {"silence", "too_few_left"},
        "trouble": set(Trouble),
    }
    for sample in samples_of(text):
        if sample.name.startswith("countersign_"):
            for label, value in sample.labels.items():
                if label == "method":
                    assert re.fullmatch(r"[a-z]+(\.[a-zA-Z]+)+", value), sample
                elif label not in {"le", "version"}:
                    assert value in lists[label], sample
    assert value_of(text, "countersign_requests_waiting", policy=OTHER) == 2
    assert value_of(text, "countersign_requests_total", policy="purchase", outcome="approved") == 1
    assert value_of(text, "countersign_codes_undelivered_total", trouble="filtered") == 1
    unknown = {"method": "chat.postMessage", "code": "unknown"}
    assert value_of(text, "countersign_slack_failures_total", **unknown) == 1
    assert value_of(text, "countersign_instances", orchestration=OTHER) == 1


async def by_api(world: World) -> None:
    """Send unknown names in every place that takes a name."""
    token = TokenFile(world.data / TOKENS).create("ci", "U0RITA", ["request", "read", "decide:purchase"])
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": EVIL}
    body = {"policy": EVIL, "title": EVIL, "fields": {EVIL: EVIL}, "choice": EVIL, "actor": EVIL}
    async with aiohttp.ClientSession(headers=headers) as http:
        for path in ("", f"/{EVIL}/decision", f"/{EVIL}/comments", f"/purchase-{EVIL}/cancel"):
            async with http.post(f"{world.url}/api/approvals{path}", json=body) as answer:
                assert answer.status >= 400
        async with http.get(f"{world.url}/metrics?{EVIL}", headers={EVIL: EVIL}) as answer:
            assert answer.status == 401


async def test_a_hub_of_its_own_is_asked_over_its_connection(tmp_path: Path) -> None:
    with Hub(
        tmp_path / "elsewhere.db", listen="127.0.0.1:0", authenticate=False, clock=SkippableClock()
    ) as hub:
        settings = {"COUNTERSIGN_METRICS_TOKEN": TOKEN}
        async with World(tmp_path, policies("sms"), sms=True, hub=hub, settings=settings) as world:
            async with world.person("U0RITA") as rita:
                await ask(rita)
            text = await scrape(world)
            assert value_of(text, "countersign_requests_waiting", policy="purchase") == 1
            assert value_of(text, "countersign_hub_workers") == 1

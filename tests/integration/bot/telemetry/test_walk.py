"""One approval that is confirmed by SMS, with `countersign run` as a process: its traces and its log, and no secret."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from bot.security.tokens import FILE as TOKENS
from bot.security.tokens import TokenFile
from tests.support.otlp import Collector
from tests.support.process_of_world import ProcessOfWorld
from tests.support.simulated import BOT_TOKEN, SIGNING_SECRET
from tests.support.slack import PURCHASES, decided, undecided
from tests.support.trace_picture import drawn
from tests.support.world import TWILIO_ACCOUNT, TWILIO_NUMBER, TWILIO_TOKEN, policies

TITLE, COMMENT = "Steel for hall seven", "Only this quarter"
SECRET = "this-secret-signs-addresses-of-pages"
HEADER = "what-the-collector-is-shown"
# The caller says that nothing of its trace is kept.
CALLER = f"00-{'a' * 32}-{'b' * 16}-00"
PICTURES = os.environ.get("COUNTERSIGN_PICTURES")


def chain(spans: list[Span], last: Span) -> Iterator[str]:
    """The names from a span up to the one where its trace begins."""
    by_id = {span.span_id: span for span in spans}
    found: Span | None = last
    while found is not None:
        yield found.name
        found = by_id.get(found.parent_span_id)


def attributes(span: Span) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


async def test_a_walk_leaves_traces_and_a_log_and_no_secret_in_either(tmp_path: Path) -> None:
    token = TokenFile(tmp_path / TOKENS).create("agent", "U0RITA", ["request", "read"])
    async with Collector() as collector:
        world = ProcessOfWorld(
            tmp_path,
            policies("sms"),
            sms=True,
            settings={
                "COUNTERSIGN_SECRET": SECRET,
                "COUNTERSIGN_ACCESS_LOG": "on",
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
                "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={HEADER}",
                "OTEL_BSP_SCHEDULE_DELAY": "200",  # milliseconds
                "OTEL_SERVICE_NAME": "approvals",
                "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
            },
        )
        async with world, world.person("U0RITA") as rita, world.person("U0ADA") as ada:
            async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
                asked = {"policy": "purchase", "title": TITLE, "amount": 12400, "description": COMMENT}
                headers = {"traceparent": CALLER}
                async with http.post(f"{world.url}/api/approvals", json=asked, headers=headers) as answer:
                    assert answer.status == 202, await answer.text()
                    request_id, received = (await answer.json())["id"], answer.headers["X-Request-ID"]
                card = await ada.wait_for_message(PURCHASES, undecided)
                await ada.click(PURCHASES, card["ts"], "approve")
                sms = await ada.wait_for_text(lambda text: "reply" in text["body"])
                code = re.findall(r"reply (\d{6})", sms["body"])[0]
                await ada.reply_sms(f"Hello {COMMENT}")
                await ada.reply_sms(code)
                await rita.wait_for_message(PURCHASES, decided)
                async with http.get(f"{world.url}/api/approvals/{request_id}?wait=30s") as answer:
                    assert answer.status == 200
                async with http.get(f"{world.url}/nowhere/{token}?code={token}") as answer:
                    assert answer.status == 404
            told = await rita.wait_for_message("D0RITA", lambda message: "approved" in message["text"])
            assert TITLE in told["text"]
            # What the process has sent by then is whole: it ends with what it has.
            await collector.until(lambda spans: any(span.name == "orchestration:approval" for span in spans))
        spans, lines = collector.spans, [json.loads(line) for line in world.log.splitlines()]

    one = {name: [span for span in spans if span.name == name] for name in (span.name for span in spans)}
    _leads_from_the_click_to_the_edit(spans, one)
    _is_whole(spans, request_id)
    _is_not_the_callers(one)
    assert collector.resource["service.name"] == "approvals"
    assert collector.resource["deployment.environment.name"] == "test"
    assert collector.authorized == {HEADER}

    _says_what_it_is_about(lines, request_id, received, one)
    numbers = ("2025550142", TWILIO_NUMBER[1:])
    secrets = (token, BOT_TOKEN, SIGNING_SECRET, TWILIO_TOKEN, TWILIO_ACCOUNT, SECRET, HEADER)
    for secret in (*numbers, *secrets, code, TITLE, COMMENT, "Ada", "Rita", "hooks.slack.com"):
        assert secret.encode() not in collector.raw, secret
        assert secret not in world.log, secret
    if PICTURES:
        (Path(PICTURES) / "trace.svg").write_text(drawn(spans))


def _leads_from_the_click_to_the_edit(spans: list[Span], one: dict[str, list[Span]]) -> None:
    edits = [list(chain(spans, edit)) for edit in one["slack chat.update"]]
    in_order = iter(edits[-1])
    steps = (
        "activity:edit_card",
        "orchestration_turn:approval",
        "orchestration_event:ApprovalDecision",
        "command approve",
        "slack block_actions",
        "POST /slack/events",
    )
    assert all(step in in_order for step in steps), edits[-1]
    [check] = one["activity:check_code"]
    assert [*chain(spans, check)][1:] == [
        "orchestration_turn:sms_challenge",
        "orchestration_event:SmsChallengeResponse",
        "POST /twilio/sms",
    ]
    [sent] = one["twilio messages.create"]
    assert "activity:send_code" in chain(spans, sent)
    [command] = one["command approve"]
    assert attributes(command)["countersign.policy"] == "purchase"


def _is_whole(spans: list[Span], request_id: str) -> None:
    known = {span.span_id for span in spans}
    assert [span.name for span in spans if span.parent_span_id and span.parent_span_id not in known] == []
    [whole] = [span for span in spans if span.name == "orchestration:approval"]
    assert attributes(whole)["durabletask.task.instance_id"] == request_id
    turns = [span for span in spans if span.name == "orchestration_turn:approval"]
    assert {attributes(turn)["durabletask.task.instance_id"] for turn in turns} == {request_id}
    # A turn is under the span of the whole, or has a link to it.
    assert all(
        turn.parent_span_id == whole.span_id or whole.span_id in {link.span_id for link in turn.links}
        for turn in turns
    )


def _is_not_the_callers(one: dict[str, list[Span]]) -> None:
    """It is kept though the caller said not to, in a trace that the caller did not choose, with a link to theirs."""
    [asked] = one["POST /api/approvals"]
    assert asked.parent_span_id == b""
    assert asked.trace_id != bytes.fromhex("a" * 32)
    [link] = asked.links
    assert (link.trace_id, link.span_id) == (bytes.fromhex("a" * 32), bytes.fromhex("b" * 16))


def _says_what_it_is_about(
    lines: list[dict[str, str]], request_id: str, received: str, one: dict[str, list[Span]]
) -> None:
    [asked] = [line for line in lines if line.get("request_id") == received]
    assert asked["message"].startswith("POST /api/approvals answered 202 in ")
    assert asked["trace_id"] == one["POST /api/approvals"][0].trace_id.hex()
    assert asked["instance_id"] == request_id
    [looked] = [line for line in lines if line["message"].startswith("GET /api/approvals/{id} answered 200")]
    assert looked["instance_id"] == request_id
    assert any(line["message"].startswith("GET unknown answered 404") for line in lines)
    assert all(line.keys() >= {"time", "level", "logger", "message"} for line in lines)

"""JSON that some reader would choke on, at every address that takes JSON: 400 with a sentence, and never 500."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bot.http.api import json_text
from bot.http.api.problems import Problem
from tests.support import PATIENCE_S
from tests.support.api_world import ApiWorld

pytestmark = pytest.mark.asyncio(loop_scope="session")

RUNTIME = "/runtime/webhooks/durabletask"
NUL = "the character U+0000"
DEEP = "nested too deeply"
BODIES: list[tuple[str, bytes, str]] = [
    ("arrays", b"[" * 400 + b"]" * 400, DEEP),
    ("objects", b'{"a":' * 400 + b"1" + b"}" * 400, DEEP),
    ("one level too many", b"[" * 101 + b"]" * 101, DEEP),
    ("without end", b"[" * 100_000, DEEP),
    ("deep in a member", b'{"title": ' + b"[" * 300 + b"]" * 300 + b"}", DEEP),
    ("unclosed", b"[[[", "not valid JSON"),
    ("nothing", b" ", "not valid JSON"),
    ("two values", b"1 2", "not valid JSON"),
    ("a huge number", b"1e999", "out of range"),
    ("a huge number in a member", b'{"amount": -1e400}', "out of range"),
    ("a huge integer", b"9" * 400, "out of range"),
    ("an integer of many digits", b"[" + b"9" * 5000 + b"]", "out of range"),
    ("NaN", b'{"amount": NaN}', "NaN is no number"),
    ("infinity", b"[-Infinity]", "-Infinity is no number"),
    ("half of a pair", b'"\\ud800"', "surrogate"),
    ("half of a pair as a name", b'{"\\udfff": 1}', "surrogate"),
    ("a name twice", b'{"choice": "reject", "choice": "approve"}', "'choice' stands more than once"),
    ("a name twice inside", b'[{"a": {"b": 1, "b": 1}}]', "'b' stands more than once"),
    ("NUL", b'{"title": "a\\u0000b"}', NUL),
    ("NUL as a name", b'{"\\u0000": 1}', NUL),
    ("a raw NUL", b'"\0"', "not valid JSON"),
    ("no UTF-8", b'"\xff"', "not UTF-8"),
    ("UTF-16", '"a"'.encode("utf-16"), "not UTF-8"),
]


async def test_every_address_that_takes_json_refuses_it_in_words(api: ApiWorld) -> None:
    root = api.token("root")
    waiting = await api.client.schedule_new_orchestration("listener", input="Paid")
    hook = {"instance_id": waiting, "event_name": "Paid"}
    keyed = (await api.call("POST", "/api/hooks", root, json=hook)).body["url"]
    request_id = await api.ask(root)
    named = {"id": request_id, "event_name": "Paid", "name": "listener", "key": "k", "instance_id": "x"}
    addresses = [
        keyed if endpoint.path.startswith("/hooks/") else endpoint.path.format(**named)
        for endpoint in api.app.api.authenticator.endpoints
        if endpoint.body or endpoint.any_body
    ]
    assert len(addresses) > 6

    async def refused(address: str, body: bytes, words: str) -> None:
        of = address.replace(request_id, waiting) if RUNTIME in address else address
        headers = {"Content-Type": "application/json"}
        answer = await api.call("POST", of, root, data=body, headers=headers)
        if words == NUL and answer.status == 422:
            return  # its field is named
        assert answer.status == 400, (of, body[:40], answer.body)
        assert words in answer.body["detail"], (of, body[:40], answer.body)

    for address in addresses:
        await asyncio.gather(*(refused(address, body, words) for _, body, words in BODIES))
    plain = await api.call("POST", keyed, data=b"a\0b", headers={"Content-Type": "text/plain"})
    assert (plain.status, NUL in plain.body["detail"]) == (400, True)


@pytest.mark.parametrize(
    "value",
    [
        None,
        0.1,
        -(2**63),
        10**300,
        "\U0001f600 \u2028 \x7f",
        {"": {"a": [[], {}, [None, True]]}},
        json.loads("[" * 100 + "]" * 100),
    ],
)
async def test_what_is_taken_arrives_as_it_was_sent(api: ApiWorld, value: Any) -> None:
    root = api.token("root")
    waiting = await api.client.schedule_new_orchestration("listener", input="Paid")
    place = f"{RUNTIME}/instances/{waiting}"
    sent = await api.call(
        "POST",
        f"{place}/raiseEvent/Paid",
        root,
        data=json.dumps(value),
        headers={"Content-Type": "application/json"},
    )
    assert sent.status == 202
    await api.client.wait_for_orchestration_completion(waiting, timeout=PATIENCE_S)
    answer = await api.call("GET", place, root)
    assert (answer.status, answer.body["output"]) == (200, value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[1]", [1]),
        ("NaN", "NaN"),
        ("[" * 400, "[" * 400),
        ('"\\ud800"', '"\\ud800"'),
        ("", None),
        (None, None),
    ],
)
async def test_what_another_program_left_is_shown_as_json_or_as_its_text(
    text: str | None, shown: object
) -> None:
    found = json_text.shown(text)
    assert found == shown
    json.loads(json_text.write(found))


async def test_what_is_read_can_be_written() -> None:
    for name, body, _ in BODIES:
        with pytest.raises(Problem):
            json_text.payload(json_text.parse(body))
        assert name

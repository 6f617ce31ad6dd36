"""The hook of a coding agent, as a process, against a running bot: what passes, what waits, and what blocks."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.api_world import ApiWorld
from tests.support.hook import GATE, HookAnswer, an_input, hook_answer, start_hook
from tests.support.world import request_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    file = tmp_path / "gate.toml"
    file.write_text(GATE)
    return file


def a_command() -> dict[str, Any]:
    """A call that no other test makes, and no rule names."""
    return an_input("Bash", command=f"make release ID={secrets.token_hex(4)}")


async def run(url: str, token: str | None, gate: Path, given: Any, *more: str) -> HookAnswer:
    return await hook_answer(await start_hook(url, token, gate, given, *more))


async def on_card(api: ApiWorld, given: dict[str, Any]) -> list[str]:
    """The requests whose cards show the command, once there is one."""
    command = given["tool_input"]["command"]
    await api.eventually(lambda: bool(api.titled(command)))
    return api.titled(command)


async def decide(api: ApiWorld, request_id: str, choice: str) -> None:
    ada = api.token("ada", "U0ADA", "decide:deploy")
    assert (await api.decide(ada, request_id, choice, comment="Not on a Friday.")).status == 200


@pytest.mark.parametrize(
    ("given", "decision", "reason"),
    [
        (an_input("Read", file_path="/etc/hosts"), "allow", "By rule 1 of the gate file."),
        (an_input("Bash", command="git status --short"), "allow", "By rule 2 of the gate file."),
        (an_input("Bash", command="git status; rm -rf /"), "deny", "Nothing is removed here."),
        (an_input("WebFetch", url="https://example.com"), "ask", "By rule 4 of the gate file."),
    ],
    ids=["allow", "simple command", "deny", "client"],
)
async def test_the_rules_decide_without_a_server(
    gate: Path, given: dict[str, Any], decision: str, reason: str
) -> None:
    answer = await run(NOWHERE, None, gate, given)
    assert (answer.status, answer.decision, answer.reason, answer.err) == (0, decision, reason, "")


async def test_an_approved_call_is_allowed_once_and_the_same_call_is_asked_anew(
    api: ApiWorld, gate: Path
) -> None:
    agent, given = api.token("agent", "U0RITA", "request"), a_command()
    hooks = [await start_hook(api.url, agent, gate, given) for _ in range(2)]
    [request_id] = await on_card(api, given)
    await api.eventually(lambda: api.app.api.polls == 2)
    await decide(api, request_id, "approve")
    answers = [await hook_answer(hook) for hook in hooks]
    assert sorted(str(answer.decision) for answer in answers) == ["allow", "deny"]
    assert {answer.status for answer in answers} == {0}
    refused = next(answer for answer in answers if answer.decision == "deny")
    assert refused.reason.startswith(("The approval was used before", "People are still asked"))

    again = await run(api.url, agent, gate, given, "--wait", "1s")
    assert again.decision == "deny"
    assert again.reason.startswith("People are still asked: ")
    assert len(api.titled(given["tool_input"]["command"])) == 2


async def test_a_rejected_call_gets_the_reason_and_a_changed_argument_asks_anew(
    api: ApiWorld, gate: Path
) -> None:
    agent, given = api.token("agent", "U0RITA", "request"), a_command()
    hook = await start_hook(api.url, agent, gate, given)
    [request_id] = await on_card(api, given)
    await decide(api, request_id, "reject")
    answer = await hook_answer(hook)
    assert (answer.status, answer.decision) == (0, "deny")
    assert answer.reason == f"The call is refused: {request_id} rejected by U0ADA: “Not on a Friday.”"
    given["tool_input"]["command"] += " --force"
    changed = await start_hook(api.url, agent, gate, given)
    [other] = await on_card(api, given)
    assert other != request_id
    await decide(api, other, "approve")
    assert (await hook_answer(changed)).decision == "allow"


@pytest.mark.parametrize(
    ("command", "decision", "says"),
    [
        ("make release DRY=1", "allow", "approved by U0ADA"),
        ("git status", "allow", "approved by U0ADA"),
        ("rm -r /srv", "deny", "the gate file denies that: Nothing is removed here. The call was not made."),
        ("sudo make", "deny", "the gate file has that asked under release. The call was not made."),
    ],
)
async def test_a_call_that_people_changed_is_made_as_the_gate_file_leaves_it_to_them(
    api: ApiWorld, gate: Path, command: str, decision: str, says: str
) -> None:
    stricter = '[[rules]]\ntool = "Bash"\nwhen = \'arguments.command.startsWith("sudo ")\'\naction = "ask"\n'
    gate.write_text(GATE.replace('"deploy"', '"agents"') + stricter + 'policy = "release"\n')
    agent, given = api.token("agent", "U0RITA", "request"), a_command()
    given["tool_input"] |= {"env": {"KEY": "hunter2"}, "timeout": 5.0}
    hook = await start_hook(api.url, agent, gate, given)
    [request_id] = await on_card(api, given)
    ada = api.token("ada", "U0ADA", "decide:agents")
    masked = await api.decide(ada, request_id, edits={"arguments.env.KEY": "mine"})
    assert (masked.status, masked.fields) == (422, {"edits.arguments.env.KEY"})
    assert (await api.decide(ada, request_id, edits={"arguments.command": command})).status == 200
    answer = await hook_answer(hook)
    assert (answer.status, answer.decision) == (0, decision)
    assert says in answer.reason
    changed = given["tool_input"] | {"command": command}
    assert answer.updated == (changed if decision == "allow" else None)
    assert (f'{{"command": "{command}"}}' in answer.told) is (decision == "allow")


async def test_a_hook_that_gave_up_or_was_killed_is_joined_by_the_same_call(
    api: ApiWorld, gate: Path
) -> None:
    agent, given = api.token("agent", "U0RITA", "request"), a_command()
    killed = await start_hook(api.url, agent, gate, given)
    [request_id] = await on_card(api, given)
    killed.kill()
    assert (await hook_answer(killed)).out == ""
    stopped = await start_hook(api.url, agent, gate, given)
    # A process in real time, which says nothing until it ends: it may be starting, or waiting by now.
    await asyncio.sleep(0.5)
    stopped.send_signal(signal.SIGTERM)
    ended = await hook_answer(stopped)
    assert ended.status in {2, -signal.SIGTERM}  # which one, depends on whether Python had started
    assert ended.out == ""
    await decide(api, request_id, "approve")
    answer = await run(api.url, agent, gate, given)
    assert (answer.status, answer.decision) == (0, "allow")
    assert len(api.titled(given["tool_input"]["command"])) == 1


async def test_a_bot_that_restarts_while_people_decide_loses_nothing(own_api: ApiWorld, gate: Path) -> None:
    api, given = own_api, a_command()
    agent = api.token("agent", "U0RITA", "request")
    hook = await start_hook(api.url, agent, gate, given)
    [request_id] = await on_card(api, given)
    await api.stop()
    blocked = await run(api.url, agent, gate, a_command())
    assert (blocked.status, blocked.out) == (2, "")
    assert "cannot be reached" in blocked.err
    await api.start()
    await decide(api, request_id, "approve")
    answer = await hook_answer(hook)
    assert (answer.status, answer.decision) == (0, "allow")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "is not valid JSON"),
        (b"{", "is not valid JSON"),
        (b"[]", "is not the input of a PreToolUse hook"),
        (b"\xff", "is not UTF-8"),
        (b'{"hook_event_name": "PostToolUse"}', "is not the input of a PreToolUse hook"),
        (b'{"hook_event_name": "PreToolUse", "tool_name": "Read"}', "has no tool_name, tool_input and cwd"),
        (
            b'{"hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_name": "Read", "tool_input": {}}',
            "has a name twice",
        ),
        (json.dumps(an_input("Read", n=2**53)).encode(), "beyond 2^53"),
        (json.dumps(an_input("Read", text="\ud800")).encode(), "half of a surrogate pair"),
        (json.dumps(an_input("Read", text="x" * 300_000)).encode(), "is over 256 KB"),
    ],
)
async def test_what_cannot_be_read_alike_by_all_is_blocked(gate: Path, raw: bytes, words: str) -> None:
    answer = await run(NOWHERE, None, gate, raw)
    assert (answer.status, answer.out) == (2, "")
    [line] = answer.err.splitlines()
    assert words in line


async def test_whatever_is_missing_blocks_with_status_2_and_one_line(
    api: ApiWorld, gate: Path, tmp_path: Path
) -> None:
    given, reader = a_command(), api.token("reader", "U0RITA", "read")
    broken = tmp_path / "broken.toml"
    broken.write_text('agent = "a"\nrulez = []\n')
    nobody = tmp_path / "nobody.toml"
    nobody.write_text('agent = "a"\ndefault_policy = "nothing"\n')
    agent = api.token("agent", "U0RITA", "request")
    for url, token, file, more, words in (
        (api.url, None, gate, (), "COUNTERSIGN_TOKEN: is not set"),
        (api.url, "csn_wrong", gate, (), "Send a valid token"),
        (api.url, reader, gate, (), "scope"),
        ("nowhere", agent, gate, (), "COUNTERSIGN_URL"),
        (api.url, agent, tmp_path / "none.toml", (), "cannot be read"),
        (api.url, agent, broken, (), "there is no such key"),
        (api.url, agent, nobody, (), "there is no 'nothing'"),
        (api.url, agent, gate, ("--wait", "soon"), "is not a duration"),
        (api.url, agent, gate, ("--nonsense",), "unrecognized arguments"),
    ):
        answer = await run(url, token, file, given, *more)
        assert (answer.status, answer.out) == (2, ""), words
        assert words in answer.err
        assert "Traceback" not in answer.err


async def test_the_server_that_the_gate_file_names_is_the_one_that_is_asked(
    api: ApiWorld, gate: Path
) -> None:
    gate.write_text(f'server = "{api.url}"\n{GATE}')
    given = a_command()
    hook = await start_hook(NOWHERE, api.token("agent", "U0RITA", "request"), gate, given)
    [request_id] = await on_card(api, given)
    [card] = [card for card in api.cards() if request_of(card) == request_id]
    assert card.channel == "C0DEPLOYS"
    await decide(api, request_id, "approve")
    assert (await hook_answer(hook)).decision == "allow"

"""The hook of a coding agent against a running bot: what passes, what waits, and what blocks.

What only a process does, such as ending with 2, is tested with processes; each takes half a second of processor
time to start. All else runs in a thread of the test.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
from pathlib import Path
from typing import Any

import pytest

from bot.cli.hook import decided
from bot.coding_agents.clients import CLIENTS
from orchestration.domain.errors import CountersignError
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


def here(
    url: str, token: str | None, gate: Path, given: Any, seconds: float = 60, client: str = "claude-code"
) -> asyncio.Task[HookAnswer]:
    """Run the hook in a thread. An exception gives the status 2, as in a process."""
    raw = json.dumps(given).encode()
    environment = {"COUNTERSIGN_URL": url} | ({"COUNTERSIGN_TOKEN": token} if token else {})

    def run() -> HookAnswer:
        try:
            answer = decided(CLIENTS[client], lambda _: raw, gate, seconds, environment)
        except CountersignError as error:
            return HookAnswer(2, "", str(error))
        return HookAnswer(answer.status, json.dumps(answer.out or {}), answer.err)

    return asyncio.create_task(asyncio.to_thread(run))


async def on_card(api: ApiWorld, given: dict[str, Any]) -> list[str]:
    """The requests whose cards show the command, once there is one."""
    command = given["tool_input"]["command"]
    await api.eventually(lambda: bool(api.titled(command)))
    return api.titled(command)


async def decide(api: ApiWorld, request_id: str, choice: str) -> None:
    ada = api.token("ada", "U0ADA", "decide:deploy")
    assert (await api.decide(ada, request_id, choice, comment="Not on a Friday.")).status == 200


async def test_as_a_process_it_decides_by_the_rules_without_a_server(gate: Path) -> None:
    calls = (
        (an_input("Read", file_path="/etc/hosts"), "allow", "By rule 1 of the gate file."),
        (an_input("Bash", command="git status; rm -rf /"), "deny", "Nothing is removed here."),
    )
    hooks = [await start_hook(NOWHERE, None, gate, given) for given, _, _ in calls]
    for hook, (_, decision, reason) in zip(hooks, calls, strict=True):
        answer = await hook_answer(hook)
        assert (answer.status, answer.decision, answer.reason, answer.err) == (0, decision, reason, "")


async def test_an_approved_call_is_allowed_once_and_the_same_call_is_asked_anew(
    api: ApiWorld, gate: Path
) -> None:
    agent, given = api.token("agent", "U0RITA", "request"), a_command()
    hooks = [here(api.url, agent, gate, given) for _ in range(2)]
    [request_id] = await on_card(api, given)
    await api.eventually(lambda: api.app.api.polls >= 2)
    await decide(api, request_id, "approve")
    answers = await asyncio.gather(*hooks)
    assert sorted(str(answer.decision) for answer in answers) == ["allow", "deny"]
    assert {answer.status for answer in answers} == {0}
    refused = next(answer for answer in answers if answer.decision == "deny")
    assert refused.reason.startswith(("The approval was used before", "People are still asked"))

    again = await here(api.url, agent, gate, given, seconds=1)
    assert again.decision == "deny"
    assert again.reason.startswith("People are still asked: ")
    assert len(api.titled(given["tool_input"]["command"])) == 2


async def test_a_rejected_call_gets_the_reason_and_a_changed_argument_asks_anew(
    api: ApiWorld, gate: Path
) -> None:
    agent, given = api.token("agent", "U0RITA", "request"), a_command()
    hook = here(api.url, agent, gate, given)
    [request_id] = await on_card(api, given)
    await decide(api, request_id, "reject")
    answer = await hook
    assert (answer.status, answer.decision) == (0, "deny")
    assert answer.reason == f"The call is refused: {request_id} rejected by U0ADA: “Not on a Friday.”"
    given["tool_input"]["command"] += " --force"
    changed = here(api.url, agent, gate, given)
    [other] = await on_card(api, given)
    assert other != request_id
    await decide(api, other, "approve")
    assert (await changed).decision == "allow"


async def test_the_same_call_by_another_client_is_another_call(api: ApiWorld, gate: Path) -> None:
    """Gemini names the tool differently; Codex cannot make a call that people changed. Each is told in its own way."""
    agent, given = api.token("agent", "U0RITA", "request"), a_command()
    gemini = given | {"hook_event_name": "BeforeTool", "tool_name": "run_shell_command"}
    hooks = [
        here(api.url, agent, gate, given),
        here(api.url, agent, gate, given, client="codex"),
        here(api.url, agent, gate, gemini, client="gemini"),
    ]
    command = given["tool_input"]["command"]
    await api.eventually(lambda: len(api.titled(command)) == 3)
    for request_id in api.titled(command):
        await decide(api, request_id, "reject")
    claude, codex, other = await asyncio.gather(*hooks)
    assert claude.decision == "deny"
    for answer in (codex, other):
        assert answer.status == 2
        assert "“Not on a Friday.”" in answer.err


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
    stopped = await start_hook(api.url, agent, gate, given)
    [request_id] = await on_card(api, given)
    killed.kill()
    assert (await hook_answer(killed)).out == ""
    await api.eventually(lambda: api.app.api.polls >= 1)
    stopped.send_signal(signal.SIGTERM)
    ended = await hook_answer(stopped)
    assert ended.status in {2, -signal.SIGTERM}  # which of the two depends on whether Python had started
    assert ended.out == ""
    await decide(api, request_id, "approve")
    answer = await hook_answer(await start_hook(api.url, agent, gate, given))
    assert (answer.status, answer.decision) == (0, "allow")
    assert len(api.titled(given["tool_input"]["command"])) == 1


async def test_a_bot_that_restarts_while_people_decide_loses_nothing(own_api: ApiWorld, gate: Path) -> None:
    api, given = own_api, a_command()
    agent = api.token("agent", "U0RITA", "request")
    hook = here(api.url, agent, gate, given)
    [request_id] = await on_card(api, given)
    await api.stop()
    blocked = await here(api.url, agent, gate, a_command())
    assert (blocked.status, blocked.out) == (2, "")
    assert "cannot be reached" in blocked.err
    await api.start()
    await decide(api, request_id, "approve")
    answer = await hook
    assert (answer.status, answer.decision) == (0, "allow")


async def test_whatever_is_missing_blocks(api: ApiWorld, gate: Path, tmp_path: Path) -> None:
    given, reader = a_command(), api.token("reader", "U0RITA", "read")
    broken = tmp_path / "broken.toml"
    broken.write_text('agent = "a"\nrulez = []\n')
    nobody = tmp_path / "nobody.toml"
    nobody.write_text('agent = "a"\ndefault_policy = "nothing"\n')
    agent = api.token("agent", "U0RITA", "request")
    for url, token, file, words in (
        (api.url, None, gate, "COUNTERSIGN_TOKEN: is not set"),
        (api.url, "csn_wrong", gate, "Send a valid token"),
        (api.url, reader, gate, "scope"),
        ("nowhere", agent, gate, "COUNTERSIGN_URL"),
        (api.url, agent, tmp_path / "none.toml", "cannot be read"),
        (api.url, agent, broken, "there is no such key"),
        (api.url, agent, nobody, "there is no 'nothing'"),
    ):
        answer = await here(url, token, file, given)
        assert (answer.status, answer.out) == (2, ""), words
        assert words in answer.err


async def test_as_a_process_whatever_fails_ends_with_2_and_says_why(gate: Path, tmp_path: Path) -> None:
    """For each client: a status of 2 without a reason lets the call through in some of them."""
    given = a_command()
    failing = (
        ("claude-code", b"\xff", (), "is not UTF-8"),
        ("codex", given, (), "COUNTERSIGN_TOKEN: is not set"),
        ("gemini", given, ("--gate", str(tmp_path / "none")), "is not the input of a BeforeTool hook"),
        ("cursor", given, ("--wait", "soon"), "is not a duration"),
        ("copilot", given, ("--nonsense",), "unrecognized arguments"),
        ("another", given, (), "invalid choice"),
    )
    hooks = [
        await start_hook(NOWHERE, None, gate, given, *more, client=client)
        for client, given, more, _ in failing
    ]
    for hook, (client, _, _, words) in zip(hooks, failing, strict=True):
        answer = await hook_answer(hook)
        assert (answer.status, answer.out) == (2, ""), client
        assert words in answer.err
        assert "Traceback" not in answer.err


async def test_the_server_that_the_gate_file_names_is_the_one_that_is_asked(
    api: ApiWorld, gate: Path
) -> None:
    gate.write_text(f'server = "{api.url}"\n{GATE}')
    given = a_command()
    hook = here(NOWHERE, api.token("agent", "U0RITA", "request"), gate, given)
    [request_id] = await on_card(api, given)
    [card] = [card for card in api.cards() if request_of(card) == request_id]
    assert card.channel == "C0DEPLOYS"
    await decide(api, request_id, "approve")
    assert (await hook).decision == "allow"

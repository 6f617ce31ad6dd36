"""The command line against a running API: what it prints and how it exits."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import ClientError

from bot.cli.main import main
from bot.security.tokens import TokenFile
from tests.support import PATIENCE_S, ROOT
from tests.support.api_world import ApiWorld
from tests.support.hub_forms import identity

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def start(url: str, token: str, *arguments: str, **more: str) -> Process:
    environment = {"PATH": os.environ["PATH"], "COUNTERSIGN_URL": url, "COUNTERSIGN_TOKEN": token, **more}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", *arguments, cwd=ROOT, env=environment, stdout=PIPE, stderr=PIPE
    )


async def ended(process: Process) -> tuple[int | None, str, str]:
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    return process.returncode, out.decode(), err.decode()


async def run(url: str, token: str, *arguments: str, **more: str) -> tuple[int | None, str, str]:
    return await ended(await start(url, token, *arguments, **more))


@pytest.mark.parametrize(
    ("choice", "status", "words"),
    [("approve", 0, "approved by U0ADA: “Fine.”"), ("reject", 1, "rejected by U0ADA: “Fine.”")],
)
async def test_ask_waits_and_exits_with_the_answer(
    api: ApiWorld, choice: str, status: int, words: str
) -> None:
    ada = api.token("ada", "U0ADA", "decide:deploy")
    title = f"To {choice}"
    ask = await start(api.url, api.token("ci"), "ask", title, "--policy", "deploy", "--field", "service=web")
    request_id = await api.asked(title)
    assert (await api.decide(ada, request_id, choice, comment="Fine.")).status == 200
    code, out, err = await ended(ask)
    assert (code, out) == (status, f"{request_id} {words}\n")
    assert err.startswith(f"{request_id} · pending")


async def test_a_netrc_that_names_the_server_stands_in_nobody_s_way(api: ApiWorld, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login rita password hunter2\n")
    netrc.chmod(0o600)
    code, _, err = await run(api.url, api.token("ci"), "list", NETRC=str(netrc))
    assert (code, err) == (0, "")


async def test_ask_prints_the_outcome_as_json(api: ApiWorld) -> None:
    ada = api.token("ada", "U0ADA", "decide:deploy")
    ask = await start(api.url, api.token("ci"), "ask", "As JSON", "--policy", "deploy", "--json")
    request_id = await api.asked("As JSON")
    await api.decide(ada, request_id)
    code, out, _ = await ended(ask)
    outcome = json.loads(out)
    assert (code, outcome["request_id"], outcome["status"]) == (0, request_id, "approved")


async def test_ask_says_that_a_request_timed_out_and_that_waiting_did(own_api: ApiWorld) -> None:
    api = own_api
    ci = api.token("ci")
    ask = await start(api.url, ci, "ask", "Silence", "--policy", "deploy")
    await api.asked("Silence")
    await api.skip(minutes=31)
    code, out, _ = await ended(ask)
    assert code == 2
    assert "timed_out" in out
    code, _, err = await run(api.url, ci, "ask", "Impatient", "--policy", "deploy", "--wait", "1s")
    assert code == 5
    assert "it stays open" in err
    [impatient] = api.titled("Impatient")
    assert not (await api.service.status(impatient)).status.ended


@pytest.mark.parametrize(
    ("flags", "code", "status"), [((), 130, "pending"), (("--cancel-on-interrupt",), 3, "cancelled")]
)
async def test_an_interrupt_cancels_only_when_asked_to(
    api: ApiWorld, flags: tuple[str, ...], code: int, status: str
) -> None:
    ci, title = api.token("ci"), f"Interrupted {code}"
    ask = await start(api.url, ci, "ask", title, "--policy", "deploy", *flags)
    request_id = await api.asked(title)
    assert ask.stderr is not None
    await asyncio.wait_for(ask.stderr.readline(), PATIENCE_S)  # it is waiting
    ask.send_signal(signal.SIGINT)
    assert (await ended(ask))[0] == code
    assert (await api.service.status(request_id)).status == status


async def test_what_cannot_be_asked_exits_4_with_one_line(api: ApiWorld) -> None:
    ci = api.token("ci")
    cases: list[tuple[str, str, tuple[str, ...], str]] = [
        (api.url, ci, ("Beans", "--policy", "coffee"), "there is no 'coffee'"),
        (api.url, "csn_wrong", ("Beans", "--policy", "deploy"), "Send a valid token"),
        (api.url, ci, ("Beans", "--policy", "deploy", "--field", "nonsense"), "not NAME=VALUE"),
        (api.url, ci, ("Beans", "--policy", "deploy", "--json", "nonsense"), "there is no field 'nonsense'"),
        ("nowhere", ci, ("Beans", "--policy", "deploy"), "COUNTERSIGN_URL"),
        (api.url, "", ("Beans", "--policy", "deploy"), "COUNTERSIGN_TOKEN"),
        ("http://127.0.0.1:9", ci, ("Beans", "--policy", "deploy", "--wait", "1s"), "cannot be reached"),
    ]
    results = await asyncio.gather(*(run(url, token, "ask", *rest) for url, token, rest, _ in cases))
    for (code, out, err), (*_, words) in zip(results, cases, strict=True):
        assert (code, out) == (4, "")
        assert words in err
        assert "Traceback" not in err


async def test_status_list_cancel_export(own_api: ApiWorld) -> None:
    api = own_api
    ci = api.token("ci")
    first, second = await api.ask(ci, title="First"), await api.ask(ci, title="Sec\u200bond")
    code, out, _ = await run(api.url, ci, "status", first)
    shown = dict(line.split("\t") for line in out.splitlines())
    assert (code, shown["id"], shown["status"], shown["level"]) == (0, first, "pending", "On call: 0 of 1")
    code, out, _ = await run(api.url, ci, "cancel", second, "--reason", "No need.")
    assert code == 0
    await api.until(second, lambda progress: progress.outcome is not None)
    (listed, just, newest), exported = await asyncio.gather(
        asyncio.gather(
            run(api.url, ci, "list", "--since", "1h"),
            run(api.url, ci, "list", "--status", "cancelled"),
            run(api.url, ci, "list", "--limit", "1", "--json", "id,title,amount"),
        ),
        run(api.url, ci, "export", "--since", "2020-01-01"),
    )
    rows = [line.split("\t") for line in listed[1].splitlines()]
    assert [(row[0], row[-1]) for row in rows] == [(second, "Second"), (first, "First")]
    assert [line.split("\t")[:2] for line in just[1].splitlines()] == [[second, "cancelled"]]
    assert json.loads(newest[1]) == [{"id": second, "title": "Second", "amount": None}]
    assert "There are more than these 1" in newest[2]
    lines = [json.loads(line) for line in exported[1].splitlines()]
    assert [(line["id"], line["status"]) for line in lines] == [(first, "pending"), (second, "cancelled")]
    assert lines[1]["outcome"]["comments"] == "No need."
    code, _, err = await run(api.url, ci, "status", "deploy-00000000")
    assert (code, "no request with that ID" in err) == (4, True)


async def test_a_token_that_may_decides_what_its_owner_was_shown(api: ApiWorld) -> None:
    ci, ada = api.token("ci"), api.token("ada", "U0ADA", "decide:deploy")
    reads = api.token("reads", "U0ADA", "read", "request", "admin")
    request_id, other = await api.ask(ci, title="Ship it"), await api.ask(ci, title="Not this")
    digest = json.loads((await run(api.url, ci, "status", request_id, "--json", "digest"))[1])["digest"]
    refused = await asyncio.gather(
        run(api.url, reads, "approve", request_id, "--digest", digest),
        run(api.url, ci, "approve", request_id, "--digest", digest),
        run(api.url, ada, "approve", request_id, "--digest", "0" * 64),
        run(api.url, ada, "approve", other, "--digest", digest),
        run(api.url, ada, "approve", request_id),
    )
    assert [code for code, *_ in refused] == [4] * 5, refused
    assert "asks something else now" in refused[2][2]
    assert "--digest: is needed" in refused[4][2]
    assert (await api.service.status(request_id)).status == "pending"
    code, out, err = await run(
        api.url, ada, "reject", other, "--digest", await digest_of(api, other), "--comment", "No."
    )
    assert (code, err) == (0, ""), out
    code, said = await at_terminal(api, ada, "no", "approve", request_id)
    assert (code, "nothing was decided" in said) == (4, True)
    code, said = await at_terminal(api, ada, "approve", "approve", request_id)
    assert (code, "  | Ship it" in said) == (0, True)
    assert [(await api.service.status(one)).status for one in (request_id, other)] == ["approved", "rejected"]


async def digest_of(api: ApiWorld, request_id: str) -> str:
    return (await api.service.status(request_id)).digest


async def at_terminal(api: ApiWorld, token: str, typed: str, *arguments: str) -> tuple[int | None, str]:
    """The status of a command whose person types one line, and what it showed on the terminal."""
    ours, theirs = os.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "bot", *arguments),
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "COUNTERSIGN_URL": api.url, "COUNTERSIGN_TOKEN": token},
            stdin=theirs,
            stdout=DEVNULL,
            stderr=theirs,
        )
        os.write(ours, f"{typed}\n".encode())
        code = await asyncio.wait_for(process.wait(), PATIENCE_S)
        return code, os.read(ours, 65536).decode()
    finally:
        os.close(theirs)
        os.close(ours)


async def test_tokens_are_made_listed_and_revoked_on_the_data_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COUNTERSIGN_DATA_DIR", str(tmp_path))

    def token(*arguments: str) -> tuple[int, str, str]:
        return main(["token", *arguments]), *capsys.readouterr()

    code, secret, _ = token(
        "create", "ci", "--owner", "U0RITA", "--scope", "request", "--scope", "decide:deploy"
    )
    assert (code, secret.startswith("csn_")) == (0, True)
    file = tmp_path / "tokens.toml"
    assert file.stat().st_mode & 0o777 == 0o600
    assert secret.strip() not in file.read_text()
    found = TokenFile(file).find(secret.strip())
    assert found is not None
    assert (found.name, found.owner, found.scopes) == (
        "ci",
        "U0RITA",
        frozenset({"request", "decide:deploy"}),
    )
    assert token("list")[1].split("\t")[:3] == ["ci", "U0RITA", "in force"]
    assert token("revoke", "ci")[0] == 0
    assert TokenFile(file).find(secret.strip()) is None
    assert "revoked" in token("list")[1]
    for wrong in (
        ("create", "ci", "--owner", "U0RITA", "--scope", "read"),
        ("create", "new", "--owner", "Rita", "--scope", "read"),
        ("create", "new", "--owner", "U0RITA", "--scope", "everything"),
        ("create", "new", "--owner", "U0RITA"),
        ("revoke", "ci"),
    ):
        code, _, err = token(*wrong)
        assert (code, err.count("\n")) == (4, 1)


async def served(api: ApiWorld) -> Process:
    """The bot of that world as a process of its own, once it answers."""
    environment = {"PATH": os.environ["PATH"], **api.settings(), **identity()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "run", cwd=ROOT, env=environment, stdout=DEVNULL, stderr=DEVNULL
    )
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(ClientError):
                if (await api.call("GET", "/healthz")).status == 200:
                    return process
            await asyncio.sleep(0.05)


async def test_ask_goes_on_over_a_killed_and_restarted_server(own_api: ApiWorld) -> None:
    """The server dies while `ask` waits; what was asked is on disk, and the answer still arrives."""
    api = own_api
    await api.stop()
    ci, ada = api.token("ci", "U0RITA", "request"), api.token("ada", "U0ADA", "decide:deploy")
    server = await served(api)
    ask = await start(api.url, ci, "ask", "Deploy through a crash?", "--policy", "deploy")
    try:
        assert ask.stderr is not None
        request_id = (await asyncio.wait_for(ask.stderr.readline(), PATIENCE_S)).split()[0].decode()
        server.kill()
        await server.wait()
        while b"cannot be reached" not in await asyncio.wait_for(ask.stderr.readline(), PATIENCE_S):
            assert ask.returncode is None
        server = await served(api)
        answer = await api.decide(ada, request_id)
        while answer.status in {
            409,
            503,
        }:  # until it is on its hub, and the round is open again to this process
            answer = await api.decide(ada, request_id)
        assert answer.status == 200
        code, out, _ = await ended(ask)
        assert (code, out) == (0, f"{request_id} approved by U0ADA\n")
    finally:
        with suppress(ProcessLookupError):
            server.kill()
        await server.wait()
        with suppress(ProcessLookupError):
            ask.kill()

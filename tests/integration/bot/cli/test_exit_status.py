"""The exit status of a command that cannot write its output: an approval never ends with the status of a rejection."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from tests.support import PATIENCE_S, ROOT
from tests.support.api_world import ApiWorld

pytestmark = pytest.mark.asyncio(loop_scope="session")

FULL = "No space left on device"
NO_READER = object()


async def run(environment: dict[str, str], words: tuple[str, ...], output: object) -> tuple[int | None, str]:
    """The status and the standard error of a command whose output is a full disk, closed, or has no reader."""
    full = os.open("/dev/full", os.O_WRONLY)
    command = [sys.executable, "-m", "bot", *words]
    if output is None:
        command = ["sh", "-c", 'exec "$@" >&-', "sh", *command]
    read, write = os.pipe()
    os.close(read)
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=full if output == FULL else write if output is NO_READER else PIPE,
        stderr=PIPE,
    )
    os.close(write)
    os.close(full)
    _, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert b"Traceback" not in err
    assert b"Exception ignored" not in err
    return process.returncode, err.decode()


# Runs each command in a fork, so that what all of them import is imported once.
FORKING = """
import json, os, sys
from bot.cli import api_client, ask, cancel, list, policies, status, token
from bot.cli.main import main

def ended(words):
    try:
        code = main(words)
    except SystemExit as error:
        code = error.code
    try:
        sys.stdout.flush()  # as Python does at its end
    except OSError:
        print("Exception ignored", file=sys.stderr)
        return 120
    return code

for words, full, said in json.load(sys.stdin):
    if not (child := os.fork()):
        read, write = os.pipe()
        os.close(read)
        os.dup2(os.open("/dev/full", os.O_WRONLY) if full else write, 1)
        os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT), 2)
        os._exit(ended(words))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


async def run_all(
    environment: dict[str, str], cases: list[tuple[tuple[str, ...], bool]], place: Path
) -> list[tuple[int, str]]:
    """The status and the standard error of each case. A case with True has a full disk, one with False no reader."""
    said = [place / f"{number}.said" for number in range(len(cases))]
    given = [(words, full, str(file)) for (words, full), file in zip(cases, said, strict=True)]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        FORKING,
        cwd=ROOT,
        stdin=PIPE,
        stdout=PIPE,
        env={"PATH": os.environ["PATH"], **environment},
    )
    out, _ = await asyncio.wait_for(process.communicate(json.dumps(given).encode()), 60)
    errors = [file.read_text() for file in said]
    assert not any("Traceback" in error or "Exception ignored" in error for error in errors), errors
    return list(zip(map(int, out.split()), errors, strict=True))


async def test_a_yes_that_cannot_be_written_is_no_no_and_no_yes(api: ApiWorld) -> None:
    """Without the output nobody knows what was approved, so the standard error says it."""
    ada = api.token("ada", "U0ADA", "decide:deploy")
    environment = {"COUNTERSIGN_URL": api.url, "COUNTERSIGN_TOKEN": api.token("ci")}
    cases = [
        ("Full", (), FULL, 4),
        ("Closed", ("--json",), None, 4),
        ("Unkept", ("--receipt", "/dev/shm/no-such-folder-countersign/r"), PIPE, 4),
        ("Unread", (), NO_READER, 0),
    ]
    asks = [
        asyncio.create_task(run(environment, ("ask", title, "--policy", "deploy", *more), output))
        for title, more, output, _ in cases
    ]
    for title, more, _, _ in cases:
        if not more or more == ("--json",):
            await api.decide(ada, await api.asked(title), comment="Fine.")
    for (title, more, output, status), (code, err) in zip(cases, await asyncio.gather(*asks), strict=True):
        assert code == status, err
        if title in {"Full", "Closed"}:
            [request_id] = api.titled(title)
            assert f"How it ended: {request_id} approved by U0ADA: “Fine.”" in err, (more, output)


async def test_what_each_command_ends_with_when_nobody_can_read_it(own_api: ApiWorld, tmp_path: Path) -> None:
    api = own_api
    root = api.token("root")
    first, second = await api.ask(root, title="First"), await api.ask(root, title="Second")
    third = await api.ask(root, title="Third")
    environment = {
        "COUNTERSIGN_URL": api.url,
        "COUNTERSIGN_TOKEN": root,
        "COUNTERSIGN_DATA_DIR": str(api.data),
        "COUNTERSIGN_POLICIES": str(api.policies),
        "PYTHONIOENCODING": "ascii",
    }
    silent: tuple[tuple[str, ...], ...] = (
        ("ask", "--help"),
        ("list",),
        ("export", "--since", "1d"),
        ("status", first),
        ("policies", "check", str(api.policies)),
        ("hub", "check", str(api.data / "hub.db")),
    )
    does = (
        (("cancel", second), ("cancel", third), second),
        (("token", "revoke", "ada"), ("token", "revoke", "bob"), "ada is refused"),
        (
            ("token", "create", "new", "--owner", "U0ADA", "--scope", "read"),
            ("token", "create", "newer", "--owner", "U0ADA", "--scope", "read"),
            "Nobody has seen the token new",
        ),
    )
    for name in ("ada", "bob"):
        api.tokens.create(name, "U0ADA", ("read",))
    cases = [(words, FULL, 4, FULL) for words in silent] + [(words, NO_READER, 0, "") for words in silent]
    cases += [(full, FULL, 4, said) for full, _, said in does]
    cases += [(unread, NO_READER, 0, "") for _, unread, _ in does]
    ended = await run_all(environment, [(words, output is FULL) for words, output, *_ in cases], tmp_path)
    for (words, output, status, said), (code, err) in zip(cases, ended, strict=True):
        assert code == status, (words, output, err)
        assert said in err, (words, output)
        if output is NO_READER and words[:2] != ("token", "create"):
            assert err == "", words


@pytest.mark.parametrize("words", [("list", "--nonsense"), ("hub", "--nonsense")])
async def test_a_wrong_option_is_never_a_request_that_nobody_decided(words: tuple[str, ...]) -> None:
    code, err = await run({}, words, PIPE)
    assert (code, "usage: countersign" in err) == (4, True), err


async def test_whoever_no_longer_waits_withdraws(api: ApiWorld) -> None:
    environment = {"COUNTERSIGN_URL": api.url, "COUNTERSIGN_TOKEN": api.token("ci")}
    words = ("ask", "Over", "--policy", "deploy", "--wait", "1s", "--withdraw-when-over")
    code, err = await run(environment, words, PIPE)
    assert code == 3, err
    [request_id] = api.titled("Over")
    assert (await api.service.status(request_id)).status == "cancelled"
    code, err = await run(environment, ("ask", "x", "--policy", "deploy", "--withdraw-when-over"), PIPE)
    assert (code, "--withdraw-when-over: goes with --wait" in err) == (4, True)

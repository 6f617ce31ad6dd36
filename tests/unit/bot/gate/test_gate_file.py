"""The gate file: every fault is found with its line, and a rule says of a call what it says."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.gate.gate_file import CallAction, GateFile, GateFileError, load, parse
from bot.gate.ruling import NO_RULE, Ruling, rule_on

HEAD = 'agent = "claude-code"\n'


def gate(rules: str, head: str = 'default_policy = "agents"\n') -> GateFile:
    return parse(HEAD + head + rules, "gate.toml")


def ruled(rules: str, tool: str, **arguments: Any) -> CallAction:
    command = arguments.get("command") if tool == "Bash" else None
    shell = command if isinstance(command, str) else None
    return rule_on(gate(rules), tool, arguments, command=shell).action


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "gate.toml:1: agent: is missing."),
        ("agent = \n", "gate.toml:1: is not valid TOML"),
        ("agent = " + "9" * 5000, "gate.toml: is not valid TOML: a number in it has too many digits."),
        ('agent = "a\u202eb"\n', "gate.toml:1: agent: "),
        (HEAD + "window = 5\n", "gate.toml:2: window: a duration needs its unit"),
        (HEAD + 'window = "2d"\n', "gate.toml:2: window: "),
        (HEAD + 'rulez = "x"\n', "gate.toml:2: rulez: there is no such key."),
        (HEAD + 'server = "ftp://x"\n', "gate.toml:2: server: "),
        (HEAD + 'mask = ["a..b"]\n', "gate.toml:2: mask.1: is no path, such as env.API_KEY or headers.*."),
        (HEAD + '[[rules]]\ntool = "Bash"\n', "gate.toml:2: rules.1.action: is missing."),
        (
            HEAD + '[[rules]]\ntool = "Read"\naction = "allow"\n[[rules]]\ntool = "Bash"\naction = "maybe"\n',
            "gate.toml:7: rules.2.action: ",
        ),
        (
            HEAD + '[[rules]]\ntool = "Bash"\naction = "allow"\nwhen = "argv[0] =="\n',
            "gate.toml:5: rules.1.when: is not CEL: ",
        ),
        (
            HEAD + '[[rules]]\ntool = "Bash"\naction = "allow"\nwhen = "argument.x == 1"\n',
            "gate.toml:5: rules.1.when: names argument, which there is not; there are agent, arguments, argv, ",
        ),
        (
            HEAD + '[[rules]]\ntool = "Bash"\naction = "allow"\nunless = "true"\n',
            "gate.toml:5: rules.1.unless: there is no such key.",
        ),
        (
            HEAD + '[[rules]]\ntool = "Bash"\naction = "deny"\n',
            'gate.toml:2: rules.1: needs a reason, which the agent is told: reason = "…".',
        ),
        (HEAD + '[[rules]]\ntool = "Bash"\naction = "ask"\n', "gate.toml:1: rule 1 asks and names no policy"),
        (
            HEAD + '[[rules]]\ntool = "Bash"\naction = "allow"\npolicy = "x"\n',
            "gate.toml:2: rules.1: policy: goes with ask alone.",
        ),
        (HEAD + "[[rules]]\ntool = []\naction = 'allow'\n", "gate.toml:2: rules.1: tool: names no tool."),
        (HEAD + "[[rules]]\ntool = 'a b'\naction = 'allow'\n", "rules.1.tool: is no pattern"),
    ],
)
def test_a_fault_has_its_line_and_says_what_to_do(text: str, fault: str) -> None:
    with pytest.raises(GateFileError) as refused:
        parse(text, "gate.toml")
    assert fault in str(refused.value)


def test_what_cannot_be_read_is_no_gate_file(tmp_path: Path) -> None:
    for place, words in ((tmp_path, "cannot be read"), (tmp_path / "none", "cannot be read")):
        with pytest.raises(GateFileError, match=words):
            load(place)
    (tmp_path / "bytes").write_bytes(b"\xff")
    with pytest.raises(GateFileError, match="is not UTF-8"):
        load(tmp_path / "bytes")
    (tmp_path / "long").write_text("#" * (1024 * 1024 + 1))
    with pytest.raises(GateFileError, match="is over 1024 KB"):
        load(tmp_path / "long")


def test_the_first_rule_that_fits_counts_and_what_none_names_is_asked_or_denied() -> None:
    rules = """
    [[rules]]
    tool = ["Read", "Gr*"]
    action = "allow"
    [[rules]]
    tool = "G*"
    action = "deny"
    reason = "No."
    [[rules]]
    tool = "mcp__db__*"
    action = "ask"
    policy = "database"
    mask = ["password"]
    window = "1h"
    """
    made = gate(rules, 'default_policy = "agents"\nmask = ["env.*"]\nwindow = "5m"\n')
    assert rule_on(made, "Grep", {}) == Ruling(
        CallAction.ALLOW, 1, policy="agents", mask=["env.*"], window=timedelta(minutes=5)
    )
    assert rule_on(made, "Glob", {}).reason == "No."
    assert rule_on(made, "mcp__db__drop", {}) == Ruling(
        CallAction.ASK, 3, policy="database", mask=["env.*", "password"], window=timedelta(hours=1)
    )
    assert rule_on(made, "read", {}) == Ruling(
        CallAction.ASK, policy="agents", mask=["env.*"], window=timedelta(minutes=5)
    )
    denied = rule_on(parse(HEAD, "gate.toml"), "Read", {})
    assert (denied.action, denied.reason) == (CallAction.DENY, NO_RULE)


def rule(action: str, when: str) -> str:
    more = {"deny": 'reason = "No."\n', "ask": 'policy = "agents"\n'}.get(action, "")
    return f"[[rules]]\ntool = \"*\"\naction = \"{action}\"\nwhen = '''{when}'''\n{more}"


@pytest.mark.parametrize(
    "when",
    [
        'arguments.missing == "x"',
        "arguments.text + 1 == 2",
        "arguments.text",
        "1 / arguments.zero == 1",
        'arguments.text.matches("(")',
        "nosuch(arguments)",
        'argv[0] == "git"',
        "arguments.list[5] == 1",
        "arguments.text.startsWith(1) == true",
    ],
)
@pytest.mark.parametrize(
    ("action", "becomes"),
    [
        ("allow", CallAction.ASK),
        ("client", CallAction.ASK),
        ("deny", CallAction.DENY),
        ("ask", CallAction.ASK),
    ],
)
def test_a_condition_that_cannot_be_told_takes_the_strict_side(
    when: str, action: str, becomes: CallAction
) -> None:
    arguments = {"text": "x", "zero": 0, "list": [1], "command": "git status; rm x"}
    found = rule_on(gate(rule(action, when)), "Bash", arguments, command="git status; rm x")
    assert found.action is becomes
    assert (found.rule == 1) is (action in {"deny", "ask"})


def test_to_leave_an_argument_out_gets_nobody_asked_about_what_is_denied() -> None:
    asks = rule("ask", 'argv[0] == "git"')
    denies = '[[rules]]\ntool = "*"\naction = "deny"\nreason = "No."\n'
    two = "git status; rm x"
    assert ruled(asks + denies, "Bash", command="git status") is CallAction.ASK
    assert ruled(asks + denies, "Bash", command=two) is CallAction.DENY
    assert ruled(asks + rule("deny", "arguments.x == 1"), "Bash", command=two) is CallAction.DENY
    assert rule_on(gate(asks, ""), "Bash", {"command": two}).reason == NO_RULE
    allows = '[[rules]]\ntool = "*"\naction = "allow"\n'
    assert rule_on(gate(asks + allows + denies), "Bash", {"command": two}).rule == 1


def test_to_leave_an_argument_out_does_not_choose_who_is_asked() -> None:
    def asks(when: str, policy: str, more: str = "") -> str:
        return f'[[rules]]\ntool = "*"\naction = "ask"\nwhen = \'{when}\'\npolicy = "{policy}"\n{more}'

    small, large = asks("arguments.sum <= 100", "team"), asks("arguments.sum > 100", "board")
    made = gate(small + large)
    assert [rule_on(made, "Pay", {"sum": sum_}).policy for sum_ in (100, 101)] == ["team", "board"]
    for arguments in ({}, {"sum": "1"}):
        denied = rule_on(made, "Pay", arguments)
        assert denied.action is CallAction.DENY
        assert "by rule 1, rule 2 and the default policy" in denied.reason
    # One that is certain, and the file's default, count as much as one that is not.
    certain = '[[rules]]\ntool = "*"\naction = "ask"\npolicy = "board"\n'
    assert "by rule 1 and rule 2" in rule_on(gate(small + certain), "Pay", {}).reason
    assert "by rule 1 and the default policy" in rule_on(gate(small), "Pay", {}).reason
    # What hides more, or counts for longer, asks differently too.
    for more in ('mask = ["iban"]\n', 'window = "1h"\n'):
        assert ruled(small + asks("arguments.sum > 100", "team", more), "Pay") is CallAction.DENY
    # Without a choice there is nothing to tell.
    same = gate(small + asks("arguments.to == 1", "team"), 'default_policy = "team"\n')
    assert rule_on(same, "Pay", {}) == Ruling(
        CallAction.ASK, 1, policy="team", mask=[], window=timedelta(minutes=10)
    )
    allows = '[[rules]]\ntool = "*"\naction = "allow"\n'
    assert ruled(small + allows, "Pay") is CallAction.ASK
    assert ruled(small + large + allows, "Pay") is CallAction.DENY


def test_conditions_see_the_arguments_and_the_words_of_a_simple_command() -> None:
    allowed = rule("allow", 'argv[0] == "git" && argv[1] in ["status", "log"] && size(arguments) == 1')
    assert ruled(allowed, "Bash", command="git status") is CallAction.ALLOW
    for command in ("git status; rm -rf /", "git push", "git $(x)", "'git status'"):
        assert ruled(allowed, "Bash", command=command) is CallAction.ASK
    assert ruled(allowed, "Bash", command="git status", dangerouslyDisableSandbox=True) is CallAction.ASK
    # What another tool does with a command is not known.
    assert ruled(allowed, "PowerShell", command="git status") is CallAction.ASK
    assert ruled(allowed, "Bash", command=["git", "status"]) is CallAction.ASK
    # Nothing that an argument is called stands for what the gate knows.
    assert ruled(allowed, "Bash", argv=["git", "status"]) is CallAction.ASK

    listed = rule("deny", "arguments.paths.exists(p, p.startsWith('/etc'))")
    assert ruled(listed, "Write", paths=["/srv", "/etc/passwd"]) is CallAction.DENY
    assert ruled(listed, "Write", paths=["/srv"]) is CallAction.ASK
    assert ruled(rule("allow", "arguments.n == 1"), "T", n=1.0) is CallAction.ALLOW
    assert ruled(rule("allow", "arguments.n == 1"), "T", n="1") is CallAction.ASK
    assert ruled(rule("allow", "arguments.n == 1"), "T", n=True) is CallAction.ASK
    assert ruled(rule("allow", "server == 'x' || directory == 'x'"), "T", server="x") is CallAction.ASK


def test_no_pattern_of_the_agent_s_takes_long() -> None:
    """The library's expressions take time in proportion to the text; a test run would not end otherwise."""
    slow = rule("allow", 'arguments.text.matches("^(a+)+$")')
    assert ruled(slow, "T", text="a" * 200_000 + "b") is CallAction.ASK


# In a process of its own, as a library can be loaded once.
LOADS = """
import sys, threading
from bot.gate.condition import Condition
found = []
def run():
    found.append(Condition('tool == "x"').holds({"tool": "x"}))
threads = [threading.Thread(target=run) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert found == [True] * 8, found
assert "prompt_toolkit" not in sys.modules
import cel
assert cel.evaluate("1 + 1") == 2
assert Condition('tool == "x"').holds({"tool": "x"}) is True
"""


def test_the_library_is_loaded_once_and_without_its_command_line() -> None:
    """Also by several threads at once, and where somebody imports the package itself, before or after."""
    for text in (LOADS, "import cel\n" + LOADS.replace('assert "prompt_toolkit" not in sys.modules', "")):
        done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")

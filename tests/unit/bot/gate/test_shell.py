"""Which shell commands are one simple command. Anything else, such as expansions, has no words."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.gate.shell import simple_command


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("git status", ["git", "status"]),
        ("  git\tstatus  ", ["git", "status"]),
        ("""git commit -m 'a; b && $(c)'""", ["git", "commit", "-m", "a; b && $(c)"]),
        ('git log "--format=%h %s"', ["git", "log", "--format=%h %s"]),
        ("g'i't st\"at\"us", ["git", "status"]),
        ("ls ''", ["ls", ""]),
        ("npm run build:prod -- --env=x,y", ["npm", "run", "build:prod", "--", "--env=x,y"]),
        ("curl https://example.com/a", ["curl", "https://example.com/a"]),
    ],
)
def test_a_simple_command_has_its_words(command: str, words: list[str]) -> None:
    assert simple_command(command) == words


@pytest.mark.parametrize(
    "command",
    [
        "",
        "   ",
        "git status; rm -rf /",
        "git status && rm x",
        "git status || rm x",
        "git status | sh",
        "git status & rm x",
        "git status\nrm x",
        "git status\r\nrm x",
        "git $(rm x)",
        "git `rm x`",
        'git "$(rm x)"',
        'git "`rm x`"',
        "git $HOME",
        "git ${x}",
        'git "$x"',
        "git > /etc/passwd",
        "git < /etc/passwd",
        "git <(rm x)",
        "(git status)",
        "{ git status; }",
        "git *",
        "git ?",
        "git [a]",
        "git {a,b}",
        "git ~root",
        "git #x",
        "git !!",
        'git "!!"',
        "git \\; rm",
        'git "\\x"',
        "git 'unended",
        'git "unended',
        "PATH=/tmp git status",
        "GIT_PAGER='sh' git log",
        "git =ls",
        "if true",
        "eval git",
        "exec git",
        "command git",
        ". ./x",
        "time git",
        "! git",
        "%1",
        "-x",
        "printf -v 'a[$(rm x)]' x",
        "test -v 'a[$(rm x)]'",
        "read 'a[$(rm x)]'",
        "let 'a[$(rm x)]'",
        "jobs -x rm x",
        "compgen -C 'rm x' a",
        "mapfile -C 'rm x' -c 1 a",
        "git 'a\nb'",
        "git \x00x",
        "git\u00a0status",
        "git ｓtatus",
        "''",
    ],
)
def test_what_may_be_more_than_one_program_has_none(command: str) -> None:
    assert simple_command(command) is None


# The special characters of a shell, and a few others.
SHELLISH = st.text(alphabet="ab =;&|<>()$`\"'\\*?[]{}~#!%^-+.\n\t\r,:@/é", min_size=1, max_size=14)


@given(SHELLISH)
def test_the_shell_takes_the_words_just_so(text: str) -> None:
    """A real shell passes exactly these words to one program, and does nothing else."""
    command = f"cat {text}"
    words = simple_command(command)
    if words is None or len(words) < 2:
        return
    shown = "printf '<%s>' " + text
    shell = shutil.which("bash") or "/bin/sh"
    ran = subprocess.run([shell, "-c", shown], capture_output=True, timeout=10, check=False, cwd="/")
    assert (ran.returncode, ran.stdout.decode()) == (0, "".join(f"<{word}>" for word in words[1:]))


def test_no_built_in_of_bash_runs_a_command_that_is_in_a_word(tmp_path: Path) -> None:
    """Tries each built-in of a real shell, with a command in the words that some of them would run."""
    shell = shutil.which("bash")
    if shell is None:
        pytest.skip("there is no bash here")
    listed = subprocess.run(
        [shell, "-c", "compgen -b"], capture_output=True, text=True, check=True, timeout=10
    )
    run = "'a[$(touch ran)]'"
    for name in listed.stdout.split():
        for words in (run, f"-v {run} x", f"-x {run}", "-C 'touch ran' a", "-x touch ran", f"x {run} -a"):
            if simple_command(command := f"{name} {words}") is not None:
                subprocess.run(
                    [shell, "-c", command],
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=10,
                    check=False,
                    cwd=tmp_path,
                )
                assert not (tmp_path / "ran").exists(), command

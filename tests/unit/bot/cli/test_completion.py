"""Completion in bash with the output of `countersign completion bash`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.cli.completion import SHELLS
from bot.cli.main import main

# Completes each line as bash does: it calls the registered function with these variables.
SCRIPT = """
source <(countersign completion bash)
called=$(complete -p countersign | sed 's/.*-F \\([^ ]*\\).*/\\1/')
for COMP_LINE in "$@"; do
    COMP_POINT=${#COMP_LINE} COMP_TYPE=9 COMPREPLY=()
    $called countersign "${COMP_LINE##* }" ""
    echo "${COMPREPLY[@]}"
done
"""


def test_bash_completes_commands_options_values_and_fields() -> None:
    lines = {
        "countersign sta": ["status"],
        "countersign token cr": ["create"],
        "countersign list --status auto": ["auto_approved"],
        "countersign status --json id,card": ["id,card_url"],
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["/usr/bin/env", "bash", "-c", SCRIPT, "bash", *lines],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": path, "HOME": os.devnull},
    )
    assert [line.split() for line in ran.stdout.splitlines()] == [*lines.values()], ran.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_its_lines(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "countersign" in capsys.readouterr().out

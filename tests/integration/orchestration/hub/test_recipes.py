"""The recipe by which another program joins a hub, run as it stands in the guide."""

import subprocess
import sys
from pathlib import Path

from orchestration.hub import Hub
from tests.support.recipes import recipe


def test_a_program_joins_with_the_token(tmp_path: Path) -> None:
    program = recipe("join")
    with Hub(tmp_path / "hub.db", listen="127.0.0.1:0") as hub:
        assert "127.0.0.1:4001" in program
        program = program.replace("127.0.0.1:4001", hub.address)
        command = [sys.executable, "-c", program]
        said = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, check=True, timeout=60).stdout
    assert said.decode().splitlines()[-1] == '"Hello, Rita"'

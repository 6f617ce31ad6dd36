"""The time that the gate adds to an allowed call: the same calls go to a server directly and through the gate."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.mcp_gate import gate_command, scripted

GATE = """
agent = "bench"
default_policy = "deploy"

[[rules]]
tool = "write"
when = 'arguments.path.startsWith("/etc/")'
action = "deny"
reason = "Not there."

[[rules]]
tool = ["read_*", "look"]
when = '!arguments.path.contains("secret")'
action = "allow"
"""


def _median_ms(seconds: list[float]) -> float:
    return statistics.median(seconds) * 1000


def figures(directory: Path, calls: int) -> tuple[float, float, float]:
    """Medians in ms: of a call to the server alone, of one through the gate, and of the difference in each pair."""
    directory.mkdir()
    gate = directory / "gate.toml"
    gate.write_text(GATE)
    alone, gated = [], []
    with (
        _server(scripted(directory / "alone")) as server,
        _server(gate_command(gate, scripted(directory / "gated"))) as behind,
    ):
        for number in range(calls):
            alone.append(_call(server, number))
            gated.append(_call(behind, number))
    differences = [two - one for one, two in zip(alone, gated, strict=True)]
    return _median_ms(alone), _median_ms(gated), _median_ms(differences)


@contextmanager
def _server(command: list[str]) -> Iterator["subprocess.Popen[bytes]"]:
    environment = {"PATH": os.environ["PATH"], "COUNTERSIGN_TOKEN": "cs_bench"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=environment
    ) as process:
        _call(process, 0)
        yield process
        if process.stdin is not None:
            process.stdin.close()


def _call(process: "subprocess.Popen[bytes]", number: int) -> float:
    """Makes one call; returns the seconds it took."""
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the process has no pipes")
    params = {"name": "look", "arguments": {"path": f"/srv/{number}", "content": "x" * 1000}}
    line = json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}).encode()
    begun = time.perf_counter()
    process.stdin.write(line + b"\n")
    answer = process.stdout.readline()
    taken = time.perf_counter() - begun
    if b"look done" not in answer:
        raise RuntimeError(f"no answer: {answer!r}")
    return taken


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        print(figures(Path(place) / "mcp", int(sys.argv[1])))  # noqa: T201

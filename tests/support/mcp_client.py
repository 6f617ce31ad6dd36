"""A client that makes one call, as a program: starts the gate, makes the call, and prints the answer.

The first line that it prints is the gate's process ID. It imports nothing of Countersign.
"""

import json
import os
import subprocess
import sys
from typing import Any


def main() -> None:
    call, command = json.loads(sys.argv[1]), sys.argv[2:]
    gate = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    assert gate.stdin is not None
    assert gate.stdout is not None
    sys.stdout.write(f"{gate.pid}\n")
    sys.stdout.flush()

    def send(**body: Any) -> None:
        gate.stdin.write(json.dumps({"jsonrpc": "2.0", **body}).encode() + b"\n")  # type: ignore[union-attr]

    try:
        client = {"name": "one-call", "version": "1"}
        given = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
        send(id=0, method="initialize", params=given)
        send(method="notifications/initialized")
        send(id=1, method="tools/call", params=call)
        for line in iter(gate.stdout.readline, b""):
            body = json.loads(line)
            if body.get("id") == 1 and "method" not in body:
                sys.stdout.write(json.dumps(body) + "\n")
                sys.stdout.flush()
                break
    except BrokenPipeError:
        pass
    os._exit(0)  # ends as clients do, without waiting for its server


main()

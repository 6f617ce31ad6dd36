"""A minimal MCP server, as a program: it writes down what it gets, and each tool does what its name says.

It knows nothing of Countersign, and imports none of it.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

LOG = Path(sys.argv[1])


def send(**body: Any) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **body}) + "\n")
    sys.stdout.flush()


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], **more}


def call(body: dict[str, Any]) -> None:
    params = body["params"]
    tool, arguments = params["name"], params.get("arguments", {})
    match tool:
        case "slow":
            time.sleep(arguments["seconds"])
        case "die":
            sys.exit(7)
        case "progress":
            token = params["_meta"]["progressToken"]
            send(method="notifications/progress", params={"progressToken": token, "progress": 1})
        case "mute":
            return
        case "large":
            send(id=body["id"], result=said("x" * arguments["size"]))
            return
        case "forge":
            send(id=arguments["id"], result=said("forged"))
        case "fail":
            send(id=body["id"], error={"code": -32050, "message": "The disk is full."})
            return
        case "input" if "inputResponses" not in params:
            asked = {"name": {"method": "elicitation/create", "params": {"message": "Who?"}}}
            result = {"resultType": "input_required", "inputRequests": asked, "requestState": "s1"}
            send(id=body["id"], result=result)
            return
        case "secrets":
            import os  # noqa: PLC0415

            names = sorted(name for name in os.environ if name.startswith("COUNTERSIGN"))
            send(id=body["id"], result=said(f"{names}"))
            return
    send(id=body["id"], result=said(f"{tool} done", structuredContent={"tool": tool}))


for line in sys.stdin:  # Python also ends a line at a carriage return
    with LOG.open("a") as log:
        log.write(line.rstrip("\n") + "\n")
    try:
        got = json.loads(line)
    except ValueError:
        continue
    method = got.get("method")
    if method == "tools/call":
        call(got)
    elif method == "initialize":
        info = {"name": "plain", "version": "1"}
        send(
            id=got["id"],
            result={"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info},
        )
    elif method == "server/discover":
        send(id=got["id"], result={"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}})
    elif method == "tools/list":
        schema = {"type": "object", "properties": {"command": {"type": "string", "pattern": "^make "}}}
        send(id=got["id"], result={"tools": [{"name": "write", "inputSchema": schema}]})
    elif method == "ask/client":
        send(id="from-server", method="sampling/createMessage", params={"maxTokens": 1})
        send(id=got["id"], result={})
    elif method is not None and "id" in got:
        send(id=got["id"], result={"echo": got.get("params"), "method": method})

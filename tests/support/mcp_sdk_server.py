"""A server made with the official SDK, as a program: over standard input and output, or over HTTP on a port.

`mcp_sdk_server.py FILE [PORT]`: its tool `append` adds a line to the file.
"""

import sys
from pathlib import Path
from typing import Annotated

from mcp.server.mcpserver import Context, Elicit, MCPServer, Resolve
from pydantic import BaseModel, Field

FILE = Path(sys.argv[1])
server = MCPServer("sdk")


class WhoName(BaseModel):
    name: str


# A server of 2026-07-28 refuses a call whose header differs from its argument.
Mirrored = Annotated[str, Field(json_schema_extra={"x-mcp-header": "Line"})]


@server.tool()
def append(line: Mirrored, ctx: Context) -> str:
    """Adds the line."""
    with FILE.open("a") as file:
        file.write(line + "\n")
    team = (ctx.headers or {}).get("x-team")
    return f"added {line} for {team}"


@server.tool()
async def count(upto: int, ctx: Context) -> int:
    """Counts, and reports its progress."""
    for number in range(upto):
        await ctx.report_progress(number + 1, upto)
    return upto


def who() -> Elicit[WhoName]:
    return Elicit("Who are you?", WhoName)


@server.tool()
async def greet(name: Annotated[WhoName, Resolve(who)]) -> str:
    """Asks the client who it is."""
    return f"Hello, {name.name}"


@server.resource("notes://{name}")
def note(name: str) -> str:
    """A note."""
    return f"About {name}"


@server.prompt()
def review(code: str) -> str:
    """A prompt."""
    return f"Review {code}"


if len(sys.argv) > 2:
    server.run("streamable-http", port=int(sys.argv[2]))
else:
    server.run("stdio")

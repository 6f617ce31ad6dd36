"""A call that this hub adds to the SDK's protocol: what operators should know of the hub. It changes nothing.

The answer is a JSON object: `problem` is a sentence that says why nothing can be recorded, or null; `warnings` are
sentences about what does not keep the hub from its work.
"""

import json
from collections.abc import Callable
from typing import Final

from orchestration.hub.transport import rpc

HEALTH: Final = "/countersign.Hub/Health"


def routes(problem: Callable[[], str | None], warnings: Callable[[], list[str]]) -> rpc.Routes:
    """The handler of the call; its request is ignored."""

    def answer(_request: bytes, reply: rpc.Reply) -> None:
        reply(json.dumps({"problem": problem(), "warnings": warnings()}).encode())

    return {HEALTH.encode(): rpc.UnaryHandler(answer)}

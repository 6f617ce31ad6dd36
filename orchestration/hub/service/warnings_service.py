"""A call of ours beside those of the SDK's protocol: what operators should know of the hub. It changes nothing.

The answer is a JSON array of sentences.
"""

import json
from collections.abc import Callable
from typing import Final

from orchestration.hub.transport import rpc

WARNINGS: Final = "/countersign.Hub/Warnings"


def routes(warnings: Callable[[], list[str]]) -> rpc.Routes:
    """The call, whatever its request."""

    def answer(_request: bytes, reply: rpc.Reply) -> None:
        reply(json.dumps(warnings()).encode())

    return {WARNINGS.encode(): rpc.UnaryHandler(answer)}

"""The errors that tell a client why the hub does not take its call."""

from typing import Final

from orchestration.hub.transport import bounds, frames, rpc

UNAUTHENTICATED: Final = rpc.RpcError(
    rpc.UNAUTHENTICATED,
    "This task hub answers only calls that send its token, as the metadata `authorization: Bearer TOKEN`. "
    "The token is in the file that the hub names when it starts.",
)
UNFINISHED: Final = rpc.RpcError(
    rpc.UNAVAILABLE, "The hub holds too many bytes of requests that have not arrived whole. Try again."
)
LATE: Final = rpc.RpcError(
    rpc.UNAVAILABLE, f"The request has not arrived whole within {bounds.REQUEST_S:.0f} s. Try again."
)
UNREAD: Final = rpc.RpcError(
    rpc.UNAVAILABLE, "This client has left too many answers unread. Read them, and try again."
)


def too_large(size: int) -> rpc.RpcError:
    """The refusal of a request of so many bytes."""
    return rpc.RpcError(
        rpc.RESOURCE_EXHAUSTED,
        f"The request is {size:,} bytes; at most {frames.LARGEST_MESSAGE:,} are taken. Pass references to "
        "what is large.",
    )

"""What the inputs of all posts have in common."""

from __future__ import annotations

from pydantic import Field

from orchestration.domain.request import Recorded


class Posting(Recorded):
    """What the inputs of posts have in common: a post that may have been made is looked for before it is made again."""

    attempt: int = Field(ge=1)
    maybe_done: bool = Field(default=False, description="Whether an earlier try may have posted it")

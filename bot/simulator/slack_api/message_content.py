"""Checks the content of a message, however it is sent."""

from typing import Any

from bot.simulator.errors import SlackError
from bot.simulator.slack_api.blocks_check import MESSAGE_CHARACTERS, characters, check_blocks, with_ids

Json = dict[str, Any]

# Characters; a longer text is cut off.
POSTED_TEXT = 40_000


def read_content(text: str, blocks: Any, attachments: Any) -> Json:
    """Return text, blocks and attachments as they will be stored.

    Raises SlackError: `invalid_blocks`, `msg_blocks_too_long`, `invalid_attachments`, `too_many_attachments`,
    `no_text`.
    """
    if blocks is not None:
        blocks = checked_blocks(blocks)
    if attachments is not None and not isinstance(attachments, list):
        raise SlackError("invalid_attachments")
    if attachments and len(attachments) > 100:
        raise SlackError("too_many_attachments")
    if not (text or blocks or attachments):
        raise SlackError("no_text")
    return {"text": text[:POSTED_TEXT], "blocks": blocks or None, "attachments": attachments or None}


def checked_blocks(blocks: Any) -> list[Json]:
    """Return blocks as they will be stored; raises `invalid_blocks` with the reasons, or `msg_blocks_too_long`."""
    if reasons := check_blocks(blocks):
        raise SlackError(
            "invalid_blocks",
            errors=reasons,
            response_metadata={"messages": [f"[ERROR] {reason}" for reason in reasons]},
        )
    if characters(blocks) > MESSAGE_CHARACTERS:
        raise SlackError("msg_blocks_too_long")
    return with_ids(blocks)

"""The rows of App Home about gatherings: awaited answers, running gatherings, and ended ones. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bot.slack import blocks
from bot.slack.blocks import Json
from bot.slack.input.target import GatheringTarget
from bot.slack.messages.gatherings import CALLED, MARKS
from bot.slack.messages.status_labels import DOT, OPEN
from bot.slack.text import bold, mention, plain, safe, said, when, within
from orchestration.domain.gathering import SourceState
from orchestration.gathering.status import GatheringRead
from orchestration.service.worklists import AwaitedAnswer

ANSWER: Final = "home_gathering_answer"
OPENED: Final = "home_gathering_open"

NAME: Final = 48
NAMED: Final = 400  # characters of sources in a row; Details have all


def awaited_row(item: AwaitedAnswer) -> Json:
    """The row of an answer that the person can give, with the button that opens the form."""
    progress = item.read.progress
    source = next(one for one in progress.sources if one.name == item.source)
    parts = [_who_asks(item, source), *_until(item.read)]
    spoken = plain(f"Answer {progress.title}", blocks.BUTTON)
    value = GatheringTarget(instance_id=progress.request_id, nonce=progress.nonce, source=item.source)
    button = blocks.button(ANSWER, "Answer…", value.model_dump_json(), style="primary", spoken=spoken)
    return blocks.row(_lines(item.read, parts), button)


def asked_row(read: GatheringRead) -> Json:
    """The row of a gathering of the person's own: which answers have come, and who is still to answer."""
    sources = read.progress.sources
    there = [safe(one.title, NAME) for one in sources if one.answer is not None]
    missing = [_missing(one) for one in sources if one.answer is None]
    came = f"{OPEN} {len(there)} of {len(sources)} answered"
    if there:
        came += f": {within(there, ', ', NAMED)}"
    waiting = [f"waiting for {within(missing, ', ', NAMED)}"] if missing else []
    return _row(read, [came, *waiting, *_until(read)])


def _missing(source: SourceState) -> str:
    """`Ada (Legal)`, `Bob for Ada (Legal)`; a system by its name."""
    name = safe(source.title, NAME)
    if source.person is None:
        return name
    who = mention(source.person)
    return f"{f'{mention(source.delegate)} for {who}' if source.delegate else who} ({name})"


def ended_row(read: GatheringRead) -> Json:
    """The row of a gathering that has ended."""
    progress, result = read.progress, read.progress.result
    there = len([one for one in progress.sources if one.answer is not None])
    how = f"{MARKS[progress.status]} {CALLED[progress.status]}"
    at = [when(result.collected_at)] if result else []
    asked = f"asked for by {mention(read.request.requester)}"
    return _row(read, [how, f"{there} of {len(progress.sources)} answered", *at, asked])


def _row(read: GatheringRead, parts: Sequence[str]) -> Json:
    progress = read.progress
    value = GatheringTarget(instance_id=progress.request_id, nonce=progress.nonce)
    spoken = plain(f"Open {progress.title}", blocks.BUTTON)
    button = blocks.button(OPENED, "Open", value.model_dump_json(), spoken=spoken)
    return blocks.row(_lines(read, parts), button)


def _lines(read: GatheringRead, parts: Sequence[str]) -> str:
    title = bold(said(read.request.title, 150, room=800)) or safe(read.policy.title, 60)
    return f"{title}\n{DOT.join([*parts, safe(read.progress.request_id, 60)])}"


def _who_asks(item: AwaitedAnswer, source: SourceState) -> str:
    asks = f"{mention(item.read.request.requester)} asks you for {bold(safe(source.title, NAME))}"
    if source.person is not None and item.person != source.person:
        return f"{asks}, in the place of {mention(source.person)}, who is away"
    if source.delegate is not None:
        return f"{asks}. As you are away, {mention(source.delegate)} is asked in your place"
    return asks


def _until(read: GatheringRead) -> Iterator[str]:
    if read.progress.deadline:
        yield f"until {when(read.progress.deadline)}"

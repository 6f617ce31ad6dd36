"""Asks people about a call of a program's own, and uses their approval up. Each has a form for `await`."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import Future
from datetime import timedelta
from typing import Any, Required, TypedDict, TypeVar, Unpack

from bot.cli.asked_call import CallAnswer, ask_people
from countersign.exact import exact

T = TypeVar("T")


class HowToAsk(TypedDict, total=False):
    """How people are asked. `policy` says who decides, and `agent` is what the program is called on the card.

    `server` is whose tool it is, where the tool is not the program's own. `mask` are paths of arguments that nobody
    sees, such as `card.number`. `window` is how long an answer counts (without it, ten minutes). `wait` is how long to
    wait (without it, for as long as the policy gives people).
    """

    policy: Required[str]
    agent: Required[str]
    server: str
    mask: Sequence[str]
    window: timedelta | None
    wait: timedelta | None


async def claim_approval_async(
    tool: str, arguments: Mapping[str, Any], **how: Unpack[HowToAsk]
) -> CallAnswer:
    """Asks, waits, and uses the approval up: where the answer is `allowed`, make the call now, once.

    The very same call that waits already is joined, whoever made it with this token. After `wait` the answer is
    `waiting`. Raises `CountersignError` where nobody can be asked, or an argument is no JSON value.
    """
    return await _ask(tool, arguments, how, claim=True)


async def wait_for_people_async(
    tool: str, arguments: Mapping[str, Any], **how: Unpack[HowToAsk]
) -> CallAnswer:
    """As `claim_approval_async`, but uses nothing up: `allowed` is what people say, and not yet a leave to call."""
    return await _ask(tool, arguments, how, claim=False)


def claim_approval(tool: str, arguments: Mapping[str, Any], **how: Unpack[HowToAsk]) -> CallAnswer:
    """As `claim_approval_async`, without `await`."""
    return _blocking(_ask(tool, arguments, how, claim=True))


def wait_for_people(tool: str, arguments: Mapping[str, Any], **how: Unpack[HowToAsk]) -> CallAnswer:
    """As `wait_for_people_async`, without `await`."""
    return _blocking(_ask(tool, arguments, how, claim=False))


async def _ask(tool: str, arguments: Mapping[str, Any], how: HowToAsk, *, claim: bool) -> CallAnswer:
    call: dict[str, Any] = {"policy": how["policy"], "agent": how["agent"], "tool": tool}
    call |= {
        "arguments": exact(arguments),
        "server": how.get("server", ""),
        "mask": list(how.get("mask", ())),
    }
    if (window := how.get("window")) is not None:
        call["window"] = f"{int(window.total_seconds())}s"
    wait = how.get("wait")
    return await ask_people(
        os.environ, call, seconds=None if wait is None else wait.total_seconds(), claim=claim
    )


def _blocking(work: Coroutine[Any, Any, T]) -> T:
    """Its result, also for a caller that an event loop runs, which stands still meanwhile."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(asyncio.run(work))
        except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it, whatever it is
            done.set_exception(error)

    threading.Thread(target=run, name="countersign", daemon=True).start()
    return done.result()

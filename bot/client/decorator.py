"""`@requires_approval`: the function runs only when people have approved exactly the arguments that it runs with."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from bot.cli.asked_call import CallAnswer
from bot.client.calls import CallOptions, claim_approval, claim_approval_async
from bot.client.exact import exact
from orchestration.domain.errors import CountersignError

P = ParamSpec("P")
R = TypeVar("R")


class NotApprovedError(CountersignError):
    """The call was not made: it was rejected, nobody decided in time, or people are still asked (`waiting`).

    `request_id` is the request, `comment` what the person wrote who decided. The text is a sentence for the agent.
    """

    def __init__(self, answer: CallAnswer) -> None:
        super().__init__(answer.reason)
        self.request_id = answer.request_id
        self.waiting = answer.waiting
        self.comment = answer.comment


def requires_approval(
    *,
    policy: str,
    agent: str,
    tool: str | None = None,
    mask: Sequence[str] = (),
    window: timedelta | None = None,
    wait: timedelta | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Has each call of the function wait for people, by the policy. `tool` is what they read; else the function's name.

    They read the arguments by name, defaults included, and the function runs with a copy of just these. An approval
    is used up right before. Raises `NotApprovedError` where the function did not run, and `CountersignError` where
    nobody could be asked or an argument is no JSON value.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                "@requires_approval holds a function that runs when it is called, and no generator"
            )
        signature = inspect.signature(function)
        named = tool or function.__name__
        how = CallOptions(policy=policy, agent=agent, mask=mask, window=window, wait=wait)

        def held(args: tuple[Any, ...], kwargs: dict[str, Any]) -> inspect.BoundArguments:
            """The call with a copy of its arguments, which nobody can change while people decide."""
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            for name, parameter in signature.parameters.items():
                if parameter.kind is parameter.VAR_POSITIONAL:
                    bound.arguments[name] = list(bound.arguments[name])
            bound.arguments = exact(bound.arguments)
            return bound

        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def wait_and_run(*args: P.args, **kwargs: P.kwargs) -> Any:
                bound = held(args, kwargs)
                _check(await claim_approval_async(named, bound.arguments, **how))
                return await function(*bound.args, **bound.kwargs)

            return cast("Callable[P, R]", wait_and_run)

        @wraps(function)
        def block_and_run(*args: P.args, **kwargs: P.kwargs) -> R:
            bound = held(args, kwargs)
            _check(claim_approval(named, bound.arguments, **how))
            return function(*bound.args, **bound.kwargs)

        return block_and_run

    return decorate


def _check(answer: CallAnswer) -> None:
    if not answer.allowed:
        raise NotApprovedError(answer)

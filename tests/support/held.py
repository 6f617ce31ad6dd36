"""Decides held calls, as the people of the policy `agents` do."""

from __future__ import annotations

from tests.support.api_world import ApiWorld


async def card_of(api: ApiWorld, words: str, number: int = 1) -> str:
    """The ID of the request whose card shows the words: the first, or the one with that `number`."""
    await api.eventually(lambda: len(api.titled(words)) >= number)
    return api.titled(words)[number - 1]


async def decide_held(
    api: ApiWorld, words: str, choice: str = "approve", *, comment: str = "So be it.", number: int = 1
) -> str:
    """Decides that request as Ada, and returns its ID."""
    request_id = await card_of(api, words, number)
    ada = api.token("ada", "U0ADA", "decide:agents")
    answer = await api.decide(ada, request_id, choice, comment=comment)
    assert answer.status == 200, answer.body
    return request_id

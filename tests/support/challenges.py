"""Challenges by SMS that stand on their own."""

from tests.support.core_world import CoreWorld

SOMEBODY = "+12025550199"


async def begun(world: CoreWorld, number: str = SOMEBODY) -> str:
    """A challenge on its own, whose message was sent."""
    before = len(world.phones.texts)
    challenge = await world.challenges.start(number, "verify your phone")
    await world.eventually(lambda: len(world.phones.texts) > before)
    return challenge


def code_in(world: CoreWorld, challenge: str) -> str:
    return next(text for _, text, of in world.phones.texts if of == challenge).split()[2]


def other(code: str) -> str:
    """A wrong code."""
    return str((int(code) + 1) % 10 ** len(code)).zfill(len(code))

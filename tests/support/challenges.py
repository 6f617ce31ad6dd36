"""Challenges by SMS without a request."""

from tests.support.core_world import CoreWorld

SOMEBODY = "+12025550199"


async def asked(world: CoreWorld, number: str = SOMEBODY, token: str = "ci") -> str:
    """A challenge without a request, asked for with a token of Rita's."""
    return await world.challenges.start(number, token, "U0RITA")


async def begun(world: CoreWorld, number: str = SOMEBODY, token: str = "ci") -> str:
    """A challenge without a request, whose message was sent."""
    before = len(world.phones.texts)
    challenge = await asked(world, number, token)
    await world.eventually(lambda: len(world.phones.texts) > before)
    return challenge


def code_in(world: CoreWorld, challenge: str) -> str:
    return next(text for _, text, of in world.phones.texts if of == challenge).split()[2]


def other(code: str) -> str:
    """A wrong code."""
    return str((int(code) + 1) % 10 ** len(code)).zfill(len(code))

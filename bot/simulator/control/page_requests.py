"""Reads the page's requests: a JSON object, and the person who acts."""

from typing import Any

from aiohttp import web

from bot.simulator.errors import SimulatorError
from bot.simulator.workspace.people import People
from bot.simulator.workspace.seed import Member

Json = dict[str, Any]


async def read_object(request: web.Request) -> Json:
    """Return the body, a JSON object. Raises SimulatorError when the body is anything else."""
    try:
        body = await request.json()
    except ValueError:
        raise SimulatorError("The body is not JSON.") from None
    if not isinstance(body, dict):
        raise SimulatorError("The body is not a JSON object.")
    return body


def find_person(people: People, person_id: Any) -> Member:
    """Return the person to act as. Raises SimulatorError when there is no such human."""
    if person_id is None:
        one = next(person.id for person in people.all() if not person.is_bot)
        raise SimulatorError(f"Say who looks or acts, such as as={one}.")
    person = people.get(str(person_id))
    if person is None or person.is_bot:
        raise SimulatorError(f"There is nobody called {person_id!r} to act as.")
    return person


async def read_as(request: web.Request, people: People) -> tuple[Json, Member]:
    """Return the body, and the person who acts, named in `as`. Raises SimulatorError."""
    body = await read_object(request)
    return body, find_person(people, body.get("as"))

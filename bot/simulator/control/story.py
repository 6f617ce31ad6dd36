"""The story of one piece of the app's work, step by step, as the page shows it.

The simulator knows no app. Whoever runs an app supplies the story in words, and the page draws it.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from aiohttp import web

# "quiet" is housekeeping, which the page draws small; "trouble" is a failure that is tried again.
Look = Literal["start", "done", "quiet", "wait", "event", "timer", "trouble", "end"]
Tone = Literal["open", "good", "bad", "over"]
Timer = Literal["deadline", "reminder", ""]


@dataclass(frozen=True, slots=True)
class StoryStep:
    """One step. `at` and `until` are epoch seconds of the workspace's time; `who` and `where` are IDs.

    `detail` is the app's own name for the step. `times` is how often the step happened in a row. `timer` is the timer
    it waits for, where that is known and the timer still runs.
    """

    at: float
    look: Look
    words: str
    detail: str = ""
    who: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    until: float | None = None
    timer: Timer = ""
    times: int = 1


@dataclass(frozen=True, slots=True)
class StoryWait:
    """What the work waits for now.

    `until` and `timer` are as in a step. `by_phone` says that the work waits for a reply by SMS.
    """

    words: str
    who: tuple[str, ...] = ()
    until: float | None = None
    timer: Timer = ""
    note: str = ""
    by_phone: bool = False


@dataclass(frozen=True, slots=True)
class Story:
    """A piece of work: how it stands, every step so far, and what it waits for.

    `outsiders` are people whose clicks on the buttons of this work the app must refuse.
    """

    id: str
    title: str
    standing: str
    tone: Tone
    steps: tuple[StoryStep, ...]
    waiting: StoryWait | None = None
    outsiders: tuple[str, ...] = ()


class Stories(Protocol):
    """Returns stories by the ID of the work."""

    async def of(self, work_id: str) -> Story:
        """Return a story. Raises SimulatorError, with the sentence the page shows, when it is not available."""


class StoryApi:
    """Serves `/sim/story/{id}`."""

    def __init__(self, stories: Stories) -> None:
        self._stories = stories

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to serve."""
        return [web.get("/sim/story/{id}", self.story)]

    async def story(self, request: web.Request) -> web.Response:
        """Return a story."""
        told: dict[str, Any] = asdict(await self._stories.of(request.match_info["id"]))
        return web.json_response({"ok": True, "story": told})

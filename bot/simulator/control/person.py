"""Acts as a person in the workspace, for tests and demonstrations: does what the page does, without a browser."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import aiohttp

from bot.simulator.errors import SimulatorError
from bot.simulator.slack_api.elements import HOLDERS, placed

Json = dict[str, Any]

BURST = 0.02  # seconds


class ActionRefusedError(SimulatorError):
    """The workspace refused. `errors` holds the complaints about a modal, by block_id."""

    def __init__(self, sentence: str, errors: dict[str, str]) -> None:
        super().__init__(sentence)
        self.errors = errors


class Person:
    """Acts as one person of the workspace at `base_url`, a Simulator's `url`.

    Use it as an async context manager. A call that the workspace refuses raises ActionRefusedError with its sentence.
    """

    def __init__(self, base_url: str, user_id: str) -> None:
        self.user_id = user_id
        self._base = base_url.rstrip("/")
        self._session = aiohttp.ClientSession()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Leave."""
        await self._session.close()

    async def state(self) -> Json:
        """Return everything around the conversation: people, channels with unread marks, open modals, clock."""
        return await self._get("state")

    async def say(self, channel: str, text: str, thread_ts: str | None = None) -> Json:
        """Post a message, and return it."""
        posted: Json = (await self._post("message", channel=channel, text=text, thread_ts=thread_ts))[
            "message"
        ]
        return posted

    async def command(self, channel: str, text: str) -> None:
        """Run a slash command, given with its slash."""
        await self._post("command", channel=channel, text=text)

    async def click(
        self, channel: str, ts: str, action_id: str, *, block_id: str | None = None, **choice: Any
    ) -> None:
        """Press a button of a message, or choose something in it.

        A choice is named as Slack does: `selected_option="value"`, `selected_user="U…"`, `value="text"`.
        """
        await self._post("action", channel=channel, ts=ts, action_id=action_id, block_id=block_id, **choice)

    async def click_in_view(
        self, view: Json, action_id: str, *, block_id: str | None = None, **choice: Any
    ) -> None:
        """Press a button in a modal or in the App Home, or choose something there."""
        await self._post("action", view_id=view["id"], action_id=action_id, block_id=block_id, **choice)

    async def submit(self, view: Json, values: dict[str, Any] | None = None) -> None:
        """Submit a modal.

        `values` are what is put in, by action_id or block_id: a text, an option's value, an ID, a list of
        these. Raises ActionRefusedError with `errors` when Slack or the app complains about them.
        """
        await self._post("view/submit", view_id=view["id"], state=filled_in(view, values or {}))

    async def close_view(self, view: Json) -> None:
        """Dismiss a modal."""
        await self._post("view/close", view_id=view["id"])

    async def views(self) -> list[Json]:
        """Return this person's open modals, the one in front last."""
        views: list[Json] = (await self._get("state"))["views"]
        return views

    async def messages(self, channel: str) -> list[Json]:
        """Return what this person sees in a channel, oldest first."""
        messages: list[Json] = (await self._get("messages", channel=channel))["messages"]
        return messages

    async def thread(self, channel: str, thread_ts: str) -> list[Json]:
        """Return a thread, its parent first."""
        messages: list[Json] = (await self._get("messages", channel=channel, thread_ts=thread_ts))["messages"]
        return messages

    async def delete(self, channel: str, ts: str) -> None:
        """Delete a message, as a person with the right to do so."""
        async with self._session.delete(f"{self._base}/sim/messages/{channel}/{ts}") as response:
            _checked(await response.json())

    async def read(self, channel: str) -> None:
        """Mark a channel as read."""
        await self._post("read", channel=channel)

    async def open_home(self) -> None:
        """Open the app's Home tab."""
        await self._post("home/open")

    async def home(self) -> Json | None:
        """Return what the Home tab shows; None when the app has published nothing."""
        view: Json | None = (await self._get("home"))["view"]
        return view

    async def phone(self) -> Json:
        """Return what this person's phone shows: number, messages, opted_out, unread."""
        return await self._get("phone")

    async def texts(self) -> list[Json]:
        """Return the texts on this person's phone, oldest first; `direction` is "in" or "out".

        A text that could not be delivered shows its `status` and `error`, and no body.
        """
        texts: list[Json] = (await self.phone())["messages"]
        return texts

    async def reply_sms(self, text: str) -> Json:
        """Send a text from this person's phone, and return it once the app has answered.

        Its `status` is "failed", with Twilio's `error`, where the app could not be reached or its answer was not valid.
        """
        sent: Json = (await self._post("phone/reply", text=text))["message"]
        return sent

    async def redeliver_last(self) -> Json:
        """Deliver the last text of this phone to the app once more, as the same message; see `reply_sms`."""
        sent: Json = (await self._post("phone/redeliver"))["message"]
        return sent

    async def read_phone(self) -> None:
        """Mark every text on the phone as read."""
        await self._post("phone/read")

    async def skip(self, seconds: float) -> None:
        """Let this much time pass for the whole workspace and the app."""
        await self._post("clock/advance", seconds=seconds)

    async def kill_app(self) -> None:
        """End the app's process with SIGKILL."""
        await self._post("app/kill")

    async def start_app(self) -> None:
        """Start the app's process, and wait until it is ready."""
        await self._post("app/start")

    async def wait_for(
        self,
        look: "Callable[[Person], Any]",
        timeout: float | None = 15.0,  # noqa: ASYNC109
    ) -> Any:
        """Await `look(self)` until its result is truthy, and return that result.

        `look` is called at once, and again after every change this person can see.
        Raises TimeoutError with the last result after `timeout` seconds; None waits forever.
        """
        seen: Any = None
        try:
            async with asyncio.timeout(timeout), self._changes() as changes:
                while changes.go_on:
                    changes.seen.clear()
                    if seen := await look(self):
                        return seen
                    await changes.seen.wait()
                    # Changes come in bursts, and one look is enough for a burst.
                    await asyncio.sleep(BURST)
        except TimeoutError:
            raise TimeoutError(f"Nothing came of it within {timeout} s; last seen: {seen!r}") from None
        raise SimulatorError("The workspace went away.")

    async def wait_for_view(self, callback_id: str | None = None, timeout: float = 15.0) -> Json:  # noqa: ASYNC109
        """Return the modal in front, as soon as there is one (with this callback_id)."""

        async def look(person: Person) -> Json | None:
            views = await person.views()
            return views[-1] if views and callback_id in {None, views[-1]["callback_id"]} else None

        view: Json = await self.wait_for(look, timeout)
        return view

    async def wait_for_message(
        self,
        channel: str,
        matches: Callable[[Json], bool],
        timeout: float = 15.0,  # noqa: ASYNC109
    ) -> Json:
        """Return the newest message of a channel that `matches`, once there is one."""

        async def look(person: Person) -> Json | None:
            found = [message for message in await person.messages(channel) if matches(message)]
            return found[-1] if found else None

        message: Json = await self.wait_for(look, timeout)
        return message

    async def wait_for_text(self, matches: Callable[[Json], bool], timeout: float = 15.0) -> Json:  # noqa: ASYNC109
        """Return the newest text that arrived on the phone and `matches`, once there is one."""

        async def look(person: Person) -> Json | None:
            found = [
                text
                for text in await person.texts()
                if text["direction"] == "in" and text["status"] == "delivered" and matches(text)
            ]
            return found[-1] if found else None

        text: Json = await self.wait_for(look, timeout)
        return text

    @asynccontextmanager
    async def _changes(self) -> AsyncIterator["_Changes"]:
        """Watch for changes this person can see, from before the block begins until it ends."""
        url = f"{self._base}/sim/events"
        no_limit = aiohttp.ClientTimeout(total=None)
        async with self._session.get(url, params={"as": self.user_id}, timeout=no_limit) as response:
            changes = _Changes()
            reader = asyncio.create_task(changes.follow(response))
            try:
                yield changes
            finally:
                reader.cancel()
                await asyncio.wait([reader])

    async def _get(self, path: str, **query: str) -> Json:
        async with self._session.get(
            f"{self._base}/sim/{path}", params={"as": self.user_id, **query}
        ) as response:
            return _checked(await response.json())

    async def _post(self, path: str, **body: Any) -> Json:
        given = {"as": self.user_id} | {name: value for name, value in body.items() if value is not None}
        async with self._session.post(f"{self._base}/sim/{path}", json=given) as response:
            return _checked(await response.json())


class _Changes:
    """One person's changes: whether any came, and whether more may come."""

    def __init__(self) -> None:
        self.seen = asyncio.Event()
        self.go_on = True

    async def follow(self, response: aiohttp.ClientResponse) -> None:
        try:
            async for line in response.content:
                # Changes that only other people see arrive as "people".
                if (
                    line.startswith(b"data: ")
                    and json.loads(line.removeprefix(b"data: "))["kind"] != "people"
                ):
                    self.seen.set()
        except aiohttp.ClientError:
            pass
        finally:
            self.go_on = False
            self.seen.set()


def filled_in(view: Json, values: dict[str, Any]) -> Json:
    """Return `state.values` for a view from plain values by action_id or block_id.

    Raises SimulatorError for a value the view has no place for.
    """
    state: Json = {}
    left = dict(values)
    for found in placed(view["blocks"]):
        kind = HOLDERS.get(found.element["type"])
        name = found.action_id if found.action_id in left else found.block_id
        if kind is None or name not in left:
            continue
        choice = left.pop(name)
        if kind.key == "selected_option" and isinstance(choice, str):
            choice = {"value": choice}
        elif kind.key == "selected_options":
            choice = [{"value": one} if isinstance(one, str) else one for one in choice]
        elif kind.key == "value" and choice is not None:
            choice = str(choice)
        entry = {"type": found.element["type"], kind.key: choice}
        state.setdefault(found.block_id, {})[found.action_id] = entry
    if left:
        raise SimulatorError(f"The view has no place for {', '.join(sorted(left))}.")
    return state


def _checked(body: Json) -> Json:
    if not body.get("ok"):
        raise ActionRefusedError(body.get("error", "refused"), body.get("errors", {}))
    return body

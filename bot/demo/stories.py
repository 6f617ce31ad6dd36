"""Builds the story of a request, which the page's panel shows, from the bot's API and its timeline."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from bot.demo.access import ApiRefusedError, ApiUnreachableError, BotApi
from bot.http.api.timeline import UNDELIVERED
from bot.simulator.control.story import Look, Story, StoryStep, StoryWait, Timer, Tone
from bot.simulator.errors import SimulatorError
from bot.simulator.workspace.people import People
from orchestration.challenge.models import LIFETIME

Json = Mapping[str, Any]

STOPPED: Final = "The bot is stopped, so nobody can be asked. What it knew is on disk."
ASLEEP: Final = "Nothing is running. The wait is saved."
IN_TURN: Final = "Still posting: Slack takes about one message a second in a channel."

_STANDING: Final[Mapping[str, tuple[str, Tone]]] = {
    "pending": ("Waiting", "open"),
    "escalated": ("Escalated", "open"),
    "approved": ("Approved", "good"),
    "auto_approved": ("Approved by rule", "good"),
    "rejected": ("Rejected", "bad"),
    "timed_out": ("Timed out", "bad"),
    "cancelled": ("Withdrawn", "over"),
    "failed": ("Failed", "bad"),
    "terminated": ("Stopped", "bad"),
}

# The look and the words of each kind of moment in the timeline. Other kinds keep the API's own words.
_KINDS: Final[Mapping[str, tuple[Look, str]]] = {
    "asked": ("start", "Started"),
    "continued": ("quiet", "Earlier steps summed up"),
    "post_card": ("done", "Card posted"),
    "edit_card": ("done", "Edited a card"),
    "post_reply": ("quiet", "Thread updated"),
    "post_preview": ("quiet", "Showed the document"),
    "send_message": ("quiet", "Notified"),
    "edit_message": ("quiet", "Edited a message"),
    "remove_copies": ("quiet", "Looked for copies"),
    "members": ("quiet", "Looked up who may decide"),
    "active_people": ("quiet", "Looked up people"),
    "take_policy": ("quiet", "Policy copied"),
    "waiting": ("wait", "Timer set"),
    "timer": ("timer", "Timer fired"),
    "event": ("event", "Event received"),
    "event_sent": ("quiet", "Event sent"),
    "code": ("done", "Code sent by SMS"),
    "code_confirmed": ("event", "Code confirmed"),
    "code_wrong": ("trouble", "Wrong code"),
    "code_failed": ("trouble", "Code not confirmed"),
    "code_undelivered": ("trouble", "Code not delivered"),
    "sign_receipt": ("quiet", "Receipt signed"),
    "run_action": ("done", "Action carried out"),
    "send_callback": ("done", "Callback delivered"),
    "notify_instance": ("quiet", "Orchestration notified"),
    "suspended": ("trouble", "Suspended"),
    "resumed": ("event", "Resumed"),
    "terminated": ("trouble", "Stopped by an operator"),
    "reconcile": ("done", "Cards set right"),
    "completed": ("end", "Completed"),
}
# The words when a timer is set and when it fires, where the timeline says what the timer is for.
_TIMERS: Final[Mapping[str, tuple[str, str]]] = {
    "deadline": ("Deadline set", "Deadline reached"),
    "reminder": ("Reminder set", "Reminder due"),
}
# The same kinds when they fail. Delays are usual: Slack accepts about one message a second in a channel.
_TROUBLES: Final[Mapping[str, tuple[Look, str]]] = {
    "_put_off": ("wait", "Delayed"),
    "_failed": ("trouble", "Failed"),
}
_TRIED: Final = {
    "post_card": "posting the card",
    "edit_card": "editing the card",
    "post_reply": "a note in the thread",
    "post_preview": "showing the document",
    "send_message": "a message",
    "edit_message": "editing a message",
    "remove_copies": "looking for copies",
    "members": "looking up who may decide",
    "active_people": "looking up people",
}
# Cards, notes and messages that wait: Slack accepts about one a second in a channel.
_IN_TURN: Final = frozenset({"post_card_put_off", "post_reply_put_off", "send_message_put_off"})
_USUAL_PAUSE: Final = 5.0  # seconds
_SECONDS: Final = re.compile(r"(\d+(?:\.\d+)?) s$")
_TOGETHER: Final = frozenset({"done", "quiet", "trouble"})  # several of these in a row are shown as one step


class ApiStories:
    """Reads the bot's API, as any program with the scope `read` can."""

    def __init__(self, api: BotApi, people: People) -> None:
        self._api = api
        self._people = people

    async def of(self, work_id: str) -> Story:
        """Returns the story of a request. Raises `SimulatorError` when the bot is stopped or has no such request."""
        # Quoted: with a slash in the ID, the token would read other paths of the bot.
        place = f"/api/approvals/{quote(work_id, safe='')}"
        try:
            approval, timeline = await asyncio.gather(
                self._api.get(place), self._api.get(f"{place}/timeline")
            )
        except ApiUnreachableError:
            raise SimulatorError(STOPPED) from None
        except ApiRefusedError as refusal:
            raise SimulatorError(str(refusal)) from refusal
        return story(approval, timeline["items"], outsiders(approval, self._people))


def story(approval: Json, moments: Iterable[Json], strangers: tuple[str, ...] = ()) -> Story:
    """Returns the story of an approval from the API and of the moments in its timeline."""
    standing, tone = _STANDING[approval["status"]]
    moments = [moment for moment in moments if moment["kind"] != "timer_over"]
    live = _live_timers(moments) if tone == "open" else {}
    steps = together([_step(moment, live) for moment in _without_usual_pauses(moments)])
    return Story(
        id=approval["id"],
        title=approval["title"],
        standing=standing,
        tone=tone,
        steps=tuple(steps),
        waiting=(_code_out(moments) or _waiting(approval, moments)) if tone == "open" else None,
        outsiders=strangers,
    )


def _live_timers(moments: Iterable[Json]) -> dict[Timer, str]:
    """Returns when the deadline and the reminder of the open level are due."""
    live: dict[Timer, str] = {}
    for moment in moments:
        timer = moment.get("timer")
        if moment["kind"] == "waiting" and timer == "deadline":
            live = {"deadline": moment["until"]}
        elif moment["kind"] == "waiting" and timer == "reminder":
            live["reminder"] = moment["until"]
    return live


def together(steps: Iterable[StoryStep]) -> list[StoryStep]:
    """Joins repetitions of a small step into one step, at the place of the first."""
    told: list[StoryStep] = []
    burst = 0  # where the current run of small steps began
    for step in steps:
        if step.look not in _TOGETHER:
            told.append(step)
            burst = len(told)
            continue
        for at in range(burst, len(told)):
            before = told[at]
            if (before.look, before.words, before.detail) == (step.look, step.words, step.detail):
                told[at] = _twice(before, step)
                break
        else:
            told.append(step)
    return told


def _without_usual_pauses(moments: Iterable[Json]) -> Iterator[Json]:
    """Yields all moments except short waits for a channel and their timers, which say nothing about the request."""
    pauses, untils = 0, set[str]()
    for moment in moments:
        kind, until = moment["kind"], moment["until"]
        if (
            kind in _IN_TURN
            and (asked := _SECONDS.search(moment["text"]))
            and float(asked[1]) <= _USUAL_PAUSE
        ):
            pauses += 1
        elif (
            kind == "waiting"
            and pauses
            and until
            and _seconds(until) - _seconds(moment["at"]) <= _USUAL_PAUSE
        ):
            pauses -= 1
            untils.add(until)
        elif kind == "timer" and until in untils:
            untils.remove(until)
        else:
            yield moment


def outsiders(approval: Json, people: People) -> tuple[str, ...]:
    """Returns people who may not decide the approval, first those in no group, because no other level asks them."""
    grouped = {group.id: set(group.members) for group in people.groups()}
    named = {who for level in approval["levels"] for who in (*level["approvers"], *level["waiting_for"])}
    may = {approval["requester"]}.union(*(grouped.get(who, {who}) for who in named))
    may |= {present for level in approval["levels"] for present in level["delegates"].values()}
    anyone = set().union(*grouped.values())
    found = [person.id for person in people.all() if not person.is_bot and person.id not in may]
    return tuple(sorted(found, key=lambda who: who in anyone))


def _twice(before: StoryStep, step: StoryStep) -> StoryStep:
    return StoryStep(
        at=before.at,
        look=before.look,
        words=before.words,
        detail=before.detail,
        who=tuple(dict.fromkeys(before.who + step.who)),
        where=tuple(dict.fromkeys(before.where + step.where)),
        times=before.times + 1,
    )


def _step(moment: Json, live: Mapping[Timer, str]) -> StoryStep:
    kind, text = moment["kind"], moment["text"]
    timer: Timer = moment.get("timer") or ""
    look, words = _KINDS.get(kind, ("quiet", text))
    if timer in _TIMERS:
        words = _TIMERS[timer][kind == "timer"]
    detail = ""
    for ending, (seen_as, called) in _TROUBLES.items():
        if kind not in _KINDS and kind.endswith(ending):
            what, _, why = text.partition(": ")
            look, words = seen_as, f"{called}: {_TRIED.get(kind.removesuffix(ending), what)}"
            why = why.partition(", ")[2] or why
            detail = _SECONDS.sub(_whole_seconds, why.replace("as asked to wait", "Asked to wait"))
    if kind == "code_wrong":
        detail = text.partition(", ")[2].capitalize()
    if kind in {"event", "event_sent", "code_failed", "code_undelivered"}:
        detail = text.removeprefix("No confirmation by code: ").removeprefix(UNDELIVERED)
    if moment["refused"]:
        look, words, detail = "trouble", "Refused", f"{detail}. Told: “{moment['refused']}”"
    actor, channel = moment["actor"], moment["channel"]
    places = tuple(place for place in (channel, actor) if place and place[0] in "CGD")
    return StoryStep(
        at=_seconds(moment["at"]),
        look=look,
        words=words,
        detail=detail,
        who=(actor,) if actor and actor not in places else (),
        where=places,
        until=_seconds(moment["until"]) if moment["until"] else None,
        timer=timer if kind == "waiting" and live.get(timer) == moment["until"] else "",
    )


def _code_out(moments: Iterable[Json]) -> StoryWait | None:
    """Returns the wait for the newest code without an answer. A person has at most one such code."""
    out: dict[str, StoryWait] = {}
    for moment in moments:
        who = moment["actor"]
        if moment["kind"] in {"code", "code_confirmed", "code_failed"}:
            out.pop(who, None)
        if moment["kind"] == "code":
            until = _seconds(moment["at"]) + LIFETIME.total_seconds()
            out[who] = StoryWait(
                "Waiting for the code by SMS",
                who=(who,) if who else (),
                until=until,
                note=ASLEEP,
                by_phone=True,
            )
    return list(out.values())[-1] if out else None


def _posting(moments: Iterable[Json]) -> bool:
    """Whether something that was put off is still not done."""
    owed = set[str]()
    for moment in moments:
        kind = moment["kind"]
        if kind.endswith("_put_off"):
            owed.add(kind.removesuffix("_put_off"))
        else:
            owed.discard(kind)
    return bool(owed)


def _waiting(approval: Json, moments: Iterable[Json]) -> StoryWait:
    """Returns what the open level waits for."""
    until = _seconds(approval["deadline"]) if approval["deadline"] else None
    level = next((level for level in approval["levels"] if level["status"] in {"pending", "escalated"}), None)
    if level is None:
        return StoryWait("Getting ready", until=until)
    asked = level["waiting_for"] or level["approvers"]
    # Those who were asked before the escalation may still decide.
    whom = f"the escalation, or still for {level['name']}" if level["escalated_to"] else level["name"]
    note = IN_TURN if _posting(moments) else ASLEEP
    return StoryWait(f"Waiting for {whom}", who=tuple(asked), until=until, timer="deadline", note=note)


def _whole_seconds(found: re.Match[str]) -> str:
    """Rounds to whole seconds, with a no-break space before the unit."""
    return f"{float(found[1]):.0f}\N{NO-BREAK SPACE}s"


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()

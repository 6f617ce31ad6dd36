"""App Home: what is on it, what changes while a person looks, and setting an absence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bot.http.pages.links import RecordLinks
from bot.security.secrets import Secrets
from bot.simulator import Person
from bot.simulator.control.person import ActionRefusedError
from bot.slack.views import home
from tests.integration.bot.slack.conftest import SETTINGS
from tests.support.messages import private, text_of
from tests.support.replicas import one_home
from tests.support.simulated import calls, fault
from tests.support.slack import PURCHASES, ask, has_card
from tests.support.world import World

pytestmark = one_home


def sections(view: dict[str, Any]) -> dict[str, list[str]]:
    """What stands under each title."""
    found: dict[str, list[str]] = {}
    title = ""
    for block in view["blocks"]:
        if block["type"] == "header":
            title = block["text"]["text"]
        elif block["type"] in {"section", "context"}:
            text = block["text"] if block["type"] == "section" else block["elements"][0]
            found.setdefault(title, []).append(text["text"])
    return found


def under(title: str, text: str) -> Callable[[Person], Awaitable[Any]]:
    """The Home, once it says so under that title."""

    async def look(person: Person) -> Any:
        view = await person.home()
        return view if view and any(text in said for said in sections(view)[title]) else None

    return look


async def opened(person: Person) -> Any:
    """The Home of who has just opened it for the first time."""
    await person.open_home()
    return await person.wait_for(lambda one: one.home())


@pytest.mark.parametrize("world", ["http", "socket mode"], indirect=True)
async def test_homes_change_while_people_look_at_them(world: World) -> None:
    rita, ada = world.person("U0RITA"), world.person("U0ADA")
    assert sections(await opened(ada))[home.WAITING_TITLE] == [home.NOTHING_WAITS]
    await opened(rita)
    card = await ask(rita)
    await ada.wait_for(
        under(home.WAITING_TITLE, "*“New laptops”* · 4,200.00 USD\n<@U0RITA> asks · until <!date")
    )
    await rita.wait_for(under(home.ASKED_TITLE, "○ Waiting for Manager · until"))
    await ada.click(PURCHASES, card["ts"], "approve")
    for person in (ada, rita):
        await person.wait_for(under(home.DECIDED_TITLE, "✓ Approved by <@U0ADA>"))
    assert sections((await ada.home()) or {})[home.WAITING_TITLE] == [home.NOTHING_WAITS]
    assert sections((await rita.home()) or {})[home.ASKED_TITLE] == [home.NOTHING_ASKED]


async def test_nothing_is_published_to_who_never_looked(world: World) -> None:
    rita, ada = world.person("U0RITA"), world.person("U0ADA")
    await opened(rita)
    card = await ask(rita)
    await ada.click(PURCHASES, card["ts"], "approve")
    await rita.wait_for(under(home.DECIDED_TITLE, "Approved"))
    published = await calls(world.simulator, "views.publish")
    assert {call["args"]["user_id"] for call in published} == {"U0RITA"}


async def test_what_slack_would_not_take_now_is_drawn_later(world: World) -> None:
    ada = world.person("U0ADA")
    await fault(world.simulator, "views.publish", "ratelimited", retry_after=0)
    assert sections(await opened(ada))[home.WAITING_TITLE] == [home.NOTHING_WAITS]


async def test_a_slack_that_was_down_shows_what_was_decided_meanwhile(world: World) -> None:
    """Otherwise their Home would go on showing a decided request as waiting."""
    rita, ada = world.person("U0RITA"), world.person("U0ADA")
    await opened(ada)
    card = await ask(rita)
    await ada.wait_for(under(home.WAITING_TITLE, "New laptops"))
    for error in ("http_500", "internal_error"):
        await fault(world.simulator, "views.publish", error, count=3)
    await ada.click(PURCHASES, card["ts"], "approve")
    view = await ada.wait_for(under(home.DECIDED_TITLE, "✓ Approved by <@U0ADA>"))
    assert sections(view)[home.WAITING_TITLE] == [home.NOTHING_WAITS]


async def test_a_home_without_the_groups_says_so(world: World) -> None:
    """It must not say that nothing waits when the groups are unknown."""
    ada = world.person("U0ADA")
    await fault(world.simulator, "usergroups.list", "internal_error")
    assert home.GROUPS_UNKNOWN in sections(await opened(ada))[home.WAITING_TITLE]


async def test_asking_from_home(world: World) -> None:
    rita = world.person("U0RITA")
    await rita.click_in_view(await opened(rita), home.ASK)
    form = await rita.wait_for_view("ask")
    assert form["blocks"][0]["block_id"] == "policy"


async def test_a_row_opens_the_details_with_the_card_and_the_record(world: World) -> None:
    rita, ada = world.person("U0RITA"), world.person("U0ADA")
    await opened(ada)
    card = await ask(rita)
    request_id = card["metadata"]["event_payload"]["instance_id"]
    await has_card(world, request_id)
    await ada.click_in_view(await ada.wait_for(under(home.WAITING_TITLE, "New laptops")), home.ITEM)
    links = links_of(await ada.wait_for_view("details"))
    assert links["see_card"].endswith(f"/archives/{PURCHASES}/p{card['ts'].replace('.', '')}")
    assert links["see_record"].startswith(f"{SETTINGS['COUNTERSIGN_PUBLIC_URL']}/requests/{request_id}?")
    [person], [key] = (parse_qs(urlsplit(links["see_record"]).query)[name] for name in ("for", "key"))
    known = RecordLinks(None, Secrets.load(SETTINGS["COUNTERSIGN_SECRET"], world.data))
    assert person == "U0ADA"
    assert known.good_until(request_id, person, key) is not None


async def test_the_record_is_offered_to_the_people_of_the_request_alone(world: World) -> None:
    """By the ID alone nobody sees more than the card."""
    rita, sam, dirk = [world.person(user) for user in ("U0RITA", "U0SAM", "U0DIRK")]
    card = await ask(rita)
    request_id = card["metadata"]["event_payload"]["instance_id"]
    await has_card(world, request_id)
    await dirk.command(PURCHASES, f"/request-approval status {request_id}")
    assert set(links_of(await dirk.wait_for_view("details"))) == {"see_card", "see_record"}
    await sam.command(PURCHASES, f"/request-approval status {request_id}")
    told = await sam.wait_for_message(PURCHASES, lambda message: message["ephemeral"])
    assert "Only the people of this request" in text_of(told)
    assert not await sam.views()


async def test_being_away_is_set_changed_and_ended(world: World) -> None:
    ada = world.person("U0ADA")
    today = world.now().date()
    until = today + timedelta(days=3)
    await ada.click_in_view(await opened(ada), home.AWAY)
    form = await ada.wait_for_view("away")
    with pytest.raises(ActionRefusedError) as refused:
        await ada.submit(form, {"until": str(today - timedelta(days=1)), "delegate": "U0FAY"})
    assert list(refused.value.errors) == ["until"]
    with pytest.raises(ActionRefusedError) as refused:
        await ada.submit(form, {"until": str(until), "delegate": "U0ADA"})
    assert list(refused.value.errors) == ["delegate"]
    await ada.submit(form, {"until": str(until), "delegate": "U0FAY"})
    view = await ada.wait_for(under(home.AWAY_TITLE, f"From {today} to {until} (UTC), <@U0FAY> is asked"))
    await ada.click_in_view(view, home.AWAY)
    again = await ada.wait_for_view("away")
    assert again["state"]["values"]["delegate"]["value"]["selected_user"] == "U0FAY"
    await ada.close_view(again)
    await ada.click_in_view(view, home.BACK)
    await ada.wait_for(under(home.AWAY_TITLE, home.THERE))


async def test_today_is_the_hubs_by_command_as_by_the_form(world: World) -> None:
    """A demo that skipped days has the date of its hub, so dates are checked against that."""
    ada = world.person("U0ADA")
    before = world.now().date()
    await world.skip(days=10)
    today = before + timedelta(days=10)
    await opened(ada)
    await ada.command(PURCHASES, f"/request-approval away until {today + timedelta(days=1)} delegate @Fay")
    await ada.wait_for(under(home.AWAY_TITLE, f"From {today} to {today + timedelta(days=1)} (UTC), <@U0FAY>"))
    await ada.command(PURCHASES, f"/request-approval away until {before} delegate @Fay")
    await ada.wait_for_message(PURCHASES, private(f"{before} is over."))


async def test_an_absence_set_by_command_is_on_the_home_too(world: World) -> None:
    ada = world.person("U0ADA")
    await opened(ada)
    await ada.command(PURCHASES, "/request-approval away until 2099-12-24 delegate @Fay")
    await ada.wait_for(under(home.AWAY_TITLE, "to 2099-12-24 (UTC), <@U0FAY>"))


def links_of(view: dict[str, Any]) -> dict[str, str]:
    rows = [block["elements"] for block in view["blocks"] if block["type"] == "actions"]
    return {element["action_id"]: element["url"] for row in rows for element in row if "url" in element}


async def test_who_may_be_an_approver_gets_the_form_while_groups_are_unknown(world: World) -> None:
    """While groups are unknown nobody is refused beforehand, and a press does not ask Slack again."""
    rita, ada = world.person("U0RITA"), world.person("U0ADA")
    card = await ask(rita)
    await fault(world.simulator, "usergroups.list", "internal_error")
    for _ in range(2):
        await ada.click(PURCHASES, card["ts"], "reject")
        await ada.close_view(await ada.wait_for_view("reject_reason"))
    assert len(await calls(world.simulator, "usergroups.list")) == 1

"""Modals and App Homes: triggers, the stack, what an app may answer, what is kept and what is checked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.simulator import ActionRefusedError, Person, Simulator, Timeouts, Workspace

Json = dict[str, Any]


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def field(block_id: str, element: Json, **changes: Any) -> Json:
    element = {"action_id": block_id, **element}
    return {"type": "input", "block_id": block_id, "label": plain(block_id), "element": element, **changes}


def modal(callback_id: str = "m", blocks: list[Json] | None = None, **changes: Any) -> Json:
    return {
        "type": "modal",
        "callback_id": callback_id,
        "title": plain("T"),
        "submit": plain("Send"),
        "blocks": blocks or [field("name", {"type": "plain_text_input"})],
        **changes,
    }


class FormApp:
    """An app whose command opens `view` and whose submissions are answered with `answer`."""

    def __init__(self, app: AsyncApp) -> None:
        self.view = modal()
        self.answer: Json = {}
        self.bodies: list[Json] = []
        self.trigger_id = ""
        self.opened: Json = {}
        app.command("/form")(self.command)
        app.view("m")(self.submitted)
        app.view_closed("m")(self.closed)
        app.action("press")(self.acted)
        app.event("app_home_opened")(self.home)

    async def command(self, ack: Any, body: Json, client: AsyncWebClient) -> None:
        self.trigger_id = body["trigger_id"]
        await ack()
        if self.view:
            self.opened = (await client.views_open(trigger_id=body["trigger_id"], view=self.view))["view"]

    async def submitted(self, ack: Any, body: Json) -> None:
        self.bodies.append(body)
        await ack(**self.answer)

    async def closed(self, ack: Any, body: Json) -> None:
        self.bodies.append(body)
        await ack()

    async def acted(self, ack: Any, body: Json, client: AsyncWebClient) -> None:
        self.bodies.append(body)
        await ack()
        if body["view"]["type"] == "modal":
            await client.views_push(trigger_id=body["trigger_id"], view=modal("pushed"))

    async def home(self, event: Json, client: AsyncWebClient) -> None:
        blocks = [{"type": "section", "text": plain(f"Hello {event['user']}")}]
        await client.views_publish(user_id=event["user"], view={"type": "home", "blocks": blocks})


@pytest.fixture
async def form(sim: Simulator, bolt: Any, attach: Any) -> AsyncIterator[FormApp]:
    async with formed(sim, bolt, attach) as made:
        yield made


@asynccontextmanager
async def formed(sim: Simulator, bolt: Any, attach: Any) -> AsyncIterator[FormApp]:
    app = bolt(sim)
    made = FormApp(app)
    async with attach(app, sim, "http"):
        yield made


async def opened(form: FormApp, person: Person, **view: Any) -> Json:
    form.view = modal(**view)
    await person.command("C0GENERAL", "/form")
    return await person.wait_for_view(form.view["callback_id"])


PRESS = {
    "type": "actions",
    "block_id": "b",
    "elements": [{"type": "button", "action_id": "press", "text": plain("+")}],
}


# Triggers


async def test_a_trigger_works_once(form: FormApp, rita: Person, client: AsyncWebClient) -> None:
    await opened(form, rita)
    with pytest.raises(SlackApiError, match="exchanged_trigger_id"):
        await client.views_open(trigger_id=form.trigger_id, view=modal())


async def test_a_trigger_expires(start: Any, bolt: Any, attach: Any) -> None:
    async with (
        start(timeouts=Timeouts(trigger=0.0)) as sim,
        formed(sim, bolt, attach) as form,
        Person(sim.url, "U0RITA") as rita,
    ):
        form.view = {}
        await rita.command("C0GENERAL", "/form")
        client = AsyncWebClient(token="xoxb-test", base_url=sim.api_url)
        with pytest.raises(SlackApiError, match="expired_trigger_id"):
            await client.views_open(trigger_id=form.trigger_id, view=modal())


async def test_a_view_that_is_refused_does_not_cost_the_trigger(
    form: FormApp, rita: Person, client: AsyncWebClient
) -> None:
    form.view = {}
    await rita.command("C0GENERAL", "/form")
    with pytest.raises(SlackApiError, match="invalid_arguments"):
        await client.views_open(trigger_id=form.trigger_id, view=modal(title=plain("x" * 25)))
    assert (await client.views_open(trigger_id=form.trigger_id, view=modal()))["ok"]


# The stack


async def test_three_modals_lie_on_each_other_and_no_fourth(form: FormApp, rita: Person) -> None:
    view = await opened(form, rita, blocks=[PRESS])
    await rita.click_in_view(view, "press")
    first, second = await rita.wait_for(two_views)
    assert (second["callback_id"], second["previous_view_id"], second["root_view_id"]) == (
        "pushed",
        first["id"],
        first["id"],
    )
    form.answer = {"response_action": "push", "view": modal("third")}
    await rita.submit(first | {"blocks": [PRESS]})
    assert [open_view["callback_id"] for open_view in await rita.views()] == ["m", "pushed", "third"]
    with pytest.raises(ActionRefusedError, match="trouble connecting"):
        await rita.submit(first | {"blocks": [PRESS]})
    assert len(await rita.views()) == 3


async def two_views(person: Person) -> list[Json] | None:
    views = await person.views()
    return views if len(views) == 2 else None


async def test_closing_uncovers_the_one_below_and_is_told_where_asked(form: FormApp, rita: Person) -> None:
    view = await opened(form, rita, notify_on_close=True)
    form.answer = {"response_action": "push", "view": modal("quiet")}
    await rita.submit(view, {"name": "x"})
    form.bodies.clear()
    await rita.close_view((await rita.views())[-1])
    assert form.bodies == []
    await rita.close_view((await rita.views())[-1])
    assert await rita.views() == []
    [body] = form.bodies
    assert (body["type"], body["is_cleared"], body["view"]["id"]) == ("view_closed", False, view["id"])


async def test_clear_on_close_takes_the_whole_stack(form: FormApp, rita: Person) -> None:
    view = await opened(form, rita)
    form.answer = {"response_action": "push", "view": modal("m", clear_on_close=True, notify_on_close=True)}
    await rita.submit(view, {"name": "x"})
    await rita.close_view((await rita.views())[-1])
    assert await rita.views() == []
    assert form.bodies[-1]["is_cleared"] is True


# Submission


async def test_a_submission_carries_the_view_and_everything_in_it(form: FormApp, rita: Person) -> None:
    options = [{"text": plain(value), "value": value} for value in ("a", "b")]
    blocks = [
        field("name", {"type": "plain_text_input"}),
        field("pick", {"type": "static_select", "options": options}),
        field("many", {"type": "checkboxes", "options": options}),
        field("who", {"type": "users_select", "initial_user": "U0ADA"}),
        field("day", {"type": "datepicker"}, optional=True),
    ]
    view = await opened(form, rita, blocks=blocks, private_metadata="kept")
    await rita.submit(view, {"name": "Rita", "pick": "b", "many": ["a"]})
    [body] = form.bodies
    assert (body["type"], body["user"]["id"], body["view"]["private_metadata"]) == (
        "view_submission",
        "U0RITA",
        "kept",
    )
    assert body["view"]["state"]["values"] == {
        "name": {"name": {"type": "plain_text_input", "value": "Rita"}},
        "pick": {"pick": {"type": "static_select", "selected_option": options[1]}},
        "many": {"many": {"type": "checkboxes", "selected_options": [options[0]]}},
        "who": {"who": {"type": "users_select", "selected_user": "U0ADA"}},
        "day": {"day": {"type": "datepicker", "selected_date": None}},
    }
    assert await rita.views() == []


async def test_what_an_app_may_answer(form: FormApp, rita: Person) -> None:
    view = await opened(form, rita)
    form.answer = {"response_action": "update", "view": modal("m", private_metadata="second")}
    await rita.submit(view, {"name": "x"})
    [updated] = await rita.views()
    assert (updated["id"], updated["private_metadata"]) == (view["id"], "second")
    assert updated["state"]["values"]["name"]["name"]["value"] == "x", "what was put in stays"
    form.answer = {"response_action": "push", "view": modal("m")}
    await rita.submit(updated)
    form.answer = {"response_action": "clear"}
    await rita.submit((await rita.views())[-1], {"name": "y"})
    assert await rita.views() == []


@pytest.mark.parametrize(
    "answer",
    [
        {"response_action": "dance"},
        {"response_action": "errors", "errors": {"no_such_block": "x"}},
        {"response_action": "errors", "errors": {}},
        {"response_action": "update", "view": {"type": "modal"}},
    ],
    ids=str,
)
async def test_an_answer_that_makes_no_sense_is_trouble(form: FormApp, rita: Person, answer: Json) -> None:
    view = await opened(form, rita)
    form.answer = answer
    with pytest.raises(ActionRefusedError, match=r"We had some trouble connecting\. Try again\?"):
        await rita.submit(view, {"name": "x"})
    assert len(await rita.views()) == 1, "the modal stays for another try"


@pytest.mark.parametrize(
    ("element", "value", "complaint"),
    [
        ({"type": "plain_text_input"}, "", "required"),
        ({"type": "plain_text_input", "min_length": 3}, "ab", "at least 3"),
        ({"type": "plain_text_input", "max_length": 3}, "abcd", "at most 3"),
        ({"type": "email_text_input"}, "rita", "email"),
        ({"type": "url_text_input"}, "acme", "URL"),
        ({"type": "number_input", "is_decimal_allowed": False}, "1.5", "number"),
        ({"type": "number_input", "is_decimal_allowed": False, "min_value": "10"}, "9", "at least 10"),
        ({"type": "number_input", "is_decimal_allowed": True, "max_value": "1.5"}, "1.6", "at most 1.5"),
        ({"type": "multi_users_select", "max_selected_items": 1}, ["U0ADA", "U0FIN"], "at most 1"),
    ],
    ids=str,
)
async def test_slack_checks_inputs_before_the_app_hears_of_them(
    form: FormApp, rita: Person, element: Json, value: Any, complaint: str
) -> None:
    view = await opened(form, rita, blocks=[field("it", element)])
    with pytest.raises(ActionRefusedError) as refused:
        await rita.submit(view, {"it": value})
    assert complaint in refused.value.errors["it"]
    assert form.bodies == []


# UserActions and updating


async def test_a_choice_in_a_modal_is_kept_and_told_only_where_dispatched(
    form: FormApp, rita: Person
) -> None:
    options = [{"text": plain(value), "value": value} for value in ("a", "b")]
    choice = {"type": "static_select", "action_id": "press", "options": options}
    view = await opened(
        form, rita, blocks=[field("quiet", {"type": "plain_text_input"}), {**PRESS, "elements": [choice]}]
    )
    await rita.click_in_view(view, "quiet", value="typed")
    assert form.bodies == []
    await rita.click_in_view(view, "press", selected_option="b")
    [body] = form.bodies
    assert body["container"] == {"type": "view", "view_id": view["id"]}
    values = body["view"]["state"]["values"]
    assert values["quiet"]["quiet"]["value"] == "typed"
    assert values["b"]["press"]["selected_option"] == options[1]


async def test_an_update_may_take_an_option_away_that_was_chosen(
    form: FormApp, rita: Person, client: AsyncWebClient
) -> None:
    def choice(*values: str) -> Json:
        options = [{"text": plain(value), "value": value} for value in values]
        return field("it", {"type": "static_select", "options": options})

    view = await opened(form, rita, blocks=[choice("a", "b")])
    await rita.click_in_view(view, "it", selected_option="b")
    await client.views_update(view_id=view["id"], view=modal(blocks=[choice("a", "c")]))
    [updated] = await rita.views()
    assert updated["state"]["values"]["it"]["it"]["selected_option"] is None


async def test_updates_by_hash_and_by_external_id(
    form: FormApp, rita: Person, client: AsyncWebClient
) -> None:
    view = await opened(form, rita, external_id="mine")
    fresh = (await client.views_update(external_id="mine", view=modal(external_id="mine")))["view"]
    assert fresh["id"] == view["id"]
    with pytest.raises(SlackApiError, match="hash_conflict"):
        await client.views_update(view_id=view["id"], hash=view["hash"], view=modal())
    await client.views_update(view_id=view["id"], hash=fresh["hash"], view=modal(external_id="mine"))
    form.answer = {"response_action": "push", "view": modal("m", external_id="mine")}
    with pytest.raises(ActionRefusedError, match="trouble connecting"):
        await rita.submit(view, {"name": "x"})


async def test_nobody_acts_in_the_modal_of_another(form: FormApp, rita: Person, ada: Person) -> None:
    view = await opened(form, rita)
    for attempt in (
        ada.submit(view, {"name": "x"}),
        ada.close_view(view),
        ada.click_in_view(view, "name", value="x"),
    ):
        with pytest.raises(ActionRefusedError, match="someone else"):
            await attempt
    assert await ada.views() == []


@pytest.mark.usefixtures("form")
async def test_the_home_tab_is_published_when_it_is_opened(rita: Person) -> None:
    assert await rita.home() is None
    await rita.open_home()
    home = await rita.wait_for(Person.home)
    assert (home["type"], home["blocks"][0]["text"]["text"]) == ("home", "Hello U0RITA")


async def test_open_modals_and_homes_survive_a_restart(
    tmp_path: Any, start: Any, bolt: Any, attach: Any
) -> None:
    path = tmp_path / "slack.db"
    async with (
        start(Workspace.open(path)) as sim,
        formed(sim, bolt, attach) as form,
        Person(sim.url, "U0RITA") as rita,
    ):
        view = await opened(form, rita)
        await rita.open_home()
        home = await rita.wait_for(Person.home)
    async with start(Workspace.open(path)) as sim, Person(sim.url, "U0RITA") as rita:
        assert [kept["id"] for kept in await rita.views()] == [view["id"]]
        assert await rita.home() == home

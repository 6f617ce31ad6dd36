"""What a person can do in the workspace, and what Slack does about it."""

from collections.abc import Callable
from typing import Any

from bot.simulator.errors import SimulatorError, SlackError
from bot.simulator.slack_api import elements, inputs
from bot.simulator.slack_api.answers import PATH, Answers
from bot.simulator.slack_api.command_text import escaped
from bot.simulator.slack_api.delivery import NoAckError
from bot.simulator.slack_api.dispatcher import PayloadDispatcher
from bot.simulator.slack_api.installation import Installation
from bot.simulator.slack_api.message_events import deleted_event, message_event
from bot.simulator.slack_api.views_check import checked_view
from bot.simulator.workspace.channels import Channel
from bot.simulator.workspace.messages import Message
from bot.simulator.workspace.response_urls import ResponseUrl
from bot.simulator.workspace.seed import Member
from bot.simulator.workspace.views import MAX_STACK, View

Json = dict[str, Any]

SLACKBOT = "USLACKBOT"
# Slack's own words, as people know them.
DID_NOT_RESPOND = "{command} failed because the app did not respond"
FAILED_WITH = '{command} failed with the error "dispatch_failed"'
NOT_A_COMMAND = "{command} is not a valid command."
APP_STATUS = "This app responded with Status Code {status}."
APP_SILENT = "This app did not respond."
TROUBLE = "We had some trouble connecting. Try again?"


class InvalidInputsError(SimulatorError):
    """A modal cannot be submitted yet; `errors` says by block_id what to correct."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("Some of the answers must be corrected.")
        self.errors = errors


class UserActions:
    """Carries out what people do. `url` returns the address of this server.

    Every method raises SimulatorError, with the sentence the person is shown, when it fails.
    """

    def __init__(
        self, installation: Installation, dispatcher: PayloadDispatcher, url: Callable[[], str]
    ) -> None:
        self._workspace = installation.workspace
        self._installation = installation
        self.dispatcher = dispatcher
        self._url = url
        self.answers = Answers(installation.workspace)

    def say(self, person: Member, channel: Channel, text: str, thread_ts: str | None = None) -> Message:
        """Post a message; this also makes the person a member of the channel."""
        if not text.strip():
            raise SimulatorError("There is nothing to send.")
        if channel.is_im and not self._installation.app.takes_messages:
            raise SimulatorError("Sending messages to this app has been turned off.")
        parent = self._workspace.messages.get(channel.id, thread_ts) if thread_ts else None
        if thread_ts and parent is None:
            raise SimulatorError("That thread is gone.")
        with self._workspace.store.transaction():
            self._workspace.channels.join(channel.id, person.id)
            root = (parent.thread_ts or parent.ts) if parent else None
            message = self._workspace.messages.post(Message(channel.id, person.id, text=text, thread_ts=root))
            self._workspace.channels.mark_read(channel.id, person.id)
        event = message_event(channel, self._installation.shapes.message(message))
        app = self._installation.bot
        if not self._workspace.channels.has_member(channel.id, app):
            return message
        self.dispatcher.emit(event)
        if f"<@{app}>" in text and not channel.is_im:
            self.dispatcher.emit(
                {key: value for key, value in event.items() if key != "channel_type"}
                | {"type": "app_mention"}
            )
        return message

    def delete(self, message: Message) -> None:
        """Remove a message, as its author or an administrator could."""
        self._workspace.messages.delete(message)
        channel = self._workspace.channels.get(message.channel)
        if channel is not None and not message.ephemeral:
            self.dispatcher.emit(deleted_event(channel, message.ts, self._workspace.next_ts()))

    async def command(self, person: Member, channel: Channel, line: str) -> None:
        """Run a slash command and show the app's answer in its acknowledgement."""
        command, _, text = line.strip().partition(" ")
        if self._installation.app.commands is not None and command not in self._installation.app.commands:
            raise SimulatorError(self._tell(person, channel, NOT_A_COMMAND.format(command=command)))
        if self._installation.app.should_escape:
            text = escaped(text, self._workspace)
        where = ResponseUrl(channel.id, person.id, None)
        payload = self._installation.interactions.command(
            person,
            channel,
            command,
            text.strip(),
            trigger_id=self._installation.triggers.issue(person.id),
            response_url=self._response_url(where),
        )
        try:
            answer = await self.dispatcher.deliver("slash_commands", payload)
            if answer:
                self.answers.put(answer, where)
        except (NoAckError, SlackError) as failure:
            silent = isinstance(failure, NoAckError) and failure.status is None
            words = (DID_NOT_RESPOND if silent else FAILED_WITH).format(command=command)
            raise SimulatorError(self._tell(person, channel, words)) from failure

    async def act_on_message(self, person: Member, message: Message, action_id: str, given: Json) -> None:
        """Press a button of a message, or choose something in it.

        `given` has the choice, the `state` of the other elements, and optionally the `block_id`.
        """
        channel = self._workspace.channels.get(message.channel)
        if channel is None or message.ephemeral_to not in {None, person.id}:
            raise SimulatorError("That message is gone.")
        found = elements.find(message.blocks, action_id, given.get("block_id"))
        action = elements.action(found, given, self._workspace.next_ts())
        values = elements.state(message.blocks, _with_choice(given["state"], found, action))
        await self._interact(
            self._installation.interactions.message_action(
                person,
                message,
                channel,
                action,
                values,
                trigger_id=self._installation.triggers.issue(person.id),
                response_url=self._response_url(ResponseUrl(channel.id, person.id, message.ts)),
            )
        )

    async def act_in_view(self, person: Member, view: View, action_id: str, given: Json) -> None:
        """Press a button in a modal or App Home, or choose something in it; `given` is as for a message."""
        self._own(person, view)
        found = elements.find(view.blocks, action_id, given.get("block_id"))
        action = elements.action(found, given, self._workspace.next_ts())
        values = _with_choice(_merged(view.values, given["state"]), found, action)
        view = self._workspace.views.put_values(view, values)
        if found.is_input and not found.block.get("dispatch_action"):
            return
        trigger_id = self._installation.triggers.issue(person.id, None if view.is_home else view.id)
        await self._interact(
            self._installation.interactions.view_action(person, view, action, trigger_id=trigger_id)
        )

    async def submit(self, person: Member, view: View, given: Json) -> None:
        """Submit a modal with these values, and do what the app answers.

        Raises InvalidInputsError for what Slack or the app finds wrong with them.
        """
        self._own(person, view)
        merged = _merged(view.values, given)
        values = elements.state(view.blocks, merged)
        view = self._workspace.views.put_values(view, values)
        if errors := inputs.complaints(view.blocks, values):
            raise InvalidInputsError(errors)
        trigger_id = self._installation.triggers.issue(person.id, view.id)
        payload = self._installation.interactions.view_submission(person, view, trigger_id=trigger_id)
        try:
            answer = await self.dispatcher.deliver("interactive", payload)
            self._follow(view, answer if isinstance(answer, dict) else {})
        except (NoAckError, SlackError) as failure:
            raise SimulatorError(TROUBLE) from failure

    def _follow(self, view: View, answer: Json) -> None:
        """Do what the app's answer to a submission says; raises SlackError when the answer is not valid."""
        views = self._workspace.views
        match answer.get("response_action"):
            case None if not answer:
                views.close(view)
            case "clear":
                views.close_all(view.person)
            case "update":
                views.update(view, checked_view(answer.get("view"), "modal"))
            case "push" if len(views.stack(view.person)) < MAX_STACK:
                views.push(view.person, checked_view(answer.get("view"), "modal"))
            case "errors" if _fits(view, answer.get("errors")):
                raise InvalidInputsError(answer["errors"])
            case _:
                raise SlackError("invalid_response_action")

    async def close(self, person: Member, view: View) -> None:
        """Dismiss a modal; with `clear_on_close` the whole stack goes.

        The app receives a view_closed payload if the modal has `notify_on_close`.
        """
        self._own(person, view)
        is_cleared = bool(view.content["clear_on_close"])
        payload = self._installation.interactions.view_closed(person, view, is_cleared=is_cleared)
        if is_cleared:
            self._workspace.views.close_all(person.id)
        else:
            self._workspace.views.close(view)
        if view.content["notify_on_close"]:
            await self._interact(payload)

    def open_home(self, person: Member) -> None:
        """Open the app's Home tab; the app receives an event and may publish a view."""
        channel, _ = self._workspace.channels.open_im(person.id, self._installation.bot)
        event: Json = {
            "type": "app_home_opened",
            "user": person.id,
            "channel": channel.id,
            "tab": "home",
            "event_ts": self._workspace.next_ts(),
        }
        if home := self._workspace.views.home(person.id):
            event["view"] = self._installation.shapes.view(home, with_state=True)
        self.dispatcher.emit(event)

    async def _interact(self, payload: Json) -> None:
        try:
            await self.dispatcher.deliver("interactive", payload)
        except NoAckError as failure:
            words = APP_STATUS.format(status=failure.status) if failure.status else APP_SILENT
            raise SimulatorError(words) from failure

    def _tell(self, person: Member, channel: Channel, words: str) -> str:
        """Show a sentence of Slack's own to one person, and return it."""
        self._workspace.messages.post(
            Message(channel.id, SLACKBOT, bot=True, username="Slackbot", text=words, ephemeral_to=person.id)
        )
        return words

    def _response_url(self, where: ResponseUrl) -> str:
        return self._url() + PATH.format(
            secret=self._workspace.response_urls.issue(where, self._workspace.now())
        )

    def _own(self, person: Member, view: View) -> None:
        if view.person != person.id:
            raise SimulatorError("That view belongs to someone else.")


def _merged(values: Json, given: Json) -> Json:
    return {
        block_id: {**values.get(block_id, {}), **given.get(block_id, {})} for block_id in {**values, **given}
    }


def _with_choice(values: Json, found: elements.PlacedElement, action: Json) -> Json:
    kind = elements.HOLDERS.get(found.element["type"])
    if kind is None:
        return values
    return _merged(values, {found.block_id: {found.action_id: {kind.key: action[kind.key]}}})


def _fits(view: View, errors: Any) -> bool:
    """Say whether these are errors about input blocks of the view. Slack accepts no others."""
    known = {block["block_id"] for block in view.blocks if block["type"] == "input"}
    if not isinstance(errors, dict) or not errors or not errors.keys() <= known:
        return False
    return all(isinstance(text, str) for text in errors.values())

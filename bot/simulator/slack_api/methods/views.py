"""views.*: modals and App Homes."""

from bot.simulator.errors import SlackError, bad_arguments
from bot.simulator.slack_api.methods.table import Json, MethodCall, method
from bot.simulator.slack_api.views_check import checked_view
from bot.simulator.workspace.views import MAX_STACK, View


@method("views.open")
def views_open(call: MethodCall) -> Json:
    """Open a modal for the person behind the trigger."""
    content = _content(call, "modal")
    trigger = call.triggers.spend(call.args.required("trigger_id"))
    return {"view": call.shapes.view(call.workspace.views.open(trigger.person, content))}


@method("views.push")
def views_push(call: MethodCall) -> Json:
    """Put a modal on top of the modal that the trigger came from."""
    content = _content(call, "modal")
    trigger = call.triggers.spend(call.args.required("trigger_id"))
    stack = call.workspace.views.stack(trigger.person)
    if trigger.view_id not in {view.id for view in stack}:
        raise SlackError("invalid_trigger_id")
    if len(stack) >= MAX_STACK:
        raise SlackError("push_limit_reached")
    return {"view": call.shapes.view(call.workspace.views.push(trigger.person, content))}


@method("views.update")
def views_update(call: MethodCall) -> Json:
    """Replace an open view, named by its ID or by the app's own ID for it."""
    if not (call.args.text("view_id") or call.args.text("external_id")):
        raise bad_arguments("missing required field: view_id or external_id")
    if external_id := call.args.text("external_id"):
        view = call.workspace.views.by_external_id(external_id)
    else:
        view = call.workspace.views.get(call.args.text("view_id"))
    if view is None:
        raise SlackError("not_found")
    content = _content(call, "home" if view.is_home else "modal")
    _hash_is_current(call, view)
    return {"view": call.shapes.view(call.workspace.views.update(view, content))}


@method("views.publish")
def views_publish(call: MethodCall) -> Json:
    """Show a person the app's Home tab."""
    content = _content(call, "home")
    person = call.workspace.people.get(call.args.required("user_id"))
    if person is None or person.is_bot:
        raise SlackError("invalid_arguments", response_metadata={"messages": ["invalid `user_id`"]})
    home = call.workspace.views.home(person.id)
    if home is not None:
        _hash_is_current(call, home)
    return {"view": call.shapes.view(call.workspace.views.publish(person.id, content))}


def _content(call: MethodCall, kind: str) -> Json:
    view = call.args.json("view", bad_arguments("view is not valid JSON [json-pointer:/view]"))
    if view is None:
        raise bad_arguments("missing required field: view")
    return checked_view(view, kind)


def _hash_is_current(call: MethodCall, view: View) -> None:
    given = call.args.text("hash")
    if given and given != view.hash:
        raise SlackError("hash_conflict")

"""users.* and usergroups.*: people and user groups."""

from bot.simulator.errors import SlackError
from bot.simulator.slack_api.methods.table import Json, MethodCall, method, paged


@method("users.info", "users:read")
def users_info(call: MethodCall) -> Json:
    """Describe one person."""
    person = call.workspace.people.get(call.args.required("user"))
    if person is None:
        raise SlackError("user_not_found")
    return {"user": call.shapes.person(person, with_email=_may_see_email(call))}


@method("users.list", "users:read")
def users_list(call: MethodCall) -> Json:
    """List everyone."""
    page, following = call.page(call.workspace.people.all(), default=1000, at_most=1000)
    members = [call.shapes.person(person, with_email=_may_see_email(call)) for person in page]
    return {"members": members, "cache_ts": int(call.workspace.now()), **paged(following)}


@method("users.lookupByEmail", "users:read.email")
def users_lookup_by_email(call: MethodCall) -> Json:
    """Find a person by e-mail address."""
    email = call.args.required("email").lower()
    for person in call.workspace.people.all():
        if person.email and person.email.lower() == email:
            return {"user": call.shapes.person(person, with_email=True)}
    raise SlackError("users_not_found")


@method("usergroups.list", "usergroups:read")
def usergroups_list(call: MethodCall) -> Json:
    """List the user groups."""
    with_users = call.args.flag("include_users")
    return {
        "usergroups": [
            call.shapes.group(group, with_users=with_users) for group in call.workspace.people.groups()
        ]
    }


@method("usergroups.users.list", "usergroups:read")
def usergroups_users_list(call: MethodCall) -> Json:
    """List who is in a user group."""
    wanted = call.args.required("usergroup")
    for group in call.workspace.people.groups():
        if group.id == wanted:
            return {"users": list(group.members)}
    raise SlackError("no_such_subteam")


def _may_see_email(call: MethodCall) -> bool:
    return "users:read.email" in call.app.scopes

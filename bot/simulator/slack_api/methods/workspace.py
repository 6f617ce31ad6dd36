"""api.*, auth.*, apps.*, team.*: the workspace and the connection to it."""

from bot.simulator.errors import SlackError
from bot.simulator.slack_api.methods.table import Json, MethodCall, method


@method("api.test", takes="none")
def api_test(call: MethodCall) -> Json:
    """Answer with the arguments, or with the error that they name."""
    if error := call.args.text("error"):
        raise SlackError(error, args=call.args.given)
    return {"args": call.args.given}


@method("auth.test")
def auth_test(call: MethodCall) -> Json:
    """Say whose token this is."""
    app = call.workspace.people.app()
    return {
        "url": f"{call.origin}/",
        "team": call.workspace.name,
        "user": app.name,
        "team_id": call.workspace.team_id,
        "user_id": app.id,
        "bot_id": call.app.bot_id,
        "is_enterprise_install": False,
    }


@method("team.info", "team:read")
def team_info(call: MethodCall) -> Json:
    """Describe the workspace."""
    workspace = call.workspace
    return {
        "team": {
            "id": workspace.team_id,
            "name": workspace.name,
            "url": f"{call.origin}/",
            "domain": workspace.domain,
            "email_domain": "",
            "icon": {"image_default": True},
        }
    }


@method("apps.connections.open", takes="app")
def connections_open(call: MethodCall) -> Json:
    """Issue the URL of one Socket Mode connection."""
    return {"url": call.dispatcher.sockets.issue_url(call.origin)}

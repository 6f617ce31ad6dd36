"""One app installed in one workspace."""

from bot.simulator.slack_api.app_config import AppConfig
from bot.simulator.slack_api.interactions import Interactions
from bot.simulator.slack_api.shapes import Shapes
from bot.simulator.workspace.triggers import Triggers
from bot.simulator.workspace.workspace import Workspace


class Installation:
    """What the modules that serve the app have in common: state, configuration, and Slack's JSON shapes.

    `trigger_lifetime` is in seconds.
    """

    def __init__(self, workspace: Workspace, app: AppConfig, trigger_lifetime: float) -> None:
        self.workspace = workspace
        self.app = app
        self.shapes = Shapes(workspace, app)
        self.interactions = Interactions(workspace, app)
        self.triggers = Triggers(trigger_lifetime)

    @property
    def bot(self) -> str:
        """Return the user ID of the app's bot."""
        return self.workspace.people.app().id

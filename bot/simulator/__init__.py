"""A local Slack workspace, with phones: real HTTP, real WebSockets, real signatures.

It knows nothing of the app it serves.
"""

from bot.simulator.control.controls import Controls
from bot.simulator.control.guide import Guide
from bot.simulator.control.person import Person, RefusedError
from bot.simulator.errors import SimulatorError
from bot.simulator.server import Patience, Simulator
from bot.simulator.slack_api.app_config import AppConfig, CommandHint
from bot.simulator.sms.account import SmsAccount
from bot.simulator.workspace.changes import Change
from bot.simulator.workspace.seed import SEED, Group, Member, Room, Seed
from bot.simulator.workspace.workspace import Workspace

__all__ = [
    "SEED",
    "AppConfig",
    "Change",
    "CommandHint",
    "Controls",
    "Group",
    "Guide",
    "Member",
    "Patience",
    "Person",
    "RefusedError",
    "Room",
    "Seed",
    "Simulator",
    "SimulatorError",
    "SmsAccount",
    "Workspace",
]

"""A local Slack workspace, with phones: real HTTP, real WebSockets, real signatures.

It knows nothing of the app it serves.
"""

from bot.simulator.app_config import AppConfig, CommandHint
from bot.simulator.changes import Change
from bot.simulator.controls import Controls
from bot.simulator.errors import SimulatorError
from bot.simulator.guide import Guide
from bot.simulator.person import Person, RefusedError
from bot.simulator.seed import SEED, Group, Member, Room, Seed
from bot.simulator.server import Patience, Simulator
from bot.simulator.sms.account import SmsAccount
from bot.simulator.workspace import Workspace

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

"""A local Slack workspace, with phones: real HTTP, real WebSockets, real signatures.

It knows nothing of the app it serves.
"""

from bot.simulator.app_config import AppConfig, CommandHint
from bot.simulator.controls import Controls
from bot.simulator.errors import SimulatorError
from bot.simulator.person import Person, RefusedError
from bot.simulator.seed import SEED, Group, Member, Room, Seed
from bot.simulator.server import Patience, Simulator
from bot.simulator.sms.account import SmsAccount
from bot.simulator.workspace import Workspace

__all__ = [
    "SEED",
    "AppConfig",
    "CommandHint",
    "Controls",
    "Group",
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

"""A local Slack workspace with phones. It speaks real HTTP and WebSockets, and knows no app in particular."""

from bot.simulator.control.controls import Controls
from bot.simulator.control.guide import Guide
from bot.simulator.control.person import ActionRefusedError, Person
from bot.simulator.errors import SimulatorError
from bot.simulator.server import Simulator, Timeouts
from bot.simulator.slack_api.app_config import AppConfig, CommandHint
from bot.simulator.slack_api.rate_limits import RateLimits
from bot.simulator.sms.account import SmsAccount
from bot.simulator.workspace.changes import Change
from bot.simulator.workspace.seed import SEED, Group, Member, Seed, SeedChannel
from bot.simulator.workspace.workspace import Workspace

__all__ = [
    "SEED",
    "ActionRefusedError",
    "AppConfig",
    "Change",
    "CommandHint",
    "Controls",
    "Group",
    "Guide",
    "Member",
    "Person",
    "RateLimits",
    "Seed",
    "SeedChannel",
    "Simulator",
    "SimulatorError",
    "SmsAccount",
    "Timeouts",
    "Workspace",
]

"""The embedded task hub: serves the durabletask SDK's protocol from one SQLite file.

The clients and workers of the SDK run on it unchanged. Whatever it has acknowledged is on disk. It knows nothing of
approvals or of the program around it.
"""

from orchestration.hub.command import main
from orchestration.hub.engine.work_limit import WORK_LIMIT, parse_work_limit
from orchestration.hub.errors import HubError
from orchestration.hub.protocol.wire import AGAIN, DISPATCH_TAG, FIRST
from orchestration.hub.server import Hub
from orchestration.hub.service.figures_service import FIGURES
from orchestration.hub.service.health_service import HEALTH
from orchestration.hub.storage.clock import Clock, SkippableClock, SystemClock
from orchestration.hub.storage.machine import MachineTime, TimeSource, boot_id
from orchestration.hub.transport.local import LocalChannel
from orchestration.hub.transport.tokens import beside as token_file
from orchestration.hub.upkeep.housekeeping import RETENTION, parse_retention

__all__ = [
    "AGAIN",
    "DISPATCH_TAG",
    "FIGURES",
    "FIRST",
    "HEALTH",
    "RETENTION",
    "WORK_LIMIT",
    "Clock",
    "Hub",
    "HubError",
    "LocalChannel",
    "MachineTime",
    "SkippableClock",
    "SystemClock",
    "TimeSource",
    "boot_id",
    "main",
    "parse_retention",
    "parse_work_limit",
    "token_file",
]

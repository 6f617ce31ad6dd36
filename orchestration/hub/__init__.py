"""The embedded task hub: the durabletask SDK's own protocol over one SQLite file.

The unmodified clients and workers of the SDK run against it, with nothing else installed. Whatever it has
acknowledged is on disk. It knows nothing of approvals, and nothing of its host program.
"""

from orchestration.hub.command import main
from orchestration.hub.errors import HubError
from orchestration.hub.server import Hub
from orchestration.hub.storage.clock import Clock, SkippableClock, SystemClock
from orchestration.hub.upkeep.housekeeping import RETENTION, parse_retention

__all__ = [
    "RETENTION",
    "Clock",
    "Hub",
    "HubError",
    "SkippableClock",
    "SystemClock",
    "main",
    "parse_retention",
]

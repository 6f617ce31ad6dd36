"""What several tests share: the places of this repository, people to act as, servers to act on."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
POLICIES: Final = Path(__file__).parent / "policies"
# Seconds within which what should happen has happened, on a machine that is many times slower than this one and has
# other things to do. Nothing waits that long unless it fails.
PATIENCE_S: Final = 60.0

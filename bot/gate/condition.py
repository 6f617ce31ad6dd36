"""The condition of a rule: an expression in CEL over one call."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import threading
from functools import lru_cache
from importlib.machinery import PathFinder
from typing import Any, Final

NAMES: Final = ("agent", "arguments", "argv", "directory", "server", "tool")
# The name for an element in a macro such as `list.exists(x, …)`.
_BOUND: Final = re.compile(r"\.\s*(?:all|exists|exists_one|existsOne|map|filter)\s*\(\s*(\w+)\s*,")
_MODULE: Final = "cel.cel"
_LOADING: Final = threading.Lock()


class ConditionError(ValueError):
    """The expression cannot be read. Says why, as the end of a sentence."""


@lru_cache(maxsize=2000)
def compiled(text: str) -> Condition:
    """The compiled expression. Each is compiled only once. Raises `ConditionError`."""
    return Condition(text)


class Condition:
    """A compiled expression."""

    def __init__(self, text: str) -> None:
        """Raises `ConditionError`."""
        self.text = text
        try:
            self._program = _cel().compile(text)
            names = self._program.variables()
        except Exception as error:
            reason = str(error).partition("ERROR:")[2] or str(error)
            raise ConditionError(f"is not CEL: {' '.join(reason.split())[:200]}") from error
        strange = sorted(set(names) - set(NAMES) - set(_BOUND.findall(text)))
        if strange:
            raise ConditionError(
                f"names {', '.join(strange)}, which there is not; there are {', '.join(NAMES)}"
            )

    def holds(self, call: dict[str, Any]) -> bool | None:
        """Whether it is true of the call; None if it cannot be evaluated, such as when an argument is missing."""
        try:
            found = self._program.execute(call)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001 - a panic in the library is no Exception, and is no answer either
            return None
        return found if isinstance(found, bool) else None


def _cel() -> Any:
    """The library's compiled module.

    Importing the package also imports its command line, which takes ten times as long as everything that a hook
    does with the module. So this loads the module from its place in the package, under its own name: a later import
    of the package gets this same module.
    """
    with _LOADING:  # A process can load it only once; the second time it panics.
        if (loaded := sys.modules.get(_MODULE)) is not None:
            return loaded
        package = importlib.util.find_spec("cel")
        places = package.submodule_search_locations if package is not None else None
        found = PathFinder.find_spec(_MODULE, places) if places is not None else None
        if found is None or found.loader is None:
            return importlib.import_module("cel")
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
        sys.modules[_MODULE] = module
        return module

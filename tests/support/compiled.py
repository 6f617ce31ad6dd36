"""Compiles all that a run of the tests imports, before the processes that share the run start.

Each of them imports nearly every file, in the same order. On a fresh checkout each would compile each file by itself,
and compiling takes longer than the imports do.
"""

from __future__ import annotations

import compileall
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest
from _pytest.assertion import rewrite
from _pytest.assertion.rewrite import assertstate_key

ROOT: Final = Path(__file__).parents[2]
_FOLDERS: Final = ("bot", "orchestration", "tests")


def compile_ahead(config: pytest.Config) -> None:
    """Compiles each file that is not compiled yet into the caches of Python and pytest. Uses every processor.

    Nothing is written where Python is told to write no bytecode. A file that cannot be compiled is left to whoever
    imports it.
    """
    if sys.dont_write_bytecode:
        return
    files, processes = list(_sources()), os.cpu_count() or 1
    fork = multiprocessing.get_context("fork")
    sharing = [fork.Process(target=_compile, args=(files[n::processes], config)) for n in range(processes)]
    for one in sharing:
        one.start()
    for one in sharing:
        one.join()


def _sources() -> Iterator[Path]:
    for folder in _FOLDERS:
        for place, folders, names in os.walk(ROOT / folder):
            folders[:] = [one for one in folders if one not in {"node_modules", "__pycache__"}]
            yield from (Path(place) / name for name in names if name.endswith(".py"))


def _compile(files: Sequence[Path], config: pytest.Config) -> None:
    """Compiles tests as pytest does, with rewritten assertions, and all other files as Python does."""
    state = config.stash[assertstate_key]
    for file in files:
        if not (file.name.startswith("test_") or file.name == "conftest.py"):
            compileall.compile_file(file, quiet=2)
            continue
        cache = rewrite.get_cache_dir(file)
        kept = cache / f"{file.stem}{rewrite.PYC_TAIL}"
        if rewrite._read_pyc(file, kept) is None:
            cache.mkdir(exist_ok=True)
            try:
                source_hash, code = rewrite._rewrite_test(file, config)
            except SyntaxError:
                continue
            rewrite._write_pyc(state, code, source_hash, kept)

"""`python -m tests.fuzz PARSER`: bytes for one reader, chosen by what they reach in it (atheris), for so many seconds.

Prints its seed. Exit status 0 where nothing was found; else the bytes are in the folder that is named, and
`python -m tests.fuzz PARSER FILE` reads them again.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path
from typing import Final

import atheris

with atheris.instrument_imports(include=["bot", "orchestration"]):
    from tests.fuzz.parsers import PARSERS

_LARGEST: Final = 1024  # bytes
_SLOWEST: Final = 20  # seconds for one input, on a machine that has other things to do
_MEMORY: Final = 2048  # MB, with the instrumented code


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("parser", choices=sorted(PARSERS))
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 2**31))
    given = parser.parse_args()
    read = PARSERS[given.parser]
    if given.file is not None:
        read.check(given.file.read_bytes())
        return
    place = Path(tempfile.mkdtemp(prefix=f"fuzz-{given.parser}-"))
    (place / "corpus").mkdir()
    for number, seed in enumerate(read.seeds):
        (place / "corpus" / str(number)).write_bytes(seed)
    sys.stdout.write(
        f"python -m tests.fuzz {given.parser} --seconds {given.seconds} --seed {given.seed}: {place}\n"
    )
    sys.stdout.flush()
    options = [
        *(f"-max_total_time={given.seconds}", f"-seed={given.seed}", f"-max_len={_LARGEST}"),
        *(f"-timeout={_SLOWEST}", f"-rss_limit_mb={_MEMORY}", f"-artifact_prefix={place}/"),
    ]
    atheris.Setup([sys.argv[0], *options, str(place / "corpus")], read.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

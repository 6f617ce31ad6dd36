from email.message import Message
from pathlib import Path

import pytest

from tests.lint.licences import LockedPackage, is_taken, licence_of, licences, locked, report
from tests.support import ROOT

MIT_AND_GPL = ["License :: OSI Approved :: MIT License", "License :: OSI Approved :: GNU GPL v3"]


def about(**said: str | list[str]) -> Message:
    found = Message()
    for name, values in said.items():
        for value in [values] if isinstance(values, str) else values:
            found[name.replace("_", "-")] = value
    return found


@pytest.mark.parametrize(
    ("said", "licence"),
    [
        (about(License_Expression="Apache-2.0 OR BSD-3-Clause", License="x"), "Apache-2.0 OR BSD-3-Clause"),
        (about(Classifier="License :: OSI Approved :: MIT License", License="whole text"), "MIT"),
        (about(Classifier=MIT_AND_GPL), "MIT AND «GNU GPL v3»"),
        (about(Classifier="License :: Other/Proprietary License"), "«License :: Other/Proprietary License»"),
        (about(License="Apache 2.0"), "Apache-2.0"),
        (about(License="MPL-2.0"), "MPL-2.0"),
        (about(License="as it pleases us"), ""),
        (about(), ""),
    ],
)
def test_the_licence_is_what_the_metadata_says_most_exactly(said: Message, licence: str) -> None:
    assert licence_of(said) == licence


@pytest.mark.parametrize(
    ("expression", "taken"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only AND MIT", False),
        ("AGPL-3.0-only", False),
        ("(MIT AND GPL-3.0-only) OR AGPL-3.0-only", False),
        ("Apache-2.0 WITH LLVM-exception", False),
        ("", False),
    ],
)
def test_only_what_is_on_the_list_is_taken(expression: str, taken: bool) -> None:
    assert is_taken(expression) is taken


def test_a_package_whose_licence_nobody_can_say_is_a_fault(tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text(
        "aiohttp==0.0.1 \\\n    --hash=sha256:00\n"  # another version is installed
        "no-such-package==1.0\n"
        'colorama==0.4.6 ; sys_platform == "win32" \\\n    --hash=sha256:00\n'
        'colorama==9.9 ; sys_platform == "win32"\n'  # whose licence nobody has read
    )
    assert list(licences(locked(lock.read_text()))) == [
        (LockedPackage("aiohttp", "0.0.1", here=True), ""),
        (LockedPackage("no-such-package", "1.0", here=True), ""),
        (LockedPackage("colorama", "0.4.6", here=False), "BSD-3-Clause"),
        (LockedPackage("colorama", "9.9", here=False), ""),
    ]
    rows, faults = report(lock)
    assert len(rows) == 4
    assert faults == [
        f"{name}: its licence is not known"
        for name in ("aiohttp 0.0.1", "no-such-package 1.0", "colorama 9.9")
    ]


def test_every_package_that_an_installation_brings_has_a_licence_that_we_take() -> None:
    rows, faults = report(ROOT / "requirements-stores.lock")
    assert not faults
    # The stores bring more than the rest, and nothing of the rest is missing among them.
    plain = {package.name for package in locked((ROOT / "requirements.lock").read_text())}
    assert plain < {row.split(" | ")[0].removeprefix("| ") for row in rows}

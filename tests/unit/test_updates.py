"""Every place that pins a version is checked for newer ones."""

from __future__ import annotations

import subprocess

import yaml

from tests.support import ROOT


def test_every_folder_that_pins_npm_packages_is_looked_at_each_week() -> None:
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]
    assert {update["schedule"]["interval"] for update in updates} == {"weekly"}
    looked_at = {
        (update["package-ecosystem"], folder)
        for update in updates
        for folder in update.get("directories", [update.get("directory")])
    }
    locks = subprocess.run(
        ["git", "ls-files", "*package-lock.json"],  # noqa: S607 - the git that the checkout was made with
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    npm = {("npm", f"/{lock.removesuffix('/package-lock.json')}") for lock in locks}
    assert looked_at == npm | {("github-actions", "/"), ("docker", "/"), ("pip", "/")}


def test_each_lock_is_made_by_one_command() -> None:
    """What `make lock` writes is all that is locked, so that the weekly look for newer versions forgets none."""
    made = (ROOT / "Makefile").read_text()
    for lock in ROOT.glob("requirements*.lock"):
        assert f"-o {lock.name}\n" in made, lock.name

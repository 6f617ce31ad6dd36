"""What is published: the files of the packages, their bytes, and what the package index shows of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support import ROOT

MARKDOWN_LINK = re.compile(r"\]\(([^)#]+)")


class Built(NamedTuple):
    """The two packages, as files."""

    sdist: Path
    wheel: Path


def build(source: Path, place: Path, umask: int, *what: str) -> None:
    """Builds there as `make dist` does, for a commit of a fixed time."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(place), *what],
        cwd=source,
        check=True,
        capture_output=True,
        umask=umask,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1767225600"},
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    place = tmp_path_factory.mktemp("dist")
    build(ROOT, place, 0o022)
    [sdist], [wheel] = place.glob("*.tar.gz"), place.glob("*.whl")
    return Built(sdist, wheel)


def metadata_of(wheel: zipfile.ZipFile) -> Message:
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return Parser().parsestr(wheel.read(name).decode())


def kept(*folders: str) -> set[str]:
    """What is kept under version control there, or will be."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *folders],  # noqa: S607
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return {name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()}


def test_the_packages_have_what_runs_and_what_is_read_and_nothing_else(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        source = {member.name.partition("/")[2] for member in archive if not member.isdir()}
    with zipfile.ZipFile(built.wheel) as archive:
        inside = set(archive.namelist())
        about = metadata_of(archive)
    runs = kept("bot", "orchestration")
    assert {name for name in inside if ".dist-info/" not in name} == runs | {"bot/manifest.yml"}
    assert {
        "bot/py.typed",
        "orchestration/py.typed",
        "bot/demo/flows.toml",
        "bot/http/templates/record.css",
    } < runs
    read = {
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        "manifest.yml",
        "requirements.lock",
        "requirements-stores.lock",
    }
    made = {".gitignore", "pyproject.toml", "PKG-INFO"}
    assert source == runs | kept("deploy", "docs", ".github/pictures") | read | made
    for name in source | inside:
        assert not re.search(r"(^|/)(tests?|test_\w+|conftest|node_modules|__pycache__)(\.py|/|$)", name), (
            name
        )
    assert about["Author"] == "The Countersign authors"
    assert {line.partition(",")[0] for line in about.get_all("Project-URL", [])} == {
        "Source",
        "Documentation",
        "Changelog",
        "Issues",
    }


def test_the_same_source_gives_the_same_bytes_elsewhere_and_at_another_time(
    built: Built, tmp_path: Path
) -> None:
    """Also from the published source: in another directory, at other times, and with files that only we may read."""
    with tarfile.open(built.sdist) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    for file in source.rglob("*"):
        os.utime(file, (1_000_000_000, 1_000_000_000))
    build(source, tmp_path / "dist", 0o077, "-t", "wheel")
    (wheel,) = (tmp_path / "dist").iterdir()
    assert wheel.read_bytes() == built.wheel.read_bytes()


def test_the_wheel_runs_outside_the_source(built: Built, tmp_path: Path) -> None:
    """In an environment that has the locked packages, and of ours the wheel alone.

    The long form plays a scenario of the demo as well; CI plays all of them, with packages freshly installed.
    """
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    python = tmp_path / "env/bin/python"
    (site,) = (tmp_path / "env/lib").glob("python*/site-packages")
    # A path in such a file is searched for modules, not for further such files: our editable install is one.
    (locked,) = {path for path in sys.path if path.endswith("site-packages") and path.startswith(sys.prefix)}
    (site / "locked.pth").write_text(f"{locked}\n")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
    ]
    subprocess.run([*pip, "--ignore-installed", str(built.wheel)], check=True, cwd=tmp_path)

    def run(*command: str) -> str:
        environment = {"PATH": f"{python.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    places = run("python", "-c", "import bot, orchestration; print(bot.__file__, orchestration.__file__)")
    assert places.split() == [str(site / name / "__init__.py") for name in ("bot", "orchestration")]
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert run("countersign", "--version").split()[-1] == version
    if os.environ.get("COUNTERSIGN_PROOF"):
        assert "1 scenario, " in run("countersign", "demo", "--headless", "--scenario", "deploy")


def test_the_package_index_can_show_the_pictures_and_follow_the_links_of_the_readme(built: Built) -> None:
    """The index has only the README's text, so each picture and link has its full address in the source repository."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    source, tag = project["urls"]["Source"], f"v{project['version']}"
    with zipfile.ZipFile(built.wheel) as archive:
        readme = metadata_of(archive).get_payload()
    assert isinstance(readme, str)
    raw = f"{source.replace('https://github.com/', 'https://raw.githubusercontent.com/')}/main/"
    links = MARKDOWN_LINK.findall(readme)
    pages = [link.removeprefix(f"{source}/blob/{tag}/") for link in links if link.startswith(source)]
    pictures = [link.removeprefix(raw) for link in links if link.startswith(raw)]
    assert "docs/guides/install.md" in pages
    assert pictures
    for name in pages + pictures:
        assert (ROOT / name).is_file(), name
    assert [link for link in links if not link.startswith("https://")] == []

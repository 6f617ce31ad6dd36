"""What is published: the files of the packages, and what the package index shows of them."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path

from tests.support import ROOT


def test_the_packages_have_what_runs_and_what_is_read_and_no_tests(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [sdist], [wheel] = tmp_path.glob("*.tar.gz"), tmp_path.glob("*.whl")
    with tarfile.open(sdist) as archive:
        source = {name.partition("/")[2] for name in archive.getnames()}
    with zipfile.ZipFile(wheel) as archive:
        built = set(archive.namelist())
        [metadata] = [name for name in built if name.endswith("METADATA")]
        about = message_from_string(archive.read(metadata).decode())
    tops = {name.partition("/")[0] for name in source}
    assert tops == {
        *("bot", "orchestration", "docs", ".github", "README.md", "CHANGELOG.md", "LICENSE"),
        *(".gitignore", "pyproject.toml", "PKG-INFO"),
    }
    assert {name.partition("/")[0] for name in built} - {metadata.partition("/")[0]} == {
        "bot",
        "orchestration",
    }
    for files in (source, built):
        assert not [name for name in files if re.search(r"(^|/)(tests?|test_\w+|conftest)(\.py|/|$)", name)]
        assert "orchestration/hub/README.md" in files
        assert {"bot/simulator/page/index.html", "bot/manifest.yml"} <= files
    assert about["Author"] == "The Countersign authors"
    assert {line.partition(",")[0] for line in about.get_all("Project-URL", [])} == {
        "Source",
        "Documentation",
        "Changelog",
        "Issues",
    }


def test_the_package_index_can_show_the_pictures_of_the_readme() -> None:
    """It knows of no file beside the text, so a picture is named by the address at which the source has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    source = project["urls"]["Source"].replace("https://github.com/", "https://raw.githubusercontent.com/")
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    assert pictures
    for picture in pictures:
        assert picture.startswith(f"{source}/main/"), picture
        assert (ROOT / picture.removeprefix(f"{source}/main/")).is_file(), picture

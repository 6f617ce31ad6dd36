"""Nobody else may have put anything into the data directory, and no secret is shown by accident."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bot import config
from bot.security import data_dir
from bot.security.data_dir import DataDirError
from bot.security.secrets import SecretError, Secrets

TOKEN = "xoxb-a-very-secret-token"


def settings(path: Path) -> dict[str, str]:
    return {
        "SLACK_BOT_TOKEN": TOKEN,
        "SLACK_SIGNING_SECRET": "shh-" * 8,
        "COUNTERSIGN_SECRET": "s3cr3t-" * 6,
        "COUNTERSIGN_POLICIES": str(path / "policies.toml"),
        "COUNTERSIGN_DATA_DIR": str(path),
    }


@pytest.mark.parametrize("mode", [0o777, 0o755, 0o750, 0o710, 0o701, 0o770])
def test_a_directory_that_others_can_enter_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(DataDirError, match=rf"^COUNTERSIGN_DATA_DIR: .* \(mode {mode:04o}\).*chmod 700"):
        config.data_dir(settings(tmp_path))


@pytest.mark.parametrize("name", ["secret", "signing-keys.json", "tokens.toml"])
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o602])
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, name: str, mode: int) -> None:
    (tmp_path / name).write_text("x")
    (tmp_path / name).chmod(mode)
    with pytest.raises(DataDirError, match=f"{name} is open to other users .*chmod 600"):
        data_dir.check(tmp_path)


def _written_by_all(path: Path) -> None:
    (path / "hub.db").write_text("")
    (path / "hub.db").chmod(0o666)


def _link(path: Path) -> None:
    (path / "tokens.toml").symlink_to("/etc/hostname")


def _of_somebody_else(path: Path) -> None:
    (path / "tokens.toml").write_text("")
    (path / "tokens.toml").chmod(0o600)
    os.chown(path / "tokens.toml", 65534, 65534)


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        (_written_by_all, "hub.db is open to other users"),
        (_link, "tokens.toml is a symbolic link"),
        pytest.param(
            _of_somebody_else,
            "tokens.toml belongs to another user",
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away"),
        ),
    ],
)
def test_what_others_may_have_planted_is_refused(
    tmp_path: Path, planted: Callable[[Path], None], said: str
) -> None:
    planted(tmp_path)
    with pytest.raises(DataDirError, match=said):
        data_dir.check(tmp_path)


def test_what_countersign_makes_itself_is_good(tmp_path: Path) -> None:
    path = config.data_dir(settings(tmp_path / "new"))
    Secrets.load(None, path)
    (path / "hub.db").write_text("")
    (path / "hub.db").chmod(0o644)  # as SQLite makes it; nobody else gets as far
    data_dir.check(path)


def test_no_secret_is_in_a_repr(tmp_path: Path) -> None:
    (tmp_path / "policies.toml").write_text("")
    given = settings(tmp_path)
    shown = repr(config.read(given)) + repr(Secrets.load(given["COUNTERSIGN_SECRET"], tmp_path))
    for name in ("SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET", "COUNTERSIGN_SECRET"):
        assert given[name] not in shown


def test_a_secret_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    first = Secrets.load(None, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]
    assert Secrets.load(None, tmp_path).values == first.values
    (tmp_path / "secret").write_text("\n")
    with pytest.raises(SecretError, match=r"is empty\. Restore it from a backup"):
        Secrets.load(None, tmp_path)

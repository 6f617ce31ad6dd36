from __future__ import annotations

import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from bot import config, setting_sources
from bot.config import SCHEDULER
from bot.security.data_dir import DataDirError
from bot.security.tokens import TokenError, TokenFile
from bot.setting_sources import SettingError

A_SCHEDULER = "Endpoint=https://s.durabletask.io;Authentication=ManagedIdentity;TaskHub=default"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        "SLACK_BOT_TOKEN": "xoxb-1",
        "SLACK_SIGNING_SECRET": "secret",
        "COUNTERSIGN_POLICIES": "policies.toml",
        "COUNTERSIGN_DATA_DIR": str(tmp_path / "data"),
    }


def test_the_defaults(environment: dict[str, str]) -> None:
    settings = config.read(environment)
    assert (settings.host, settings.port, settings.hub) == ("127.0.0.1", 3000, "embedded")
    assert settings.slack_api_url == "https://slack.com/api/"
    assert not settings.socket_mode
    assert not settings.skippable_clock
    assert settings.retention == timedelta(days=400)
    assert settings.work_limit == timedelta(hours=24)


def test_a_scheduler_is_also_named_as_other_programs_name_it(environment: dict[str, str]) -> None:
    settings = config.read(
        environment | {SCHEDULER: A_SCHEDULER, "COUNTERSIGN_PAYLOAD_STORE": "AccountKey=abc"}
    )
    assert (settings.hub_setting, settings.hub) == (SCHEDULER, A_SCHEDULER)
    assert settings.payload_store == "AccountKey=abc"
    assert "abc" not in repr(settings)


def test_the_embedded_hub_is_given_its_limits(environment: dict[str, str]) -> None:
    assert config.read(environment | {"COUNTERSIGN_RETENTION": "30d"}).retention == timedelta(days=30)
    assert config.read(environment | {"COUNTERSIGN_WORK_LIMIT": "90m"}).work_limit == timedelta(minutes=90)
    assert config.read(environment).stop_delay == timedelta(0)
    assert config.read(environment | {"COUNTERSIGN_STOP_DELAY": "5s"}).stop_delay == timedelta(seconds=5)


def test_the_data_directory_is_its_owner_s_alone(environment: dict[str, str]) -> None:
    assert stat.S_IMODE(config.read(environment).data_dir.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"SLACK_BOT_TOKEN": ""}, "SLACK_BOT_TOKEN: is not set; copy"),
        ({"COUNTERSIGN_METRICS_TOKEN": "short"}, "COUNTERSIGN_METRICS_TOKEN: must be at least 20 characters"),
        (
            {"COUNTERSIGN_METRICS_TOKEN": "two words " * 4},
            "COUNTERSIGN_METRICS_TOKEN: must be at least 20 char",
        ),
        ({"COUNTERSIGN_METRICS_TOKEN": "csn_" + "x" * 43}, "COUNTERSIGN_METRICS_TOKEN: is an API token"),
        ({"COUNTERSIGN_HUB_TOKEN": "t" * 43}, "COUNTERSIGN_HUB_TOKEN: goes with a COUNTERSIGN_HUB that"),
        ({"SLACK_BOT_TOKEN": "xoxp-1"}, "SLACK_BOT_TOKEN: is not a bot token"),
        ({"SLACK_SIGNING_SECRET": ""}, "SLACK_APP_TOKEN and SLACK_SIGNING_SECRET: neither is set"),
        ({"SLACK_APP_TOKEN": "xoxb-1"}, "SLACK_APP_TOKEN: is not an app-level token"),
        ({"COUNTERSIGN_LISTEN": "3000"}, "COUNTERSIGN_LISTEN: '3000' is not HOST:PORT"),
        ({"COUNTERSIGN_LISTEN": "127.0.0.1:99999"}, "COUNTERSIGN_LISTEN"),
        ({"COUNTERSIGN_SLACK_API_URL": "slack.com"}, "COUNTERSIGN_SLACK_API_URL: 'slack.com' is not an http"),
        ({"COUNTERSIGN_PUBLIC_URL": "ftp://x"}, "COUNTERSIGN_PUBLIC_URL"),
        ({"COUNTERSIGN_POLICIES": ""}, "COUNTERSIGN_POLICIES: is not set; give the path"),
        ({"COUNTERSIGN_HUB_CLOCK": "fast"}, "COUNTERSIGN_HUB_CLOCK: must be"),
        ({"COUNTERSIGN_LOG_FORMAT": "xml"}, "COUNTERSIGN_LOG_FORMAT: must be json or text; set one of them"),
        ({"COUNTERSIGN_ACCESS_LOG": "yes"}, "COUNTERSIGN_ACCESS_LOG: must be on or off; set one of them"),
        ({SCHEDULER: "embedded"}, f"{SCHEDULER}: is not a connection string"),
        (
            {SCHEDULER: A_SCHEDULER, "COUNTERSIGN_HUB": "embedded"},
            f"{SCHEDULER}: is set, and so is COUNTERSIGN_HUB",
        ),
        ({"COUNTERSIGN_PAYLOAD_STORE": "x"}, "COUNTERSIGN_PAYLOAD_STORE: goes with a Durable Task Scheduler"),
        ({"COUNTERSIGN_RETENTION": "a year"}, "COUNTERSIGN_RETENTION: 'a year' is not a number of days"),
        ({"COUNTERSIGN_RETENTION": "0d"}, "COUNTERSIGN_RETENTION: '0d' is not a number of days from 1d"),
        ({"COUNTERSIGN_STOP_DELAY": "5"}, "COUNTERSIGN_STOP_DELAY: must be from 0s to 300s, such as 5s"),
        ({"COUNTERSIGN_STOP_DELAY": "301s"}, "COUNTERSIGN_STOP_DELAY: must be from 0s to 300s"),
        ({"COUNTERSIGN_STOP_DELAY": "-1s"}, "COUNTERSIGN_STOP_DELAY: must be from 0s to 300s"),
        ({"COUNTERSIGN_WORK_LIMIT": "0m"}, "COUNTERSIGN_WORK_LIMIT: '0m' is not a time from 1m to 365d"),
        ({"COUNTERSIGN_WORK_LIMIT": "366d"}, "COUNTERSIGN_WORK_LIMIT: '366d' is not a time from 1m to 365d"),
        ({"COUNTERSIGN_WORK_LIMIT": "24"}, "COUNTERSIGN_WORK_LIMIT: '24' is not a time from 1m to 365d"),
        ({"SLACK_BOT_TOKEN_FILE": "/nowhere"}, "SLACK_BOT_TOKEN: is set, and so is SLACK_BOT_TOKEN_FILE"),
        (
            {"SLACK_BOT_TOKEN": "", "SLACK_BOT_TOKEN_FILE": "/nowhere"},
            "SLACK_BOT_TOKEN_FILE: names no file that can be read (No such file or directory); give the path of",
        ),
        (
            {"SLACK_BOT_TOKEN": "", "SLACK_BOT_TOKEN_FILE": "xoxb-the-token-itself"},
            "SLACK_BOT_TOKEN_FILE: names no file that can be read (No such file or directory); give the path of",
        ),
        ({"COUNTERSIGN_CONFIG": "/nowhere"}, "COUNTERSIGN_CONFIG: /nowhere cannot be read (No such file"),
        ({"COUNTERSIGN_DATA_DIR": "/dev/null/x"}, "COUNTERSIGN_DATA_DIR: /dev/null/x cannot be made"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(
    environment: dict[str, str], change: dict[str, str], words: str
) -> None:
    with pytest.raises(SettingError) as caught:
        config.read(environment | change)
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)
    assert "the-token-itself" not in str(caught.value)


def test_servers_may_share_a_file_of_tokens_that_nobody_else_can_change(
    environment: dict[str, str], tmp_path: Path
) -> None:
    assert config.read(environment).tokens == tmp_path / "data" / "tokens.toml"
    shared = tmp_path / "mounted" / "tokens.toml"
    given = environment | {"COUNTERSIGN_TOKENS": str(shared)}
    with pytest.raises(
        DataDirError, match=r"COUNTERSIGN_TOKENS: .* cannot be read \(No such file or directory\)"
    ):
        config.read(given)
    assert config.tokens(given) == shared  # `token create` makes it
    secret = TokenFile(config.tokens(given)).create("ci", "U02ALICE", ["read"])
    # A mounted secret is a link to a file that its group may read.
    link = tmp_path / "tokens.toml"
    link.symlink_to(shared)
    shared.chmod(0o440)
    settings = config.read(environment | {"COUNTERSIGN_TOKENS": str(link)})
    assert TokenFile(settings.tokens).find(secret)
    served = TokenFile(settings.tokens)
    assert served.find(secret)
    for mode in (0o460, 0o402):
        shared.chmod(mode)
        # While the server runs, a file that others can change is not read as a new version either.
        os.utime(shared, (mode, mode))
        with pytest.raises(TokenError, match="can be changed by other users"):
            served.find(secret)
        with pytest.raises(DataDirError, match=r"COUNTERSIGN_TOKENS: .* can be changed by other users"):
            config.read(environment | {"COUNTERSIGN_TOKENS": str(link)})


def test_socket_mode_needs_no_signing_secret(environment: dict[str, str]) -> None:
    settings = config.read(environment | {"SLACK_SIGNING_SECRET": "", "SLACK_APP_TOKEN": "xapp-1"})
    assert settings.socket_mode


def test_a_secret_can_be_kept_in_a_file(environment: dict[str, str], tmp_path: Path) -> None:
    place = tmp_path / "token"
    place.write_text("xoxb-from-file\n")
    settings = config.read(environment | {"SLACK_BOT_TOKEN": "", "SLACK_BOT_TOKEN_FILE": str(place)})
    assert settings.bot_token == "xoxb-from-file"


def test_a_secret_of_the_environment_wins_over_one_that_the_file_keeps_elsewhere(
    environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "countersign.toml"
    file.write_text('SLACK_BOT_TOKEN_FILE = "/nowhere-now"\n')
    with pytest.raises(SettingError, match="SLACK_BOT_TOKEN_FILE: names no file that can be read"):
        config.read(environment | {"COUNTERSIGN_CONFIG": str(file)})
    (tmp_path / "token").write_text("xoxb-file")
    file.write_text(f'SLACK_BOT_TOKEN_FILE = "{tmp_path / "token"}"\n')
    assert config.read(environment | {"COUNTERSIGN_CONFIG": str(file)}).bot_token == "xoxb-1"


def test_empty_in_the_file_is_not_set(environment: dict[str, str], tmp_path: Path) -> None:
    """As in the environment. The manifest says to leave SLACK_APP_TOKEN empty for HTTP."""
    file = tmp_path / "countersign.toml"
    file.write_text('SLACK_APP_TOKEN = ""\n')
    assert not config.read(environment | {"COUNTERSIGN_CONFIG": str(file)}).socket_mode


def test_the_environment_wins_over_the_file(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "countersign.toml"
    file.write_text('SLACK_BOT_TOKEN = "xoxb-file"\nCOUNTERSIGN_LISTEN = "127.0.0.1:4000"\n')
    settings = config.read(environment | {"COUNTERSIGN_CONFIG": str(file)})
    assert (settings.bot_token, settings.port) == ("xoxb-1", 4000)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SLACK_BOT = 'x'", "has SLACK_BOT, which is not a setting"),
        ("COUNTERSIGN_LISTEN = 3000", "COUNTERSIGN_LISTEN in .* must be a string in quotes"),
        ("COUNTERSIGN_LISTEN = ", "is not valid TOML"),
    ],
)
def test_a_wrong_config_file_is_one_line_too(
    environment: dict[str, str], tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "countersign.toml"
    file.write_text(text)
    with pytest.raises(SettingError, match=words):
        config.read(environment | {"COUNTERSIGN_CONFIG": str(file)})


def test_no_secret_may_be_seen_in_the_log(environment: dict[str, str]) -> None:
    """This includes each of several secrets in one setting. No hub takes all settings, so two are read."""
    given = {name: f"xapp-{name} other-{name}" for name in setting_sources.SECRETS}
    given["SLACK_BOT_TOKEN"] = "xoxb-1-SLACK_BOT_TOKEN"
    given["COUNTERSIGN_METRICS_TOKEN"] = "other-COUNTERSIGN_METRICS_TOKEN"
    kept: set[str] = set()
    for hub, unfit in (
        ("grpc://127.0.0.1:4001", "COUNTERSIGN_PAYLOAD_STORE"),
        ("Endpoint=http://127.0.0.1:1;Authentication=None;TaskHub=t", "COUNTERSIGN_HUB_TOKEN"),
    ):
        fit = {name: value for name, value in given.items() if name != unfit}
        kept |= {*config.read(environment | fit | {"COUNTERSIGN_HUB": hub}).secrets}
    assert {f"other-{name}" for name in setting_sources.SECRETS} - {"other-SLACK_BOT_TOKEN"} <= kept
    assert {*given.values()} <= kept

"""The configuration of the one app that is installed in the workspace."""

from dataclasses import asdict, dataclass

ALL_SCOPES = frozenset(
    {
        "app_mentions:read",
        "channels:history",
        "channels:join",
        "channels:read",
        "chat:write",
        "chat:write.customize",
        "chat:write.public",
        "commands",
        "files:write",
        "groups:history",
        "groups:read",
        "im:history",
        "im:read",
        "im:write",
        "mpim:read",
        "reactions:read",
        "reactions:write",
        "team:read",
        "usergroups:read",
        "users:read",
        "users:read.email",
    }
)


@dataclass(frozen=True, slots=True)
class CommandHint:
    """The description of a slash command, shown while it is typed."""

    command: str
    description: str = ""
    usage_hint: str = ""


@dataclass(frozen=True, slots=True)
class AppConfig:
    """An app's installation, as its manifest would describe it.

    `scopes` are those granted to the bot token; a method outside them answers `missing_scope`. `events` are
    the bot events it subscribed to, by manifest name (`message.im`, `message.channels`, `app_mention`,
    `app_home_opened`). `commands` are the slash commands registered for it, each with its leading slash; None
    accepts every command. With `should_escape` the text of commands names people and channels by ID. `hints` describe
    the commands. Without `takes_messages` (`messages_tab_read_only_enabled`) nobody can write to the app.

    `tries` are lines that the page offers to a newcomer in an empty channel; a manifest has no such key.
    """

    app_id: str = "A0APP"
    bot_id: str = "B0BOT"
    scopes: frozenset[str] = ALL_SCOPES
    events: frozenset[str] = frozenset({"app_home_opened", "app_mention", "message.im"})
    commands: frozenset[str] | None = None
    should_escape: bool = False
    hints: tuple[CommandHint, ...] = ()
    takes_messages: bool = True
    tries: tuple[str, ...] = ()

    @property
    def shown_commands(self) -> list[dict[str, str]]:
        """The commands as the page suggests them; a command without a hint has only its name."""
        hinted = {hint.command for hint in self.hints}
        bare = [CommandHint(command) for command in sorted((self.commands or frozenset()) - hinted)]
        return [asdict(hint) for hint in (*self.hints, *bare)]

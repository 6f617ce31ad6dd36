"""The subcommands of `countersign`, one module each; `bot.cli` is the table of them."""

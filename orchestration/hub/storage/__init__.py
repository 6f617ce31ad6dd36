"""The hub's one SQLite file: opening it (`file`), changing it (`transaction`) and committing it (`group_commit`)."""

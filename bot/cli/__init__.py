"""The `countersign` command: one module a subcommand; `main` is the table of them."""

"""The `countersign` command: one module for each subcommand; `main` has the table of them."""

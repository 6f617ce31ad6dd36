"""The differences between the coding agents: how each calls its hook, which answer it expects, and its settings."""

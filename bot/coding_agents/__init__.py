"""What is particular to each coding agent: how its hook is called, what it takes for an answer, and its settings."""

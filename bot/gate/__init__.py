"""The gate: which calls of an agent pass, which are refused, and which wait for people."""

"""The parts of the composition root: each builds one side of a running Countersign from its settings."""

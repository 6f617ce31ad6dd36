"""The parts of the composition root. Each builds one part of a running Countersign from its settings."""

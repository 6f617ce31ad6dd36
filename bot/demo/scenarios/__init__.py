"""Short scenarios, and what plays them, by the same interfaces that people and programs use."""

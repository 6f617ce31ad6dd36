"""Five short scenarios, and what plays them: through the interfaces that people and programs use, and no other."""

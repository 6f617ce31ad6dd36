"""Five short scenarios, and what plays them: through the doors that people and programs use, and no other."""

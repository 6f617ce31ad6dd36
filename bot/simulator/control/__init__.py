"""The `/sim` API: what the page calls, and what tests and the demo call to act as a person."""

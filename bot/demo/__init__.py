"""The demo: the simulated workspace in this process, the real bot in a child that can be killed.

Nothing is imported here: the child needs neither the supervisor nor the workspace.
"""

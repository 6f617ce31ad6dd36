"""The demo: the simulated workspace in this process, the real bot in a child that can be killed."""

from bot.demo.supervisor import run_demo

__all__ = ["run_demo"]

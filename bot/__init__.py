"""Everything that touches the outside: Slack, SMS, HTTP, the command line, and the simulated workspace."""

"""The durable core: approvals and codes by SMS as workflows, knowing no chat system."""

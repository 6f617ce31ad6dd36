"""The approval workflow. Read workflow.py first."""

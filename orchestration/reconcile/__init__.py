"""The workflow that corrects the cards of a request that ended without running its own code."""

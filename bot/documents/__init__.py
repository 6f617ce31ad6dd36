"""Watches document folders and stores, asks for reviews, shows the documents, and moves them once decided."""

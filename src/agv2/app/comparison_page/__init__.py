"""Runs side by side as a page."""

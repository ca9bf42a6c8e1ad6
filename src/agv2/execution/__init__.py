"""Carrying an order out exactly once, through whichever broker is plugged in."""

"""Vendors' files read into bars: one module a format, and what they share."""

"""Bars in: read from files, made synthetically, described by market."""

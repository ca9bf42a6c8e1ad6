"""What can be wrong with bars: one module a family of checks, and the repairs."""

"""Is this machine fit to work with: small checks, each a function that returns what it found."""

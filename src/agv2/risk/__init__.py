"""From a wanted target to a permitted position; limits have the last word."""

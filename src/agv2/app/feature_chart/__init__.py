"""Price, its heat map and every feature, aligned in time, as one HTML page."""

"""The evidence on an encoder as one HTML page."""

"""One trade explained, as one HTML page."""

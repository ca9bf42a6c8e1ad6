"""What training policies found, as one HTML page."""

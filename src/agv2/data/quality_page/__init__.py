"""The quality report as a page: one HTML file that needs nothing but itself."""

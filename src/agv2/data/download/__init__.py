"""Inside a download: pages of a venue's history, checks of them, and what the archive is owed."""
